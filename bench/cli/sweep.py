"""What the commands that run experiments do once they know which: a dry run, or a sweep and its report."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import typer

from bench.cli.options import SweepRequest
from bench.cli.plan import planned
from bench.cli.report import write_report
from bench.config.parsing import parse_assignment
from bench.job.data_cache import DataCache
from bench.job.failures import place_of
from bench.job.planning import Planner, told_together
from bench.job.resolve import Job
from bench.job.task import first_process
from bench.results.documents import seal
from bench.results.files import write_text
from bench.results.record import Failure, Missing, Record
from bench.results.run_set import RunSet
from bench.results.store import Store
from bench.sweep import run as sweep
from bench.sweep.dry_run import left_out_lines, search_lines
from bench.sweep.executors import executor_for
from bench.sweep.executors.base import Executor, Request
from bench.sweep.search import Found, Space, search
from bench.sweep.studies import open_studies
from bench.training.trainer import end_together
from models.errors import InputError

LOST = "failed: neither a record nor a reason was found in the store; run the same command again"

MOST_LINES, MOST_CHARACTERS = 10, 400
"""Of failures that are named at the end of a sweep, and of each sentence."""


@dataclass(frozen=True)
class Round:
    """Experiments and the tables of the report after them, by name; both hold those of the rounds before too.

    ``left_out``: what tables name but the data rule out, by id.
    """

    jobs: Sequence[Job]
    tables: Mapping[str, RunSet.Table]
    left_out: Mapping[str, Missing] = field(default_factory=dict)


def run_and_report(
    rounds: Sequence[Round],
    searches: Mapping[str, Space],
    request: SweepRequest,
    planner: Planner,
    further: Callable[[Mapping[str, Record]], Round | None] = lambda records: None,
) -> None:
    """Run experiments round by round, with a report after each; or print a dry run of all rounds.

    Searches follow the last round: a table of all declared experiments comes first.

    Args:
        rounds: at least one.
        searches: by the name of the table that gets what they find.
        request: where and how.
        planner: that the experiments were planned with.
        further: finished records → a round after the planned ones, or None to end.

    Raises:
        InputError: something is to be mended before the start.
        typer.Exit: experiments failed, or have neither a record nor a recorded reason.
    """
    jobs = rounds[-1].jobs
    with _ended_by_signal(), _executor(request, len(jobs) + 2 * len(searches), planner.cache) as executor:
        store = Store(request.store)
        plan = planned([part.jobs for part in rounds], planner, request, store, executor)
        for line in left_out_lines(rounds[-1].left_out.values()):
            typer.echo(line)
        if request.dry_run and jobs:
            for line in [*plan.lines(), *search_lines(searches)]:
                typer.echo(line)
        if problems := [*planner.problems, *plan.problems]:
            raise InputError(told_together(problems))
        if request.dry_run:
            return
        for line in plan.notes:
            typer.echo(line)
        if searches:
            store.make()
            open_studies(store.root)  # what is wrong with their database is said before anything is computed
        found: dict[str, Found] = {}
        told: set[str] = set()
        number, part = 1, rounds[0]
        while True:
            retry = request.retry_failed and number == 1
            outcome = sweep.run(part.jobs, store, request.device, executor, retry)
            if number == len(rounds):
                found = {name: search(space, store, request.device, executor) for name, space in searches.items()}
            if first_process():
                typer.echo(f"round {number}: " * (len(rounds) > 1) + _counts(outcome))
                new = [failure for name, failure in outcome.failures.items() if name not in told]
                told |= outcome.failures.keys()
                for line in failure_lines(new, store):
                    typer.echo(line)
                complete = _report(part, outcome, found, request, store, pdf=number >= len(rounds))
            following = rounds[number] if number < len(rounds) else further(outcome.records)
            if following is None:
                break
            number, part = number + 1, following
    end_together()
    if first_process() and not complete:
        raise typer.Exit(1)


def _report(
    part: Round,
    outcome: sweep.Outcome,
    searched: Mapping[str, Found],
    request: SweepRequest,
    store: Store,
    pdf: bool,
) -> bool:
    """Write what was run, what of it is missing, and the report.

    Returns:
        Whether nothing failed or was lost.
    """
    jobs, filled, failures = part.jobs, dict(part.tables), outcome.failures
    missing = dict(part.left_out)
    missing |= {job.id: job.missing(f"failed: {failures[job.id].sentence}") for job in jobs if job.id in failures}
    for name, found in searched.items():
        filled[name] = filled[name].model_copy(update={"ids": found.ids})
        missing |= found.missing
    lost = [name for table in filled.values() for name in table.ids if name not in missing]
    lost = sorted(set(lost) - store.records(lost).keys())
    missing |= {job.id: job.missing(LOST) for job in jobs if job.id in lost}
    if lost:
        typer.echo(_lost(lost, missing), err=True)
    runset = RunSet(
        tables=filled,
        command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        missing=missing,
        store=str(Path(request.store).absolute()),
    )
    write_text(request.out / "runset.json", seal(runset))
    write_report(runset, store, request.out, pdf)
    return not lost and not any(entry.failed for entry in missing.values())


def failure_lines(failures: Iterable[Failure], store: Store) -> Iterator[str]:
    """A line for each failure, with its place in the code if it is an error of the code, and what to do."""
    each_once = list({failure.id: failure for failure in failures}.values())
    for failure in each_once[:MOST_LINES]:
        place = place_of(failure.details) if failure.kind == "error" else ""
        kept = f"; traceback in {store.failures.folder / failure.id}.json" if failure.details else ""
        where = f" ({f'at {place}' if place else 'outside of the suite'}{kept})" if failure.kind == "error" else ""
        yield f"failed {failure.title}: {failure.sentence[:MOST_CHARACTERS]}{where}"
    if len(each_once) > MOST_LINES:
        yield f"and {len(each_once) - MOST_LINES} more failures; the summary names all of them"
    if each_once:
        yield "what failed is not tried again by itself: add --retry-failed to the same command"


def _lost(names: Sequence[str], missing: Mapping[str, Missing]) -> str:
    """Which declared runs have neither a record nor a recorded reason, and what to do."""
    shown = [missing[name].named if name in missing else name for name in names[:MOST_LINES]]
    more = f" and {len(names) - MOST_LINES} more" if len(names) > MOST_LINES else ""
    several = "s have" if len(names) > 1 else " has"
    return (
        f"error: {len(names)} declared run{several} neither a record nor a recorded reason: "
        f"{', '.join(shown)}{more}; run the same command again"
    )


class Terminated(KeyboardInterrupt):
    """The system asks this program to end (SIGTERM), as clusters do some time before they kill it."""

    status = 143


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C, with its own exit code: workers are ended, and what is finished is kept."""

    def end(*signal_and_frame: object) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():  # only that one may say what a signal does
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
