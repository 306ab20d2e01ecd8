"""The standalone LaTeX report around the tables and figures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from bench.results.grouping import grouped
from bench.results.record import Record
from bench.results.run_set import RunSet
from reports.figures.style import Drawing
from reports.rules.metrics import definitions
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
\newcommand{\printfloats}{\ifx\@deferlist\@empty\else\clearpage\fi}
\setlength{\@fptop}{0pt}
\setlength{\@fpsep}{16pt}
\makeatother
\renewcommand{\topfraction}{0.95}
\renewcommand{\floatpagefraction}{0.75}
\renewcommand{\textfraction}{0.05}
\setcounter{totalnumber}{10}
\setcounter{topnumber}{10}
\ifdefined\extrafloats\extrafloats{500}\fi
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
\emergencystretch=3em
\widowpenalty=10000
\clubpenalty=10000
\begin{document}
"""

FLOATS_FIRST = r"\ifnum\value{table}>0\relax\clearpage\fi"
"""Printed before a table that is no float, unless it is the first one."""

NARROW_INCHES = 3.6
"""A figure that is no wider may stand beside another one."""

OPENINGS = ("Conditions.", "Conditions of [", "Reported numbers (")
"""How the first sentence of a set begins; it says nothing that the others do not say."""

ABOUT_CONDITIONS = (
    r"Tables and figures name the sets of conditions that they were obtained under. Every condition is a row; its "
    r"last column has the sets that it belongs to (all: no set says otherwise). What is in parentheses behind a "
    r"condition is of these only.\par"
)
CONDITIONS_TABLE = (
    r"{\scriptsize\setlength{\tabcolsep}{4pt}\begin{longtable}{@{}>{\raggedright}p{0.12\linewidth}"
    r">{\raggedright}p{0.67\linewidth}>{\raggedright\arraybackslash}p{0.16\linewidth}@{}}"
    "\n\\toprule Condition & & Sets \\\\ \\midrule \\endhead"
)
CONDITIONS_END = r"\bottomrule\end{longtable}}\addtocounter{table}{-1}"
"""It has no caption, and so no number."""

Numbered = dict[tuple[str, ...], int]
"""Sets of conditions, in sentences, with their numbers."""

FINDINGS_OF = "Of the numbers that use no ground-truth pose or trajectory at test time, with 95 % intervals, in"


def document(
    runset: RunSet,
    records: Sequence[Record],
    tables: Mapping[str, Table],
    figures: Sequence[Drawing],
    every_run: Table,
    mains: Sequence[str],
    findings: Sequence[str],
    verdicts: Sequence[str],
) -> str:
    """``report.tex``, with its tables in their complete form.

    Conditions are written once, in an appendix that tables and figures refer to by number.

    Args:
        tables: by name of the file below ``tables/``, in the order to print them.
        every_run: the register.
        mains: names of the tables that the findings are of.
        findings, verdicts: in sentences; verdicts are those on claims.
    """
    conditions: Numbered = {}
    floats = list(_floats(tables, figures, conditions))
    found_in = " and ".join(rf"Table~\ref{{tab:{name}}}" for name in mains)
    trainings = len({record.training_id for record in records})
    lines = [
        r"\section*{Results}",
        f"{len(records)} run{'s' * (len(records) != 1)} of {trainings} trained model{'s' * (trainings != 1)}, "
        f"as of {latex(runset.created_at)}.\\par",
        f"{{\\raggedright Command: \\texttt{{{latex_breakable(runset.command)}}}\\par}}",
        *floats[:1],
        *([r"\section{Findings}", f"{latex(FINDINGS_OF)} {found_in}:\\par"] if findings else []),
        *(f"{latex_breakable(sentence)}\\par" for sentence in findings),
        *([r"\section{Verdicts on claims}"] if verdicts else []),
        *(f"{latex_breakable(sentence)}\\par" for sentence in verdicts),
        r"\section{Definitions}",
        *_definitions(records),
        r"{\small\listoftables\listoffigures}",
        *floats[1:],
        r"\printfloats\appendix\section{Environment}",
        *_environments(records),
        r"\section{Conditions}\label{conditions}",
        ABOUT_CONDITIONS,
        *_facts({number: sentences for sentences, number in conditions.items()}),
        r"\section{Every run}",
        *_register(every_run),
        r"\end{document}",
    ]
    return PREAMBLE + "\n".join(lines) + "\n"


def _refer(paragraphs: Iterable[Sequence[str]], conditions: Numbered) -> str:
    """LaTeX that refers to sets of conditions, which are numbered as they come."""
    its = [tuple(sentences) for sentences in paragraphs if sentences]
    numbers = [conditions.setdefault(sentences, len(conditions) + 1) for sentences in its]
    return rf"Conditions: \hyperref[conditions]{{{_ranges(numbers)}}} (appendix)." if numbers else ""


def _facts(sets: Mapping[int, Sequence[str]], prefix: str = "") -> list[str]:
    """A table with a row for each sentence of numbered sets, those that begin with the same name together."""
    where: dict[str, list[int]] = {}
    for number, sentences in sets.items():
        for sentence in sentences:
            if not sentence.startswith(OPENINGS):
                where.setdefault(sentence, []).append(number)
    rows = []
    for name, members in grouped(where, lambda sentence: sentence.partition(": ")[0]).items():
        rows.append(r"\addlinespace")
        for place, sentence in enumerate(members):
            agreed = len(members) == 1 and len(where[sentence]) > len(sets) / 2
            numbers = "all" if agreed else _ranges(where[sentence], prefix)
            words = sentence.partition(": ")[2] or sentence
            rows.append(f"{latex_breakable(name * (not place))} & {latex_breakable(words)} & {numbers} \\\\")
    return [CONDITIONS_TABLE, *rows, CONDITIONS_END] if rows else []


def _ranges(numbers: Iterable[int], prefix: str = "") -> str:
    """``1--3, 5``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if not runs or number > runs[-1][-1] + 1:
            runs.append([number])
        runs[-1].append(number)
    return ", ".join(prefix + "--".join(map(str, dict.fromkeys((run[0], run[-1])))) for run in runs)


def _definitions(records: Sequence[Record]) -> list[str]:
    """Every aggregation, abbreviation and metric that tables print, then marks."""
    kinds = {value.aggregation: f"{value.symbol} [{value.kind}]" for record in records for value in record.values}
    texts = [f"{term}{kinds.get(term, '')}: {meaning}." for term, meaning in definitions(records).items()]
    texts += [f"{text}." for text in (*LEGEND.values(), BOLD, TIE, AHEAD, SPREAD)]
    shown = r"\\".join(map(latex_breakable, texts))
    return [rf"\begin{{minipage}}{{\linewidth}}\footnotesize\raggedright {shown}\end{{minipage}}\par"]


def _floats(tables: Mapping[str, Table], figures: Sequence[Drawing], conditions: Numbered) -> Iterator[str]:
    """Tables in order; behind the last of an ablation its figures, behind the first those of all runs."""
    if not tables:
        yield from _figures(figures, conditions)
    drawn = grouped(figures, lambda drawing: _ablation(drawing.name, tables))
    last = {_ablation(name, tables): name for name in tables}
    for place, (name, table) in enumerate(tables.items()):
        yield _table(name, table, conditions)
        its = drawn.get("", []) * (place == 0) + drawn.get(_ablation(name, tables), []) * (name in last.values())
        yield from _figures(its, conditions)


def _ablation(name: str, tables: Iterable[str]) -> str:
    """The name of the ablation that a table or figure belongs to; "" for figures of all runs."""
    return min((base for base in tables if name == base or name.startswith(f"{base}-")), key=len, default="")


def _table(name: str, table: Table, conditions: Numbered) -> str:
    """A table over several pages is no float: LaTeX would print it before the floats that come first."""
    reference = _refer(table.conditions, conditions)
    note = table.short(table)
    table = replace(table, conditions=([note],) * bool(note))
    return FLOATS_FIRST * over_pages(table) + to_latex(table, name, reference)


def _register(table: Table) -> list[str]:
    """The conditions of runs, then the runs."""
    sets = {number: sentences[1:] for number, sentences in enumerate(table.conditions, start=1)}
    table = replace(table, conditions=())
    return [*_facts(sets, "C"), FLOATS_FIRST * over_pages(table) + to_latex(table, "register")]


def _figures(figures: Sequence[Drawing], conditions: Numbered) -> list[str]:
    """Floats of one figure, or of two narrow ones beside each other."""
    floats, left = [], list(figures)
    while left:
        pair = len(left) > 1 and all(one.figure.get_figwidth() <= NARROW_INCHES for one in left[:2])
        its = [_figure(left.pop(0), conditions) for _ in range(1 + pair)]
        if pair:
            boxes = [rf"\begin{{minipage}}[t]{{0.48\linewidth}}\vspace{{0pt}}{one}\end{{minipage}}" for one in its]
            its = ["\\hfill\n".join(boxes)]
        floats.append("\n".join([r"\begin{figure}[htbp]", *its, r"\end{figure}"]))
    return floats


def _figure(drawing: Drawing, conditions: Numbered) -> str:
    title, rest = _split(drawing.caption)
    reference = _refer([drawing.conditions], conditions)
    return "\n".join(
        [
            r"{\centering",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\includegraphics{{figures/{drawing.name}.pdf}}}}\par}}",
            rf"\caption{{{latex_breakable(title)}}}",
            rf"\label{{fig:{drawing.name}}}",
            rf"{{\scriptsize\raggedright {latex_breakable(rest)} {reference}\par}}",
        ]
    )


def _split(caption: str) -> tuple[str, str]:
    """The first sentence of a caption, its title, and the rest. A stop inside brackets does not end it."""
    depth = 0
    for place, character in enumerate(caption):
        depth += (character in "([") - (character in ")]")
        if depth <= 0 and re.match(r"[.;]( |$)", caption[place:]):
            rest = caption[place + 1 :].strip()
            return caption[:place], rest[:1].upper() + rest[1:]
    return caption, ""


def _environments(records: Sequence[Record]) -> list[str]:
    lines = []
    for name, facts in environments(records):
        lines += [rf"\subsection*{{{latex(name)}}}", r"{\raggedright\small"]
        lines += [rf"{latex_breakable(fact)}.\par" for fact in facts]
        lines.append("}")
    return lines
