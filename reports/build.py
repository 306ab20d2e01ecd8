"""From a declared set of runs and their records to files: tables, figures, a LaTeX report, a summary."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import matplotlib

from bench.config.parsing import suggestion
from bench.config.registry import LAYOUTS
from bench.results.arrays import RunFiles
from bench.results.record import Record
from bench.results.run_set import RunSet
from bench.results.statistics.seeds import pool
from models.errors import InputError
from reports.document import document
from reports.figures.cost.accuracy_cost import latency_accuracy, memory_accuracy
from reports.figures.style import STYLE, Drawing
from reports.findings import findings
from reports.page.content import content
from reports.page.template import page
from reports.rules.claims import Judged, in_words, judge
from reports.rules.controls import controls
from reports.rules.controls import in_words as controls_in_words
from reports.rules.entries import Entry
from reports.rules.metrics import defined
from reports.rules.missing import table_entries
from reports.rules.names import named_for_figures
from reports.rules.warnings import lost_files, missing_sentence, unexplained
from reports.summary import missing_lines, summary
from reports.tables.evidence.claims import claims_table
from reports.tables.evidence.controls import controls_table
from reports.tables.layout import Layout, layout_of
from reports.tables.runs.register import register
from reports.tables.short_note import short_note
from reports.writers.citations import REFERENCES
from reports.writers.forms import DEFAULT_FORMS, texts
from reports.writers.paper import PaperTable
from reports.writers.staging import REPORT, staging
from reports.writers.table import Table

REGISTER, CONTROLS = "register", "controls"
"""The files of the tables of all runs, and of controls."""

Caught = type[Exception] | tuple[type[Exception], ...]
NUMBERS: Caught = (ArithmeticError, ValueError)
"""What Matplotlib raises of numbers that are too large to be drawn."""

LONGEST_NAME, MOST_WORDS = 120, 300
"""Characters of a file's name, and of what an exception says."""


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        files: all of them, the summary first.
        tables: those that the summary shows, but for claims.
        verdicts: on claims, in words; the first one counts them.
        missing: how many runs of which table have no record, and why, in lines.
    """

    files: list[Path]
    tables: list[Table]
    verdicts: list[str]
    missing: list[str]


def build(
    runset: RunSet,
    records: dict[str, Record],
    out: Path,
    files: RunFiles | None = None,
    forms: Sequence[str] = DEFAULT_FORMS,
    drawn: bool = True,
    paper: Mapping[str, PaperTable] = MappingProxyType({}),
) -> Report:
    """Write every table, figure, ``report.tex``, ``index.html`` and ``summary.md`` below ``out``.

    What could not be made of the records is said in the summary, on the page and on standard error.
    All files are made first and then moved into place one by one, so that an error changes nothing and a reader
    never sees half a file. Files of earlier builds that this one does not write are left alone.

    Args:
        records: by id; ids of the run set that are missing here are named under their table and in the summary.
        files: where the arrays beside the records lie.
        forms: of the tables (``reports.writers.forms``); ``report.tex`` is written where they are made in LaTeX.
        drawn: with the figures, which take most of the time; those of an earlier report stay otherwise.
        paper: name of a table → what of it a paper prints; other tables are printed as they are.

    Raises:
        InputError: ``paper`` names a table or a part of one that there is not, or something that is not of a
            report is where a file or folder of it has to be.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with staging(out, REPORT) as stage:
            names, tables, verdicts, remarks = _write_all(runset, records, stage, files, forms, drawn, paper)
            for name in names:
                target = out / name
                target.parent.mkdir(exist_ok=True)
                os.replace(stage / name, target)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        place = error.filename2 or error.filename
        raise InputError(f"--out {out}: {place} is in the way; move it, or name another folder") from None
    for remark in remarks:
        print(f"warning: {remark}", file=sys.stderr)
    return Report([out / name for name in names], tables, verdicts, missing_lines(runset, records))


def _write_all(
    runset: RunSet,
    records: dict[str, Record],
    stage: Path,
    arrays: RunFiles | None,
    forms: Sequence[str],
    drawn: bool,
    paper: Mapping[str, PaperTable],
) -> tuple[list[PurePosixPath], list[Table], list[str], list[str]]:
    """The names of all files, the tables of the summary, verdicts, and remarks on what could not be made."""
    known = [records[identity] for identity in runset.ids if identity in records]
    entries = {
        name: table_entries(spec, records, runset.missing, _layout(spec.layout)[0].pooled)
        for name, spec in runset.tables.items()
    }
    remarks: list[str] = []
    judged = {name: judge(spec.claims, records) for name, spec in runset.tables.items()}
    verdicts = [line for found in judged.values() for line in in_words(found)]
    tables, mains = _tables(runset, records, entries, judged)
    checked = controls(known)
    if checked:
        made_of = partial(short_note, pool(known))
        tables[CONTROLS] = replace(controls_table(checked, "Controls"), short=made_of)
    for name in paper.keys() - tables.keys():
        raise InputError(f"the report has no table {name!r}: {suggestion(name, list(tables))}")
    with matplotlib.rc_context(STYLE):
        drawings = _drawings(runset, records, entries, arrays, remarks) if drawn else []
    every_run = register(known)
    written = []
    for name, table in [*tables.items(), (REGISTER, every_run)]:
        made = texts(table, name, forms, paper.get(name, PaperTable()))
        written += [_write(stage, f"tables/{file}", text) for file, text in made.items()]
    kept = []
    for drawing in drawings:
        with _remarked(remarks, f"the figure {drawing.name} cannot be drawn"):
            written += save_drawing(drawing, stage, runset.command)
            kept.append(drawing)
    first = [name for name, of_claims in mains.items() if not of_claims]
    if "tex" in forms:
        ordered = {name: tables[name] for name in dict.fromkeys([*first, *tables])}
        said = findings(tables[name] for name in first)
        text = document(runset, known, ordered, kept, every_run, first, said, verdicts)
        written.insert(0, _write(stage, "report.tex", text))
        written.append(_write(stage, REFERENCES.name, REFERENCES.read_text(encoding="utf-8")))
    written.append(_write(stage, "index.html", page(content(runset, known, tables, arrays, remarks, verdicts))))
    remarks += lost_files(known, arrays)
    in_summary = [tables[name] for name in mains]
    text = summary(runset, known, verdicts, controls_in_words(checked), in_summary, written, remarks)
    return [_write(stage, "summary.md", text), *written], [tables[name] for name in first], verdicts, remarks


def _layout(name: str) -> tuple[Layout, tuple[str, ...]]:
    """A layout, and a note for under its table; a row per run where the layout is not there or does not import."""
    try:
        return layout_of(name), ()
    except InputError as error:
        known = name in LAYOUTS.names()
        why = f"The layout cannot be used ({error})" if known else f"There is no layout {name!r}"
        return _row_per_run(why)


def _row_per_run(why: str) -> tuple[Layout, tuple[str, ...]]:
    return Layout("runs", layout_of("runs").table), (f"{why}: one row per run.",)


def _tables(
    runset: RunSet, records: dict[str, Record], entries: dict[str, list[Entry]], judged: dict[str, list[Judged]]
) -> tuple[dict[str, Table], dict[str, bool]]:
    """Tables by name of their file, those of claims first, and the names of those that the summary shows.

    These are of claims and of methods, else the first one; with each name stands whether it is of claims. A table
    of which no run has a record is left to the summary's warnings.
    """
    tables: dict[str, Table] = {}
    mains: dict[str, bool] = {}
    for name, spec in sorted(runset.tables.items(), key=lambda item: not judged[item[0]]):
        if not entries[name]:
            continue
        found, failed = _tables_of(spec, entries[name])
        lost = unexplained(runset, spec, records)
        said = spec.notes + (missing_sentence(lost, len(set(spec.ids))),) * bool(lost) + failed
        claims = bool(judged[name])
        if spec.layout == "main" or claims:
            mains[free_name(name, tables)] = claims
        if claims:
            found[""] = claims_table(judged[name], spec.title)
        for end, table in found.items():
            notes = (*table.notes, *said, *defined(entries[name], table.texts()))
            tables[free_name(name + end, tables)] = replace(table, notes=notes)
    return tables, mains or dict.fromkeys(list(tables)[:1], False)


def _tables_of(spec: RunSet.Table, entries: list[Entry]) -> tuple[dict[str, Table], tuple[str, ...]]:
    """End of the name → a table of the layout, and a note for under it if the layout cannot be used."""
    layout, notes = _layout(spec.layout)
    try:
        return _with_companions(layout, entries, spec.title), notes
    except Exception as error:  # whatever another package does wrong: the runs are shown nevertheless
        if spec.layout in LAYOUTS.own:
            raise
        layout, notes = _row_per_run(f"The layout {spec.layout!r} failed ({_in_words(error)})")
        return _with_companions(layout, entries, spec.title), notes


def _with_companions(layout: Layout, entries: list[Entry], title: str) -> dict[str, Table]:
    found = {"": layout.table(entries, title)}
    for companion in layout.companions:
        further = companion.table(entries, f"{title}: {companion.subtitle}")
        if further.blocks:
            found[f"-{companion.name}"] = further
    for table in found.values():
        if not isinstance(table, Table):
            raise TypeError(f"a {type(table).__name__} is no reports.writers.table.Table")
    return {end: replace(table, short=partial(short_note, entries)) for end, table in found.items()}


def _drawings(
    runset: RunSet,
    records: dict[str, Record],
    entries: dict[str, list[Entry]],
    arrays: RunFiles | None,
    remarks: list[str],
) -> list[Drawing]:
    """All figures, each with a name of its own; ``remarks`` gets a sentence for those that cannot be made."""
    records = {name: named_for_figures(record) for name, record in records.items()}
    entries = {name: [named_for_figures(entry) for entry in its] for name, its in entries.items()}
    layouts = {name: _layout(spec.layout)[0] for name, spec in runset.tables.items()}
    compared = [run for name, spec in runset.tables.items() if layouts[name].in_overall for run in spec.ids]
    together = pool(records[run] for run in dict.fromkeys(compared) if run in records)
    drawings: list[Drawing] = []
    for draw_overall in (latency_accuracy, memory_accuracy):
        with _remarked(remarks, "a figure of all runs cannot be drawn"):
            drawings += draw_overall(together)
    for name, layout in layouts.items():
        runs = [records[run] for run in dict.fromkeys(runset.tables[name].ids) if run in records]
        caught = NUMBERS if runset.tables[name].layout in LAYOUTS.own else Exception
        for draw in _drawers(layout, runs, entries[name], arrays) if runs else []:
            with _remarked(remarks, f"{name}: a figure cannot be drawn", caught):
                own = list(draw())
                drawings += [replace(drawing, name=f"{free_name(name, ())}-{drawing.name}") for drawing in own]
    named: dict[str, Drawing] = {}
    for drawing in drawings:
        name = free_name(drawing.name, named)
        named[name] = replace(drawing, name=name)
    return list(named.values())


@contextlib.contextmanager
def _remarked(remarks: list[str], what: str, caught: Caught = NUMBERS) -> Iterator[None]:
    """Go on after an error of the block, with a remark: a report is written although a part of it cannot be."""
    try:
        yield
    except caught as error:
        remarks.append(f"{what} ({_in_words(error)})")


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:MOST_WORDS]


def _drawers(
    layout: Layout, runs: Sequence[Record], entries: Sequence[Entry], arrays: RunFiles | None
) -> list[Callable[[], Iterable[Drawing]]]:
    """What draws the figures of a layout."""
    pooled = [entry for entry in entries if isinstance(entry, Record)]
    drawers: list[Callable[[], Iterable[Drawing]]] = [
        *(partial(draw, runs) for draw in layout.figures_of_runs),
        *(partial(draw, pooled) for draw in layout.figures),
        *(partial(draw, entries) for draw in layout.figures_with_missing),
    ]
    if arrays is not None:
        drawers += [partial(draw, pooled, arrays) for draw in layout.pictures]
    return drawers


def save_drawing(drawing: Drawing, stage: Path, command: str) -> list[PurePosixPath]:
    """Save as PDF and PNG, with a text file of the caption and the command.

    Returns:
        The names of the files below ``stage``.
    """
    paths = [PurePosixPath(f"figures/{drawing.name}.{end}") for end in ("pdf", "png")]
    (stage / "figures").mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        drawing.figure.savefig(stage / paths[0], metadata={"CreationDate": None})
        drawing.figure.set_layout_engine(None)  # the places just found hold for the picture too
        drawing.figure.savefig(stage / paths[1])
    text = " ".join([drawing.caption, *drawing.conditions])
    return [*paths, _write(stage, f"figures/{drawing.name}.txt", f"{text}\n\nCommand: {command}\n")]


def _write(stage: Path, name: str, text: str) -> PurePosixPath:
    path = stage / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return PurePosixPath(name)


def free_name(name: str, taken: Container[str]) -> str:
    """A name for a file of a report, with a number behind it where it is taken.

    Letters, digits and "-" only: what LaTeX and every file system take; "_" would need care in LaTeX. What is too
    long for a file system is cut.
    """
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-") or "table"
    if len(plain) > LONGEST_NAME:
        plain = f"{plain[:LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    names = itertools.chain([plain], (f"{plain}-{number}" for number in itertools.count(2)))
    return next(found for found in names if found not in taken and found != REGISTER)
