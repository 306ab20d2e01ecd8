"""The command line. It alone reaches every floor, inside its commands: ``--help`` imports little."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from bench.cli import checkpoints as published_commands
from bench.cli import data as data_commands
from bench.cli import speed as speed_commands
from bench.cli.data import DataRoot
from bench.cli.options import (
    DEFAULT_OUT,
    DEFAULT_STORE,
    Assignments,
    DataName,
    Device,
    DryRun,
    ExecutorName,
    Full,
    Out,
    Preset,
    RetryFailed,
    Seeds,
    Share,
    StoreFolder,
    Threads,
    Workers,
    changes_of,
)
from models.errors import InputError

if TYPE_CHECKING:
    from bench.job.resolve import Job
    from bench.results.record import RunSet
    from bench.results.store import Store
    from bench.sweep.executors import Executor
    from bench.sweep.search import Space


class _Group(typer.core.TyperGroup):
    """Bad input is one sentence and exit code 2, Ctrl-C is 130; never a traceback for either."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            _complain(f"error: {error}", 2)
        except KeyboardInterrupt:
            _complain("interrupted; what is finished is kept, and the same command goes on from here", 130)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                raise
            place = error.filename or "an output folder"
            _complain(
                f"error: {place}: cannot be written ({error.strerror}); free space or name another folder", 2
            )


app = typer.Typer(
    cls=_Group,
    help="Benchmark and ablation suite for monocular 3D human pose estimation (2D-to-3D lifting).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data_commands.commands, name="data")


@app.command()
def ablate(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Declared ablations, NAME or NAME=CHOICE (all default ones when none is named)."),
    ] = None,
    preset: Preset = None,
    data: DataName = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    seeds: Seeds = None,
    out: Out = DEFAULT_OUT,
    store: StoreFolder = DEFAULT_STORE,
    assignments: Assignments = None,
    full: Full = False,
    workers: Workers = None,
    threads: Threads = None,
    executor: ExecutorName = None,
    share: Share = None,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
) -> None:
    """Train, evaluate, measure and report declared ablations."""
    from ablations.declared import default_names, expand, read, space
    from bench.job.data_cache import DataCache
    from bench.job.resolve import resolve
    from bench.results.record import RunSet

    changes = changes_of(preset, data, data_root, assignments)
    cache = DataCache()
    jobs: dict[str, Job] = {}
    tables: dict[str, RunSet.Table] = {}
    searches: dict[str, Space] = {}
    for name in names or default_names():
        ablation, stem = read(name), Path(Path(name).name.partition("=")[0]).stem
        ablation = ablation.as_run(changes, full)
        tables[stem] = RunSet.Table(title=ablation.title, layout=ablation.layout, ids=())
        if ablation.search is not None:
            searches[stem] = space(ablation, [*changes, *_seeds(seeds)[0]], full)
            continue
        experiments = [
            experiment for seed in _seeds(seeds) for experiment in expand(ablation, [*changes, *seed], full)
        ]
        resolved = [resolve(experiment, cache) for experiment in experiments]
        jobs |= {job.id: job for job in resolved}
        ids = tuple(dict.fromkeys(job.id for job in resolved))
        tables[stem] = tables[stem].model_copy(update={"ids": ids})
    runset = RunSet(tables=tables, command=_command(), created_at=_now())
    how = _How(device, store, workers, threads, executor, share or [], retry_failed)
    how.plan(list(jobs.values()), searches) if dry_run else how.run(list(jobs.values()), runset, out, searches)


@app.command()
def run(
    description: Annotated[
        Path | None, typer.Argument(help="YAML file of an experiment (the default experiment without one).")
    ] = None,
    method: Annotated[str | None, typer.Option(help="Name of a method; `methods` lists them.")] = None,
    preset: Preset = None,
    data: DataName = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    seeds: Seeds = None,
    out: Out = DEFAULT_OUT,
    store: StoreFolder = DEFAULT_STORE,
    assignments: Assignments = None,
    workers: Workers = None,
    threads: Threads = None,
    executor: ExecutorName = None,
    share: Share = None,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
) -> None:
    """Run one experiment: train it if that was not done, evaluate, measure, log and report."""
    from bench.config.experiment import parse
    from bench.config.parsing import override, read_yaml
    from bench.job.data_cache import DataCache
    from bench.job.resolve import resolve
    from bench.results.record import RunSet

    base: Any = read_yaml(description) if description else {}
    changes = changes_of(preset, data, data_root, assignments)
    if method:
        changes.insert(0, ("method.name", method))
    cache, jobs = DataCache(), []
    for seed in _seeds(seeds):
        changed = base
        for key, value in [*changes, *seed]:
            changed = override(changed, key, value)
        jobs.append(resolve(parse(changed, str(description or "experiment")), cache))
    ids = tuple(dict.fromkeys(job.id for job in jobs))
    table = RunSet.Table(title="Single runs", layout="runs", ids=ids)
    runset = RunSet(tables={"run": table}, command=_command(), created_at=_now())
    how = _How(device, store, workers, threads, executor, share or [], retry_failed)
    how.plan(jobs, {}) if dry_run else how.run(jobs, runset, out, {})


@app.command()
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
            help="Say what changed from A to B and whether beyond noise: results, results=TABLE, or stores.",
        ),
    ] = None,
    forms: Annotated[
        str | None, typer.Option("--format", help="Forms of the tables: tex,csv,md,html (html only if asked for).")
    ] = None,
) -> None:
    """Write the tables, figures and summary of the last sweep in --out again, from run records alone."""
    from bench.results.run_set import declared
    from bench.results.store import Store
    from reports.writers.forms import DEFAULT_FORMS, forms_of

    chosen = forms_of(forms) if forms is not None else DEFAULT_FORMS
    if compare is not None:
        _compare(compare, store, out, chosen)
        return
    opened = Store(store)
    if rebuild_index:
        from bench.results.tracking import Tracker

        opened.index.unlink(missing_ok=True)
        for record in Tracker(store).records():
            opened.add(record)
        opened.fold()
    runset = declared(out, f"python -m bench ablate --out {out}")
    _report(runset, opened, out, pdf, chosen)


@app.command()
def methods() -> None:
    """List the methods, their sizes and the options that --set method.options.NAME=VALUE changes."""
    from dataclasses import asdict

    from bench.config.registry import METHODS

    for name in METHODS.names():
        lifter = METHODS.load(name)
        kind = "diffusion: H and K apply" if lifter.probabilistic else "deterministic"
        typer.echo(f"{name}: {lifter.title} ({kind})")
        for preset, content in lifter.presets.items():
            options = " ".join(f"{key}={value}" for key, value in asdict(content.config).items())
            typer.echo(f"  {preset:6} {options}")


@app.command()
def doctor(device: Device = "auto", store: StoreFolder = DEFAULT_STORE) -> None:
    """Say what this machine offers: versions, device, MLflow store, LaTeX, text encoders."""
    from bench.cli.doctor import examine

    healthy = True
    for fine, line in examine(device, store):
        healthy &= fine
        typer.echo(f"{'ok     ' if fine else 'problem'} {line}")
    if not healthy:
        raise typer.Exit(1)


app.command()(speed_commands.peak)
app.command("compare-speed")(speed_commands.compare_speed)
app.command("import-checkpoint")(published_commands.import_checkpoint)


def main() -> None:
    """Entry point of the console script."""
    app()


def _complain(sentence: str, status: int) -> None:
    typer.echo(sentence, err=True)
    raise typer.Exit(status)


def _seeds(text: str | None) -> list[list[tuple[str, Any]]]:
    if text is None:
        return [[]]
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts):
        raise InputError(f"--seeds {text}: is not a list of whole numbers, for example 0,1,2")
    return [[("training.seed", int(part))] for part in parts]


@dataclass(frozen=True)
class _How:
    """Where and how work is done."""

    device: str
    store: Path
    workers: int | None
    threads: int | None
    executor: str | None
    share: list[str]
    retry_failed: bool

    def plan(self, jobs: Sequence[Job], searches: Mapping[str, Space]) -> None:
        """Say what there is to do."""
        from bench.job.pending import pending_work
        from bench.results.store import Store
        from bench.sweep.dry_run import plan_lines, search_line
        from bench.sweep.run import place_of

        store, executor = Store(self.store), self._executor(len(jobs))
        todo = pending_work(jobs, store, self.device, place_of(executor, self.device))
        for line in plan_lines(todo, store, executor.slots):
            typer.echo(line)
        for name, space in searches.items():
            typer.echo(search_line(name, space))

    def run(self, jobs: Sequence[Job], runset: RunSet, out: Path, searches: Mapping[str, Space]) -> None:
        """Run experiments, then searches, which find much of what they try done; then report."""
        from bench.results.files import write_text
        from bench.results.store import Store
        from bench.sweep.run import run as run_jobs
        from bench.sweep.search import search

        store = Store(self.store)
        tables = dict(runset.tables)
        with self._executor(len(jobs) + 2 * len(searches)) as executor:
            outcome = run_jobs(jobs, store, self.device, executor, self.retry_failed)
            failed = outcome.failures
            missing = {
                job.id: job.missing(f"failed: {failed[job.id].sentence}") for job in jobs if job.id in failed
            }
            for name, space in searches.items():
                found = search(space, store, self.device, executor)
                tables[name] = tables[name].model_copy(update={"ids": found.ids})
                missing |= found.missing
        if os.environ.get("RANK", "0") != "0":
            return
        typer.echo(
            f"{len(outcome.records)} runs: {outcome.trained} trained, {outcome.evaluated} evaluated now"
            + (f", {len(failed)} failed" if failed else "")
        )
        runset = runset.model_copy(
            update={"tables": tables, "missing": missing, "store": str(self.store.absolute())}
        )
        write_text(out / "runset.json", runset.model_dump_json(indent=1))
        _report(runset, store, out, pdf=True)
        if any(entry.failed for entry in missing.values()):
            raise typer.Exit(1)

    def _executor(self, experiments: int) -> Executor:
        """One process is enough for one experiment, unless more were asked for."""
        from bench.config.parsing import parse_assignment
        from bench.sweep.executors import executor_for

        share = dict(parse_assignment(text, "--share") for text in self.share)
        workers = 1 if experiments == 1 and self.workers is None and self.executor is None else self.workers
        return executor_for(self.executor, self.store, self.device, workers, self.threads, share)


def _report(runset: RunSet, store: Store, out: Path, pdf: bool, forms: Sequence[str] | None = None) -> None:
    from reports.build import NO_LATEX, build, compile_pdf
    from reports.writers.forms import DEFAULT_FORMS

    written = build(runset, store.records(runset.ids), out, store.files, forms or DEFAULT_FORMS)
    for path in written:
        typer.echo(f"wrote {path}")
    if pdf and out / "report.tex" in written:
        compiled = compile_pdf(out / "report.tex")
        typer.echo(f"wrote {compiled}" if compiled else NO_LATEX)


def _compare(names: tuple[str, str], store: Path, out: Path, forms: Sequence[str]) -> None:
    from bench.results.files import write_text
    from bench.results.run_set import finished
    from reports.tables.run_comparison import changes
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


def _command() -> str:
    return shlex.join(["python", "-m", "bench", *sys.argv[1:]])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
