"""The command ``report``: tables, figures and summary from run records alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import DEFAULT_OUT, DEFAULT_STORE, Out, StoreFolder
from models.errors import InputError

if TYPE_CHECKING:
    from bench.results.record import Record
    from bench.results.run_set import RunSet
    from bench.results.store import Store
    from reports.build import Report
    from reports.writers.paper import PaperTable


def report(
    out: Out = DEFAULT_OUT,
    store: StoreFolder = DEFAULT_STORE,
    rebuild_index: Annotated[
        bool, typer.Option("--rebuild-index", help="First make the index of records again from MLflow.")
    ] = False,
    pdf: Annotated[bool, typer.Option(help="Compile report.pdf when pdflatex or tectonic is installed.")] = True,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            help="What changed, and whether beyond noise: results, results=TABLE, stores, archives, or study.",
        ),
    ] = None,
    forms: Annotated[
        str | None, typer.Option("--format", help="Forms of the tables: tex,csv,md,html (html only if asked for).")
    ] = None,
    paper: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML: which rows and columns the tables in LaTeX print, and how."),
    ] = None,
) -> None:
    """Write the tables, figures and summary of the last sweep in --out again, from run records alone."""
    from bench.results.run_set import declared
    from bench.results.store import Store
    from reports.writers.forms import DEFAULT_FORMS, forms_of
    from reports.writers.paper import read_paper

    chosen = forms_of(forms) if forms is not None else DEFAULT_FORMS
    if compare is not None:
        _compare(compare, store, out, chosen)
        return
    choices = read_paper(paper) if paper is not None else None
    opened = Store(store)
    if rebuild_index:
        from bench.results.tracking.recovery import rebuild_index as rebuild

        typer.echo(rebuild(opened))
    runset = declared(out)
    written = write_report(runset, opened, out, pdf, chosen, again=True, paper=choices)
    for line in [*written.missing, *places(written, out, pdf)]:
        typer.echo(line)


def write_report(
    runset: RunSet,
    store: Store,
    out: Path,
    pdf: bool = True,
    forms: Sequence[str] | None = None,
    again: bool = False,
    drawn: bool = True,
    paper: Mapping[str, PaperTable] | None = None,
) -> Report:
    """Write the report of a run set, whose records the store holds.

    Args:
        pdf: compile it where a LaTeX is installed.
        forms: of the tables; None for the usual ones.
        again: there may be an older report, which one without any run does not replace.
        drawn: with the figures.
        paper: name of a table → what of it a paper prints.

    Raises:
        InputError: ``again``, and no run has a record here; or ``paper`` names what there is not.
    """
    from bench.results.run_set import refuse_to_lose
    from reports.build import build
    from reports.pdf import compile_pdf
    from reports.writers.forms import DEFAULT_FORMS

    records = with_other_data(runset.tables.values(), store.records(runset.ids), store)
    missing = {name: found for name, found in runset.missing.items() if name not in records}
    runset = runset.model_copy(update={"missing": missing})
    if again:
        refuse_to_lose(runset, records, store.root)
    written = build(runset, records, out, store.files, forms or DEFAULT_FORMS, drawn, paper or {})
    if pdf and out / "report.tex" in written.files and (compiled := compile_pdf(out / "report.tex")):
        written.files.append(compiled)
    return written


def with_other_data(
    tables: Iterable[RunSet.Table], records: Mapping[str, Record], store: Store
) -> dict[str, Record]:
    """Records, and where claims compare two data sets, all of the store that are of these.

    Raises:
        InputError: the index of the store is damaged.
    """
    pairs = (claim.between for table in tables for claim in table.claims if claim.better and claim.between)
    wanted = set(itertools.chain.from_iterable(pairs))
    found = store.records() if wanted else {}
    return {name: one for name, one in found.items() if one.experiment["data"]["name"] in wanted} | dict(records)


def places(report: Report, out: Path, pdf: bool = True) -> list[str]:
    """Where to read a report, in lines."""
    from reports.pdf import NO_LATEX

    named = [("summary", "summary.md"), ("page", "index.html"), ("PDF", "report.pdf")]
    found = [f"{what}: {out / name}" for what, name in named if out / name in report.files]
    return found + [NO_LATEX] * (pdf and out / "report.tex" in report.files and len(found) < len(named))


def _compare(names: tuple[str, str], store: Path, out: Path, forms: Sequence[str]) -> None:
    """Write what changed from one set of runs to another."""
    from bench.results.files import write_text
    from bench.results.runs.named import finished
    from reports.tables.runs.run_comparison import changes
    from reports.writers.forms import texts

    before, after = (finished(name, store) for name in names)
    table = changes(names, before.records, after.records)
    missing = [
        f"{found.missing} declared runs of {found.name} have no record and are left out."
        for found in (before, after)
        if found.missing
    ]
    table = replace(table, notes=(*table.notes, *missing))
    for line in table.notes:
        typer.echo(line)
    for name, text in texts(table, "comparison", forms).items():
        write_text(out / name, text)
        typer.echo(f"wrote {out / name}")


def beside_study(records: Iterable[Record]) -> list[str]:
    """How runs stand beside shipped ones with the same settings; nothing where none are shipped.

    What cannot be read or compared is said, and stops no sweep.
    """
    from bench.results.runs.named import SHIPPED, finished, shipped
    from bench.results.statistics.seeds import pool
    from reports.tables.runs.run_comparison import TEST, changes

    if not shipped():
        return []
    try:
        sides = [pool(side) for side in (finished("study", SHIPPED).records, (r for r in records if r.trained))]
        runs = [{name for record in side for name in record.runs} for side in sides]
        shared = [[record for record in side if (runs[0] & runs[1]).intersection(record.runs)] for side in sides]
        if not all(shared):
            return []
        notes = changes(("study", "this run"), *shared).notes
    except InputError as error:
        notes = (str(error),)
    told = " ".join(itertools.takewhile(lambda note: note != TEST, notes))
    return [f"beside the runs of docs/results: {told} More: python -m bench report --compare study RESULTS"]
