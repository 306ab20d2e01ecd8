"""What the commands that run experiments do once they know which: a dry run, or a sweep and its report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from bench.cli.options import SweepRequest
from bench.cli.report import write_report
from bench.config.parsing import parse_assignment
from bench.job.data_cache import DataCache
from bench.job.pending import PendingWork
from bench.job.resolve import Job
from bench.job.task import first_process
from bench.results.files import write_text
from bench.results.run_set import RunSet
from bench.results.store import Store
from bench.sweep import run as sweep
from bench.sweep.dry_run import dry_run_lines, search_lines
from bench.sweep.executors import executor_for
from bench.sweep.executors.base import Executor, Request
from bench.sweep.search import Found, Space, search
from bench.sweep.studies import open_studies


def run_and_report(
    jobs: Sequence[Job],
    tables: Mapping[str, RunSet.Table],
    searches: Mapping[str, Space],
    request: SweepRequest,
    cache: DataCache,
) -> None:
    """Run experiments, then searches, which find much of what they try done, and report; or print a dry run.

    Args:
        jobs: experiments.
        tables: of the report, by name.
        searches: by the name of the table that gets what they find.
        request: where and how.
        cache: data sets that are loaded already.

    Raises:
        typer.Exit: experiments failed.
    """
    with _executor(request, len(jobs) + 2 * len(searches), cache) as executor:
        store = Store(request.store)
        if request.dry_run:
            place = sweep.place_of(executor, request.device)
            pending = PendingWork(jobs, store, request.device, place)
            for line in [*dry_run_lines(pending, store, executor.slots), *search_lines(searches)]:
                typer.echo(line)
            return
        if searches:
            store.make()
            open_studies(store.root)  # what is wrong with their database is said before anything is computed
        outcome = sweep.run(jobs, store, request.device, executor, request.retry_failed)
        found = {name: search(space, store, request.device, executor) for name, space in searches.items()}
    if first_process():
        typer.echo(_counts(outcome))
        _report(jobs, outcome, tables, found, request, store)


def _report(
    jobs: Sequence[Job],
    outcome: sweep.Outcome,
    tables: Mapping[str, RunSet.Table],
    searched: Mapping[str, Found],
    request: SweepRequest,
    store: Store,
) -> None:
    """Write what was run, what of it is missing, and the report."""
    filled, failures = dict(tables), outcome.failures
    missing = {job.id: job.missing(f"failed: {failures[job.id].sentence}") for job in jobs if job.id in failures}
    for name, found in searched.items():
        filled[name] = filled[name].model_copy(update={"ids": found.ids})
        missing |= found.missing
    runset = RunSet(
        tables=filled,
        command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        missing=missing,
        store=str(Path(request.store).absolute()),
    )
    write_text(request.out / "runset.json", runset.model_dump_json(indent=1))
    write_report(runset, store, request.out)
    if any(entry.failed for entry in missing.values()):
        raise typer.Exit(1)


def _counts(outcome: sweep.Outcome) -> str:
    failed = f", {len(outcome.failures)} failed" if outcome.failures else ""
    done = f"{outcome.trained} trained, {outcome.evaluated} evaluated now"
    return f"{len(outcome.records)} runs: {done}{failed}"


def _executor(request: SweepRequest, experiments: int, cache: DataCache) -> Executor:
    """One process is enough for one experiment, unless more were asked for."""
    share = dict(parse_assignment(text, "--share") for text in request.share or [])
    alone = experiments == 1 and request.workers is None and request.executor is None
    workers = 1 if alone else request.workers
    asked = Request(request.store, request.device, workers, request.threads, share, cache)
    return executor_for(request.executor, asked)
