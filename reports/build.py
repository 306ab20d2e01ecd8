"""From a declared set of runs and their records to files: tables, figures, a LaTeX report, a summary."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import matplotlib

from bench.config.registry import LAYOUTS
from bench.results.arrays import RunFiles
from bench.results.record import Record
from bench.results.run_set import RunSet
from bench.results.seeds import pool
from models.errors import InputError
from reports.document import document
from reports.figures.accuracy_cost import latency_accuracy, memory_accuracy
from reports.figures.style import STYLE, Drawing
from reports.page.content import content
from reports.page.template import page
from reports.rules.entries import Entry
from reports.rules.missing import table_entries
from reports.rules.warnings import missing_sentence
from reports.staging import LATEX, REPORT, staging
from reports.summary import summary
from reports.tables.layout import Layout, layout_of
from reports.tables.register import register
from reports.writers.forms import DEFAULT_FORMS, texts
from reports.writers.table import Table

NO_LATEX = (
    "report.pdf was not made: neither pdflatex nor tectonic is on PATH; install one "
    "(Debian: apt-get install texlive-latex-base texlive-latex-recommended texlive-latex-extra "
    "texlive-science)"
)

LATEX_SECONDS = 300


def build(
    runset: RunSet,
    records: dict[str, Record],
    out: Path,
    files: RunFiles | None = None,
    forms: Sequence[str] = DEFAULT_FORMS,
) -> list[Path]:
    """Write every table, figure, ``report.tex``, ``index.html`` and ``summary.md`` below ``out``.

    All files are made first and then moved into place one by one, so that an error changes nothing and a reader
    never sees half a file. Files of earlier builds that this one does not write are left alone.

    Args:
        records: by id; ids of the run set that are missing here are named under their table and in the summary.
        files: where the arrays beside the records lie.
        forms: of the tables (``reports.writers.forms``); ``report.tex`` is written where they are made in LaTeX.

    Returns:
        The files written, the summary first.

    Raises:
        InputError: something that is not of a report is where a file or folder of it has to be.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with staging(out, REPORT) as stage:
            names = _write_all(runset, records, stage, files, forms)
            for name in names:
                target = out / name
                target.parent.mkdir(exist_ok=True)
                os.replace(stage / name, target)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        place = error.filename2 or error.filename
        raise InputError(f"--out {out}: {place} is in the way; move it, or name another folder") from None
    return [out / name for name in names]


def compile_pdf(tex: Path) -> Path | None:
    """Run pdflatex (three times, for the lists on its first page) or tectonic on a report; the PDF lies beside it.

    Returns:
        The PDF; None when neither program is on PATH (``NO_LATEX`` says what to install).

    Raises:
        InputError: LaTeX failed or took longer than five minutes; its first error is named.
    """
    pdflatex, tectonic = shutil.which("pdflatex"), shutil.which("tectonic")
    if not (pdflatex or tectonic):
        return None
    with staging(tex.parent.absolute(), LATEX) as folder:
        if pdflatex:
            options = ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
            command = [pdflatex, *options, "-output-directory", str(folder), tex.name]
        else:
            command = [str(tectonic), "--untrusted", "--outdir", str(folder), tex.name]
        for _ in range(3 if pdflatex else 1):
            _run_latex(command, tex)
        pdf = tex.with_suffix(".pdf")
        os.replace(folder / pdf.name, pdf)
    return pdf


def _write_all(
    runset: RunSet, records: dict[str, Record], stage: Path, arrays: RunFiles | None, forms: Sequence[str]
) -> list[PurePosixPath]:
    known = [records[identity] for identity in runset.ids if identity in records]
    entries = {name: table_entries(spec, records, runset.missing) for name, spec in runset.tables.items()}
    tables = _tables(runset, records, entries)
    with matplotlib.rc_context(STYLE):
        drawings = _drawings(runset, records, entries, arrays)
    written = []
    for name, table in [*tables.items(), ("register", register(known))]:
        written += [_write(stage, f"tables/{file}", text) for file, text in texts(table, name, forms).items()]
    for drawing in drawings:
        written += save_drawing(drawing, stage, runset.command)
    captions = [(drawing.name, drawing.caption) for drawing in drawings]
    if "tex" in forms:
        written.insert(0, _write(stage, "report.tex", document(runset, known, tables, captions)))
    written.append(_write(stage, "index.html", page(content(runset, known, tables, arrays))))
    return [_write(stage, "summary.md", summary(runset, known, tables, written)), *written]


def _layout(name: str) -> tuple[Layout, tuple[str, ...]]:
    """A layout, and a note for under its table; a row per run where the layout is not there or does not import."""
    try:
        return layout_of(name), ()
    except InputError as error:
        known = name in LAYOUTS.names()
        why = f"The layout cannot be used ({error})" if known else f"There is no layout {name!r}"
        return Layout("runs", layout_of("runs").table), (f"{why}: one row per run.",)


def _tables(runset: RunSet, records: dict[str, Record], entries: dict[str, list[Entry]]) -> dict[str, Table]:
    """File name → table. A table of which no run has a record is left to the summary's warnings."""
    tables: dict[str, Table] = {}
    for name, spec in runset.tables.items():
        if not entries[name]:
            continue
        layout, not_usable = _layout(spec.layout)
        missing = [run for run in spec.ids if run not in records and run not in runset.missing]
        notes = spec.notes + ((missing_sentence(missing, len(spec.ids)),) if missing else ()) + not_usable
        found = {name: layout.table(entries[name], spec.title)}
        for companion in layout.companions:
            further = companion.table(entries[name], f"{spec.title}: {companion.subtitle}")
            if further.blocks:
                found[f"{name}-{companion.name}"] = further
        tables |= {file_name(key): replace(table, notes=table.notes + notes) for key, table in found.items()}
    return tables


def _drawings(
    runset: RunSet, records: dict[str, Record], entries: dict[str, list[Entry]], arrays: RunFiles | None
) -> list[Drawing]:
    layouts = {name: _layout(spec.layout)[0] for name, spec in runset.tables.items()}
    compared = [run for name, spec in runset.tables.items() if layouts[name].in_overall for run in spec.ids]
    together = pool(records[run] for run in dict.fromkeys(compared) if run in records)
    drawings = [*latency_accuracy(together), *memory_accuracy(together)]
    for name, layout in layouts.items():
        runs = [records[run] for run in runset.tables[name].ids if run in records]
        if runs:
            own = _drawings_of(layout, runs, entries[name], arrays)
            drawings += [replace(drawing, name=f"{name}-{drawing.name}") for drawing in own]
    return [replace(drawing, name=file_name(drawing.name)) for drawing in drawings]


def _drawings_of(
    layout: Layout, runs: Sequence[Record], entries: Sequence[Entry], arrays: RunFiles | None
) -> list[Drawing]:
    pooled = [entry for entry in entries if isinstance(entry, Record)]
    drawn = [drawing for draw in layout.figures_of_runs for drawing in draw(runs)]
    drawn += [drawing for draw in layout.figures for drawing in draw(pooled)]
    drawn += [drawing for draw in layout.figures_with_missing for drawing in draw(entries)]
    if arrays is not None:
        drawn += [drawing for draw in layout.pictures for drawing in draw(pooled, arrays)]
    return drawn


def save_drawing(drawing: Drawing, stage: Path, command: str) -> list[PurePosixPath]:
    """As PDF and PNG, with a text file of the caption and the command; the names below ``stage``."""
    paths = [PurePosixPath(f"figures/{drawing.name}.{end}") for end in ("pdf", "png")]
    (stage / "figures").mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        drawing.figure.savefig(stage / paths[0], metadata={"CreationDate": None})
        drawing.figure.savefig(stage / paths[1])
    return [*paths, _write(stage, f"figures/{drawing.name}.txt", f"{drawing.caption}\n\nCommand: {command}\n")]


def _write(stage: Path, name: str, text: str) -> PurePosixPath:
    path = stage / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return PurePosixPath(name)


def file_name(name: str) -> str:
    """Letters, digits, ``-`` and ``.``: what LaTeX and every file system take; "_" would need care in LaTeX."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-") or "table"


def _run_latex(command: Sequence[str], tex: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=tex.parent, capture_output=True, text=True, errors="replace", timeout=LATEX_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{tex}: LaTeX took longer than {LATEX_SECONDS} s; run it by hand to see why") from None
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if line.startswith("!")] or [
            done.stderr.strip()[-200:]
        ]
        raise InputError(
            f"{tex}: LaTeX failed ({errors[0]}); run {Path(command[0]).name} on it by hand to see more"
        )
