"""The standalone LaTeX report around the tables and figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bench.results.record import Record
from bench.results.run_set import RunSet
from reports.tables.runs.register import environments
from reports.writers.escaping import latex, latex_breakable
from reports.writers.latex import is_long
from reports.writers.table import Table

PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage{textcomp}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{multirow}
\usepackage{array}
\IfFileExists{siunitx.sty}
  {\usepackage{siunitx}\sisetup{group-digits=integer,group-separator={,},group-minimum-digits=4}}
  {\newcolumntype{S}[1][]{r}}
\usepackage{longtable}
\usepackage{lscape}
\usepackage{graphicx}
\makeatletter
\setlength{\@fptop}{0pt}
\setlength{\@fpsep}{16pt}
\makeatother
\renewcommand{\topfraction}{0.95}
\renewcommand{\floatpagefraction}{0.75}
\renewcommand{\textfraction}{0.05}
\setcounter{totalnumber}{10}
\setcounter{topnumber}{10}
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
\emergencystretch=3em
\begin{document}
"""

FLOATS_FIRST = r"\ifnum\value{table}>0\relax\clearpage\fi"
"""Printed before a table that is no float, unless it is the first one."""

FLUSH_AFTER = 8
"""Floats that LaTeX is given before it has to print them; it holds no more than a few dozen."""


def document(
    runset: RunSet, records: Sequence[Record], tables: Mapping[str, Table], figures: Sequence[tuple[str, str]]
) -> str:
    """``report.tex``: ``tables`` by name of the file below ``tables/``, ``figures`` names and captions."""
    lines = [
        r"\section*{Results}",
        f"{len(records)} runs of {len({record.training_id for record in records})} trained models; "
        f"declared {latex(runset.created_at)}.\\par",
        f"{{\\raggedright Command: \\texttt{{{latex_breakable(runset.command)}}}\\par}}",
        r"{\small\listoftables\listoffigures}",
        r"\clearpage\section{Tables}",
        *_flushed([_input(name, table) for name, table in tables.items()]),
        r"\clearpage\section{Figures}",
        *_flushed([_figure(name, caption) for name, caption in figures]),
        r"\clearpage\appendix\section{Every run and its conditions}",
        r"\input{tables/register.tex}",
        r"\clearpage\section{Environment}",
        *_environments(records),
        r"\end{document}",
    ]
    return PREAMBLE + "\n".join(lines) + "\n"


def _flushed(floats: list[str]) -> list[str]:
    lines = []
    for number, text in enumerate(floats, start=1):
        lines += [text, *[r"\clearpage"] * (number % FLUSH_AFTER == 0)]
    return lines


def _input(name: str, table: Table) -> str:
    """A table over several pages is no float: LaTeX would print it before the floats that come first."""
    return FLOATS_FIRST * is_long(table) + rf"\input{{tables/{name}.tex}}"


def _figure(name: str, caption: str) -> str:
    return "\n".join(
        [
            r"\begin{figure}[htbp]",
            r"\centering",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\includegraphics{{figures/{name}.pdf}}}}",
            rf"\caption{{{latex_breakable(_in_short(name, caption))}}}",
            rf"\label{{fig:{name}}}",
            rf"{{\scriptsize\raggedright {latex_breakable(caption)}\par}}",
            r"\end{figure}",
        ]
    )


def _in_short(name: str, caption: str) -> str:
    """The short caption of a figure: its name and the first sentence. LaTeX cannot list all conditions.

    A stop inside brackets does not end it.
    """
    depth = 0
    for place, character in enumerate(caption):
        depth += (character in "([") - (character in ")]")
        if depth <= 0 and re.match(r"[.;]( |$)", caption[place:]):
            return f"{name}: {caption[:place]}"
    return f"{name}: {caption}"


def _environments(records: Sequence[Record]) -> list[str]:
    lines = []
    for name, facts in environments(records):
        lines += [rf"\subsection*{{{latex(name)}}}", r"{\raggedright\small"]
        lines += [rf"{latex_breakable(fact)}.\par" for fact in facts]
        lines.append("}")
    return lines
