"""The standalone LaTeX report around the tables and figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.config.registry import AGGREGATIONS
from bench.results.record import Record, Value
from bench.results.run_set import RunSet
from models.errors import InputError
from reports.rules.comparability import aggregation_order
from reports.rules.metrics import ERRORS, in_order, title_with_unit
from reports.tables.runs.register import environments
from reports.writers.escaping import latex, latex_breakable
from reports.writers.latex import over_pages, to_latex
from reports.writers.table import AHEAD, BOLD, LEGEND, SPREAD, TIE, Table

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
\IfFileExists{hyperref.sty}{\usepackage[hidelinks]{hyperref}}
  {\newcommand{\hyperref}[2][]{#2}\newcommand{\phantomsection}{}}
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

FLUSH_AFTER = 16
"""Floats that LaTeX is given before it has to print them; it holds no more than a few dozen."""

Figure = tuple[str, str, float]

NARROW_INCHES = 3.6
"""A figure that is no wider may stand beside another one."""

FINDINGS_OF = "Of the numbers that use no ground truth at test time, with 95 % intervals, in"
WORDS = (
    "DET, GT: 2D poses of a detector, exact 2D poses.",
    "H, K: hypotheses, and steps of denoising; 1 for a deterministic method.",
    "MPJPE, P-MPJPE: mean distance of joints to the ground truth, as predicted (Protocol 1) and after the best "
    "similarity transform of each pose (Protocol 2), in mm.",
    "single: the one pose of a deterministic method.",
    "FPP, FPC, PTS: FinePOSE's prompts of body parts, its communication between prompt and pose, and its prompt "
    "of the time step; w/o: switched off.",
)


def document(
    runset: RunSet,
    records: Sequence[Record],
    tables: Mapping[str, Table],
    figures: Sequence[Figure],
    every_run: Table,
    findings: Sequence[str],
) -> str:
    """``report.tex``, with its tables in their complete form.

    Conditions that several tables and figures share are written once, in an appendix that each refers to.

    Args:
        tables: by name of the file below ``tables/``, in the order to print them.
        figures: names, captions, and widths in inches.
        every_run: the register.
        findings: in sentences.
    """
    shared = _Shared()
    shown = [_table(name, table, shared) for name, table in tables.items()]
    drawn = _figures(figures, shared)
    lines = [
        r"\section*{Results}",
        f"{len(records)} runs of {len({record.training_id for record in records})} trained models; "
        f"declared {latex(runset.created_at)}.\\par",
        f"{{\\raggedright Command: \\texttt{{{latex_breakable(runset.command)}}}\\par}}",
        *([r"\section{Findings}", f"{latex(FINDINGS_OF)} {_link(tables)}:\\par"] if findings else []),
        *(f"{latex_breakable(sentence)}\\par" for sentence in findings),
        r"\section{Definitions}",
        *_definitions(records),
        r"\section{Tables and figures}",
        *_range("Tables", "tab", list(tables)),
        *_range("Figures", "fig", [name for name, _, _ in figures]),
        *_flushed([*shown, *drawn]),
        r"\appendix\section{Conditions}",
        *shared.lines(),
        r"\section{Environment}",
        *_environments(records),
        r"{\small\listoftables\listoffigures}",
        r"\section{Every run}",
        FLOATS_FIRST * over_pages(every_run) + to_latex(every_run, "register"),
        r"\end{document}",
    ]
    return PREAMBLE + "\n".join(lines) + "\n"


class _Shared:
    """Paragraphs of conditions, each with a number and written once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def refer(self, paragraphs: Sequence[str]) -> str:
        """LaTeX that refers to paragraphs; they are numbered as they come."""
        numbers = [self._numbers.setdefault(text, len(self._numbers) + 1) for text in paragraphs if text]
        links = ", ".join(rf"\hyperref[cond:{number}]{{{number}}}" for number in numbers)
        return rf"Complete conditions: {links} (appendix)." if numbers else ""

    def lines(self) -> list[str]:
        made = []
        for text, number in self._numbers.items():
            made.append(rf"\phantomsection\label{{cond:{number}}}")
            made.append(rf"{{\small\raggedright {number}. {latex_breakable(text)}\par}}")
        return made


def _range(what: str, kind: str, names: Sequence[str]) -> list[str]:
    """Where to find them."""
    return [rf"{what}~\ref{{{kind}:{names[0]}}} to~\ref{{{kind}:{names[-1]}}}.\par"] if names else []


def _link(tables: Mapping[str, Table]) -> str:
    """A reference to the main table, which comes first."""
    return rf"Table~\ref{{tab:{next(iter(tables))}}}" if tables else "the tables"


def _definitions(records: Sequence[Record]) -> list[str]:
    """Every aggregation and metric that the records have, then marks and abbreviations."""
    values = {value.aggregation: value for record in records for value in record.values if value.aggregation}
    aggregations = [
        f"{name}{value.symbol}: {_rule(name)} [{value.kind}]."
        for name, value in sorted(values.items(), key=_order)
    ]
    metrics = {value.metric: record.metric(value.metric) for record in records for value in record.values}
    others = [f"{title_with_unit(metrics[name])}." for name in in_order(metrics) if name not in ERRORS]
    marks = [f"{text}." for text in (*LEGEND.values(), BOLD, TIE, AHEAD, SPREAD)]
    texts = [*aggregations, *WORDS, *others, *marks]
    return [r"{\small\raggedright", *(rf"{latex_breakable(text)}\par" for text in texts), "}"]


def _rule(aggregation: str) -> str:
    """What an aggregation does, in the words of whoever wrote it; those of a package that is gone have none."""
    try:
        return str(getattr(AGGREGATIONS.load(aggregation), "rule", "no rule is stated"))
    except InputError:
        return "of a package that is not installed"


def _order(item: tuple[str, Value]) -> int:
    return aggregation_order(item[0])


def _flushed(floats: list[str]) -> list[str]:
    lines = []
    for number, text in enumerate(floats, start=1):
        lines += [text, *[r"\clearpage"] * (number % FLUSH_AFTER == 0)]
    return lines


def _table(name: str, table: Table, shared: _Shared) -> str:
    """A table over several pages is no float: LaTeX would print it before the floats that come first."""
    reference = shared.refer(table.conditions)
    table = replace(table, conditions=(table.short,) * bool(table.short))
    return FLOATS_FIRST * over_pages(table) + to_latex(table, name, reference)


def _figures(figures: Sequence[Figure], shared: _Shared) -> list[str]:
    """Floats of one figure, or of two narrow ones beside each other."""
    rows: list[list[str]] = []
    alone = False
    for name, caption, inches in figures:
        narrow = inches <= NARROW_INCHES
        if alone and narrow:
            rows[-1].append(_figure(name, caption, shared))
        else:
            rows.append([_figure(name, caption, shared)])
        alone = narrow and len(rows[-1]) == 1
    return [_side_by_side(row) for row in rows]


def _side_by_side(figures: Sequence[str]) -> str:
    if len(figures) > 1:
        boxes = [rf"\begin{{minipage}}[t]{{0.48\linewidth}}\vspace{{0pt}}{one}\end{{minipage}}" for one in figures]
        figures = ["\\hfill\n".join(boxes)]
    return "\n".join([r"\begin{figure}[htbp]", *figures, r"\end{figure}"])


def _figure(name: str, caption: str, shared: _Shared) -> str:
    drawn, data, conditions = caption.partition(" Data: ")
    title, rest = _split(drawn)
    reference = shared.refer([f"Conditions. {data.strip()} {conditions}"] if data else [])
    return "\n".join(
        [
            r"{\centering",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\includegraphics{{figures/{name}.pdf}}}}\par}}",
            rf"\caption{{{latex_breakable(title)}}}",
            rf"\label{{fig:{name}}}",
            rf"{{\scriptsize\raggedright {latex_breakable(rest)} {reference}\par}}",
        ]
    )


def _split(caption: str) -> tuple[str, str]:
    """The first sentence of a caption, its title, and the rest. A stop inside brackets does not end it."""
    depth = 0
    for place, character in enumerate(caption):
        depth += (character in "([") - (character in ")]")
        if depth <= 0 and re.match(r"[.;]( |$)", caption[place:]):
            return caption[:place], caption[place + 1 :].strip()
    return caption, ""


def _environments(records: Sequence[Record]) -> list[str]:
    lines = []
    for name, facts in environments(records):
        lines += [rf"\subsection*{{{latex(name)}}}", r"{\raggedright\small"]
        lines += [rf"{latex_breakable(fact)}.\par" for fact in facts]
        lines.append("}")
    return lines
