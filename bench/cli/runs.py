"""The ``runs`` commands: list, show, delete, clean up, export and import what a store holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import DEFAULT_OUT, DEFAULT_STORE, StoreFolder, folder, with_options, writable_folder
from models.errors import InputError, shown

if TYPE_CHECKING:
    from bench.results.record import Record
    from bench.results.runs.listing import Run
    from bench.results.runs.removal import Removal
    from bench.results.store import Store

commands = typer.Typer(help="List, show, delete, export and import the runs of a store.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Results = Annotated[
    Path, typer.Option("--out", help="Folder of results, whose run set names ablations.", callback=folder)
]
BEGINNING = "An id, or its beginning."


@dataclass(frozen=True)
class Wanted:
    """Which runs a command is about, option by option."""

    method: Annotated[str | None, typer.Option(help="Only runs of this method.")] = None
    data: Annotated[str | None, typer.Option("--data", help="Only runs on this data set.")] = None
    preset: Annotated[str | None, typer.Option(help="Only runs of this size.")] = None
    seed: Annotated[int | None, typer.Option(help="Only runs with this seed of the training.")] = None
    status: Annotated[
        str | None, typer.Option(help="finished, evaluated (waits for its cost), failed, trained or unfinished.")
    ] = None
    ablation: Annotated[str | None, typer.Option(help="Only runs that this table of --out names.")] = None
    since: Annotated[str | None, typer.Option(help="Finished on this day or later: 2026-11-28.")] = None
    until: Annotated[str | None, typer.Option(help="Finished on this day or before.")] = None
    out: Results = DEFAULT_OUT
    store: StoreFolder = DEFAULT_STORE

    def runs(self) -> list[Run]:
        """Runs of the store that are wanted, newest last.

        Raises:
            InputError: a value is not one that can be asked for, or there is no such store.
        """
        from bench.results.run_set import declared
        from bench.results.runs.listing import STATUSES, moment, runs_of

        if self.status not in (None, *STATUSES):
            raise InputError(f"--status {self.status}: is none; take one of {', '.join(STATUSES)}")
        tables = {} if self.ablation is None else declared(self.out).tables
        if self.ablation is not None and self.ablation not in tables:
            raise InputError(f"--ablation {self.ablation}: {self.out} has {', '.join(tables)}")
        since = moment(self.since, "--since") if self.since else None
        until = moment(self.until, "--until", end_of_day=True) if self.until else None
        everything = list(runs_of(_opened(self.store)).values())
        found = [run for run in everything if self.status in (None, run.status)]
        for option in ("method", "data", "preset", "seed"):
            value = getattr(self, option)
            if value is not None:
                fitting = {run.id for run in self._with(everything, option, value)}
                found = [run for run in found if run.id in fitting]
        if self.ablation is not None:
            found = [run for run in found if run.id in tables[self.ablation].ids]
        if since is not None:
            found = [run for run in found if run.finished is not None and since <= run.finished]
        if until is not None:
            found = [run for run in found if run.finished is not None and run.finished <= until]
        return found

    def _with(self, runs: list[Run], option: str, value: str | int) -> list[Run]:
        """Runs of what an option names; a method also goes by its title, as the list prints it.

        Where failures are asked for, those of older versions, which say nothing of it, are among them.

        Raises:
            InputError: none of the runs has it, but they have others.
        """
        from bench.config.parsing import suggestion

        titled = [run for run in runs if option == "method" and run.method and run.training_id]
        wanted = {value} | {run.method for run in titled if run.title == value}
        untold = [run for run in runs if run.status == self.status == "failed" and not run.method]
        found = untold + [run for run in runs if getattr(run, option) in wanted]
        known = {run.title for run in titled} | {str(getattr(run, option)) for run in runs if run.method}
        if known and not found:
            told = suggestion(str(value), list(known))
            raise InputError(f"--{option} {value}: no run of {self.store} has it; {told}")
        return found


@commands.command("list")
@with_options(Wanted)
def list_runs(wanted: Wanted, as_json: Json = False) -> None:
    """List the runs of a store, newest last. MPJPE is that of an aggregation without ground truth."""
    from bench.results.documents import in_place

    with in_place():
        found = wanted.runs()
    if as_json:
        typer.echo(json.dumps([run.model_dump() for run in found], indent=1))
        return
    rows = [("id", "status", "finished", "method", "data", "seed", "H", "K", "MPJPE"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo(shown("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()))
    typer.echo(f"{len(found)} runs")


def _row(run: Run) -> tuple[str, ...]:
    numbers = ("" if number is None else str(number) for number in (run.seed, run.hypotheses, run.steps))
    data = "/".join(filter(None, (run.data, run.detections)))
    error = "" if run.mpjpe is None else f"{run.mpjpe:.1f}"
    return (run.id, run.status, run.finished_at[:16].replace("T", " "), run.name, data, *numbers, error)


@commands.command()
def show(
    beginning: Annotated[str, typer.Argument(metavar="ID", help=BEGINNING)],
    out: Results = DEFAULT_OUT,
    store: StoreFolder = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Show a run or a training: what it is, what it depends on, and what depends on it."""
    from bench.results.documents import in_place
    from bench.results.runs.listing import find_id, runs_of

    opened = _opened(store)
    with in_place():
        runs = runs_of(opened)
        name = find_id(beginning, opened, runs)
        record = opened.records([name]).get(name)
        if as_json and record is not None:
            typer.echo(record.model_dump_json(indent=1))
            return
        told = _told(opened, name, runs, record, out)
    if as_json:
        typer.echo(json.dumps(told, indent=1))
        return
    for key, value in told.items():
        for number, line in enumerate(value if isinstance(value, list) else [value]):
            typer.echo(shown(f"{key if number == 0 else '':14}{line}"))


def _told(
    store: Store, name: str, runs: dict[str, Run], record: Record | None, out: Path
) -> dict[str, str | list[str]]:
    """What ``show`` says, by heading."""
    from bench.results.runs.listing import Run, dependents
    from bench.results.runs.removal import in_words, size_of

    run = runs.get(name) or Run(id=name, status="trained" if store.is_trained(name) else "unfinished")
    told: dict[str, str | list[str]] = {
        "id": name,
        "status": run.status + (f": {run.reason}" if run.reason else ""),
    }
    if run.title:
        told["method"] = run.name
    if record is not None:
        conditions = (f"{heading} {words}" for heading, words in record.conditions.stated.items())
        told |= {
            "data": f"{record.data.label}, {record.data.test_detections} poses",
            "seed": f"{run.seed}, H={run.hypotheses} K={run.steps}",
            "conditions": "; ".join(conditions),
            "numbers": list(_numbers(record)),
            "cost": f"{record.cost.latency.median_ms:.3g} ms a window, {record.cost.parameters:,} parameters",
            "made": f"{record.finished_at} on {record.environment.device}, commit {record.git_commit}",
            "MLflow run": record.mlflow_run_id or "none",
        }
    training = store.training(run.training_id or name)
    if training.is_dir():
        told["training"] = f"{training.name}: {in_words(size_of(training))}"
    elif run.training_id:
        told["training"] = f"{run.training_id}: not in this store"
    arrays = store.files.of(name)
    if arrays:
        told["arrays"] = f"{len(arrays)} files: {in_words(sum(map(size_of, arrays)))}"
    told["depends on it"] = [
        *(f"{other} {runs[other].title}" if other in runs else other for other in dependents(store, name, runs)),
        *_tables_with(name, out),
    ] or "nothing"
    return told


def _numbers(record: Record) -> Iterator[str]:
    for value in record.values:
        if value.step == record.conditions.steps:
            info = record.metric(value.metric)
            name = " ".join(filter(None, (info.title, value.aggregation)))
            kind = "" if value.kind == "deterministic" else f" ({value.kind})"
            yield f"{name} {value.action_mean:.1f} [{value.low:.1f}, {value.high:.1f}] {info.unit}{kind}"


def _tables_with(name: str, out: Path) -> Iterator[str]:
    """Tables of a folder of results that a run is in."""
    from bench.results.run_set import RUNSET, declared

    if (out / RUNSET).exists():
        for table, found in declared(out).tables.items():
            if name in found.ids:
                yield f"table {table} of {out}"


@commands.command()
def delete(
    beginnings: Annotated[list[str], typer.Argument(metavar="ID...", help=BEGINNING)],
    store: StoreFolder = DEFAULT_STORE,
    yes: Yes = False,
) -> None:
    """Delete runs or trainings with what was made from them: from the store, its index and MLflow."""
    from bench.results.runs.listing import find_id, runs_of
    from bench.results.runs.removal import removal_of

    opened = _opened(store)
    runs = runs_of(opened)
    removal = removal_of(opened, [find_id(beginning, opened, runs) for beginning in beginnings], runs)
    for name in removal.runs:
        if name in runs:
            typer.echo(shown("  ".join(filter(None, _row(runs[name])))))
    _remove(opened, removal, yes)


@commands.command()
def gc(
    results: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of results: what their run sets name is kept.", show_default="results"),
    ] = None,
    store: StoreFolder = DEFAULT_STORE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    yes: Yes = False,
) -> None:
    """Remove the runs, trainings and artifacts of a store that none of the named results needs."""
    from bench.results.documents import in_place
    from bench.results.run_set import declared
    from bench.results.runs.removal import unnamed

    opened = _opened(store)
    with in_place(dry_run):
        removal = unnamed(opened, [declared(place) for place in results or [DEFAULT_OUT]])
        if dry_run or not removal:
            for line in removal.lines(opened):
                typer.echo(f"would remove {line}")
            typer.echo("nothing was removed" if removal else "nothing to remove")
            return
    _remove(opened, removal, yes)


def _remove(store: Store, removal: Removal, yes: bool) -> None:
    """Say what is removed, ask, and remove it."""
    from bench.results.runs.removal import refuse_in_use, remove

    for line in removal.lines(store):
        typer.echo(line)
    refuse_in_use(store)
    if not yes:
        try:
            typer.confirm("Remove them?", abort=True)
        except typer.Abort as abort:
            if isinstance(abort.__context__, EOFError):  # nobody is there to answer
                typer.echo()
                raise InputError("nothing was removed, as the question got no answer; give --yes") from None
            raise
        refuse_in_use(store)  # again: a sweep may have begun while the question stood
    remove(store, removal)
    typer.echo("removed")


@commands.command("export")
@with_options(Wanted)
def export_runs(
    wanted: Wanted,
    archive: Annotated[Path, typer.Argument(help="The file to write: runs.zip.")],
    weights: Annotated[bool, typer.Option("--weights", help="Add the weights of the trainings.")] = False,
    arrays: Annotated[bool, typer.Option(help="Add the arrays that figures need.")] = True,
) -> None:
    """Write finished runs, all or those that options choose, into one archive with checksums."""
    from bench.results.run_set import RUNSET, declared
    from bench.results.runs.archive import export, restricted
    from bench.results.runs.removal import in_words, size_of

    if not archive.absolute().parent.is_dir():
        raise InputError(f"{archive}: its folder is not there; make it, or name another place")
    ids = [run.id for run in wanted.runs() if run.status == "finished"]
    if not ids:
        shows = f"`python -m bench runs list --store {wanted.store}` shows all"
        raise InputError(f"--store {wanted.store}: no finished run fits; {shows}")
    runset = restricted(declared(wanted.out), ids) if (wanted.out / RUNSET).exists() else None
    store = _opened(wanted.store)
    records = store.records(ids)
    export({name: records[name] for name in ids}, store, archive, runset, weights, arrays)
    tables = f", the tables of {wanted.out}" if runset else ""
    typer.echo(f"wrote {archive}: {len(ids)} runs{tables}; {in_words(size_of(archive))}")


@commands.command("import")
def import_runs(
    archive: Annotated[Path, typer.Argument(help="A file that `runs export` wrote.")],
    store: StoreFolder = DEFAULT_STORE,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write the run set here, for `report --out`.", callback=writable_folder),
    ] = None,
) -> None:
    """Add the runs of an archive to a store; what the store has already stays as it is."""
    from bench.results.documents import seal
    from bench.results.files import write_text
    from bench.results.leftovers import remove_leftovers_of
    from bench.results.run_set import RUNSET
    from bench.results.runs.archive import bring_in, opened
    from bench.results.store import Store
    from bench.results.tracking.recovery import log_again
    from bench.results.tracking.tracker import Tracker

    target = Store(store)
    with opened(archive) as content:
        text = seal(content.runset) if content.runset else ""
        file = out / RUNSET if out and text else None
        if file and file.exists() and file.read_text(encoding="utf-8") != text:
            raise InputError(f"{file}: is of other runs; nothing was imported: name another folder by --out")
        done = bring_in(content, target)
    if file:
        remove_leftovers_of(file)
        write_text(file, text)
    typer.echo(f"{len(done.added)} runs added, {len(done.known)} were there already")
    if done.kept:
        typer.echo(f"{len(done.kept)} runs are other ones here, and stay as they are: {', '.join(done.kept)}")
    logged = {name for name, record in target.records().items() if record.mlflow_run_id}
    log_again(Tracker(target.root), target, logged)


def _opened(folder: Path) -> Store:
    """A store that is there; else it is refused."""
    from bench.results.store import Store

    if not folder.is_dir():
        raise InputError(f"--store {folder}: there is no such store; name the one that runs were made in")
    return Store(folder)
