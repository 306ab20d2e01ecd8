"""What the commands that run experiments do once they know which: a dry run, or a sweep and its report."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

import typer

from ablations.selections import CORE
from bench.cli.options import SweepRequest
from bench.cli.report import beside_study, places, with_other_data, write_report
from bench.cli.sweeps.interim import MOST_LINES, Interim, Round, failure_lines, missing_of, run_set, write_run_set
from bench.cli.sweeps.plan import SweepPlan
from bench.config.parsing import parse_assignment
from bench.job.data_cache import DataCache
from bench.job.jobs import Job
from bench.job.pending import PendingWork
from bench.job.planning import Planner, told_together
from bench.job.task import first_process
from bench.results.documents import in_place
from bench.results.record import Missing, Record
from bench.results.store import Store
from bench.results.tracking.sweep_run import log_sweep
from bench.results.tracking.tracker import Tracker
from bench.sweep import run as sweep
from bench.sweep.dry_run import left_out_lines, search_lines
from bench.sweep.executors import executor_for
from bench.sweep.executors.base import Executor, Request
from bench.sweep.search import Found, Space, search
from bench.sweep.studies import open_studies
from bench.sweep.tuning import tune
from bench.training.accelerator import end_together
from models.errors import InputError, some_of
from reports.rules.comparability import TRIVIAL
from reports.writers.text import to_text

if TYPE_CHECKING:
    from reports.build import Report

Further = Callable[[Mapping[str, Record], float], Round | None]
"""Finished records, and seconds that the last round took without searches → a further round, or None to end."""

WAITING = "done, and waits for MLflow; run the same command again when that is there"
LOST = "failed: neither a record nor a reason was found in the store; run the same command again"


def run_and_report(
    rounds: Sequence[Round],
    searches: Mapping[str, Space],
    request: SweepRequest,
    planner: Planner,
    further: Further | None = None,
) -> None:
    """Run experiments round by round, with a report after each; or print a dry run of all rounds.

    Searches follow the last round: a table of all declared experiments comes first. Rounds that have too few
    trainings to keep all workers busy are one round.

    Args:
        rounds: at least one.
        searches: by the name of the table that gets what they find.
        further: gives rounds after the planned ones; without it there are none.

    Raises:
        InputError: a problem must be solved before the start.
        typer.Exit: experiments failed, or have neither a record nor a recorded reason.
    """
    jobs = rounds[-1].jobs
    if not jobs:  # a search alone has no rounds
        rounds = rounds[-1:]
    with (
        _ended_by_signal(),
        in_place(request.dry_run),
        Interim(request) as interim,
        _executor(request, len(jobs) + 2 * len(searches), planner.cache) as executor,
    ):
        store = Store(request.store)
        rounds = rounds if further else _joined(rounds, executor.slots)
        plan = SweepPlan([part.jobs for part in rounds], planner, request, store, executor)
        _check(plan, rounds[-1], searches, request, planner)
        if request.dry_run:
            return
        _prepare(plan, searches, request, store, interim)
        finished = plan.rounds[-1].finished
        rounds = [part.with_finished(rounds[-1], finished) for part in rounds]
        outcome, report, complete = _run_rounds(rounds, further, searches, request, store, executor, interim)
    end_together()
    if report is not None:
        for line in _ending(report, outcome, request, store):
            typer.echo(line)
        if not complete:
            raise typer.Exit(1)


def _check(
    plan: SweepPlan, last: Round, searches: Mapping[str, Space], request: SweepRequest, planner: Planner
) -> None:
    """Say what is left out of the last round, and what a dry run prints.

    Raises:
        InputError: a problem must be solved before the start.
    """
    for line in left_out_lines(last.left_out.values()):
        typer.echo(line)
    if request.dry_run and (last.jobs or searches):
        for line in [*(plan.lines() if last.jobs else ()), *search_lines(searches)]:
            typer.echo(line)
    if problems := [*planner.problems, *plan.problems]:
        raise InputError(told_together(problems))


def _prepare(
    plan: SweepPlan, searches: Mapping[str, Space], request: SweepRequest, store: Store, interim: Interim
) -> None:
    """Say what is known before the start, forget failures that are tried again, and open the studies.

    Raises:
        InputError: the database of the studies cannot be opened; better said before anything is computed.
    """
    for line in plan.notes:
        typer.echo(line)
    if plan.forecast.total and first_process():
        interim.tell_time_left(plan.forecast)
    if request.retry_failed:
        plan.rounds[-1].forget_failures()
    if searches:
        store.make()
        open_studies(store.root)


def _run_rounds(
    rounds: Sequence[Round],
    further: Further | None,
    searches: Mapping[str, Space],
    request: SweepRequest,
    store: Store,
    executor: Executor,
    interim: Interim,
) -> tuple[sweep.Outcome, Report | None, bool]:
    """Run rounds with a report after each, searches after the last planned one, and log what waits for MLflow.

    Returns:
        What the last round did; its report, None but in the first process; whether nothing failed or was lost.

    Raises:
        InputError: a search ended early, or MLflow is still away at the end.
    """
    found: dict[str, Found] = {}
    ended: InputError | None = None
    report: Report | None = None
    complete = True
    tracker: Tracker | None = None
    number, part = 1, rounds[0]
    while True:
        began = monotonic()
        outcome = _run(number, part, request, store, executor, interim, tracker)
        tracker = outcome.tracker
        if number == len(rounds):
            before = monotonic()
            found, ended = _search(searches, store, request, executor, interim)
            began += monotonic() - before  # no further round has searches
            if ended is not None and not part.jobs:  # a search alone: there is no round to report
                raise ended
        interim.be_quiet()
        if first_process():
            interim.tell(outcome.failures)
            report, complete = _report(part, outcome, found, request, store, pdf=number >= len(rounds))
            typer.echo(f"round {number}: " * (len(rounds) > 1) + _counts(outcome))
        if ended is not None:
            raise ended
        following: Round | None = None
        if number < len(rounds):
            following = rounds[number]
        elif further:
            records = with_other_data(part.tables.values(), outcome.records, store)
            following = further(records, monotonic() - began)
            if following and request.retry_failed:
                _forget_failures(part, following, request, store, executor)
        if following is None:
            break
        number, part = number + 1, following
    if outcome.waiting:  # there is a report; now MLflow is needed
        outcome = _log_waiting(part, outcome, request, store, executor, interim)
        report, complete = _report(part, outcome, found, request, store, pdf=True)
        typer.echo(_counts(outcome))
    return outcome, report, complete


def _forget_failures(
    part: Round, following: Round, request: SweepRequest, store: Store, executor: Executor
) -> None:
    """Forget failures of the jobs that a further round has and ``part`` had not."""
    known = {job.id for job in part.jobs}
    new = [job for job in following.jobs if job.id not in known]
    PendingWork(new, store, request.device, sweep.measuring_device(executor, request.device)).forget_failures()


def _log_waiting(
    part: Round, outcome: sweep.Outcome, request: SweepRequest, store: Store, executor: Executor, interim: Interim
) -> sweep.Outcome:
    """Log what waits for MLflow after the last round.

    Raises:
        InputError: MLflow is still away.
    """
    logged = sweep.run(part.jobs, store, request.device, executor, watcher=interim, tracker=outcome.tracker)
    return replace(logged, trained=outcome.trained, evaluated=outcome.evaluated + logged.evaluated)


def _joined(rounds: Sequence[Round], slots: int) -> Sequence[Round]:
    """All rounds as one where most workers would wait for the longest training at the end of each; else as given.

    Runs keep the order of the rounds, and reports are written while they go on.
    """
    if slots == 1 or len(_trained(rounds[0].jobs)) >= 2 * slots:
        return rounds
    jobs = {job.id: job for part in rounds for job in part.jobs}
    return [replace(rounds[-1], jobs=list(jobs.values()))]


def _run(
    number: int,
    part: Round,
    request: SweepRequest,
    store: Store,
    executor: Executor,
    interim: Interim,
    tracker: Tracker | None,
) -> sweep.Outcome:
    """Run a round; of the first one, what the main table needs comes first.

    Where that keeps all workers busy it is done alone, with a report as soon as the table stands. ``tracker``: see
    ``bench.sweep.run.run``; what waits for MLflow at the end is logged by a later round.
    """
    if first_process():
        interim.begin(part)
    before = sweep.Outcome({}, {}, 0, 0)
    first = _first_jobs(part) if number == 1 else []
    if first and _keep_busy(first, store, executor.slots):
        before = sweep.run(first, store, request.device, executor, watcher=interim, tracker=tracker, later=True)
        tracker = before.tracker
        if before.evaluated and first_process():
            interim.write()
    jobs = [*first, *part.jobs]  # first ones are named twice, which does no harm
    outcome = sweep.run(jobs, store, request.device, executor, watcher=interim, tracker=tracker, later=True)
    trained, evaluated = before.trained + outcome.trained, before.evaluated + outcome.evaluated
    return replace(outcome, trained=trained, evaluated=evaluated)


def _search(
    searches: Mapping[str, Space], store: Store, request: SweepRequest, executor: Executor, interim: Interim
) -> tuple[dict[str, Found], InputError | None]:
    """What searches found, and what ended them early, such as an MLflow that is away: a report comes before it."""
    found: dict[str, Found] = {}
    for name, space in searches.items():
        try_all = tune if space.how.objective == "validation" else search
        try:
            found[name] = try_all(space, store, request.device, executor, interim, request.retry_failed)
        except InputError as error:
            return found, error
    return found, None


def _first_jobs(part: Round) -> list[Job]:
    """The jobs of the main tables, of the methods that the suite was made to compare; none where that is all.

    With them come jobs whose trainings differ from theirs in the choice of the checkpoint only: these are one
    training if they are begun together.
    """
    main = {name for table in part.tables.values() if table.layout == "main" for name in table.ids}
    found = [job for job in part.jobs if job.id in main and job.experiment.method.name in (*TRIVIAL, *CORE)]
    trainings = {job.training.id for job in found}
    begun = {job.training.trajectory_id for job in found}
    found += [job for job in part.jobs if job.training.id not in trainings and job.training.trajectory_id in begun]
    return found if len(found) < len(part.jobs) else []


def _keep_busy(jobs: Sequence[Job], store: Store, slots: int) -> bool:
    """Whether these jobs have trainings enough for so many workers: two for each, or more.

    With fewer, most workers would wait for the longest training, for days at the papers' size.
    """
    left = _trained([job for job in jobs if not store.is_trained(job.training_id)])
    return slots == 1 or len(left) >= 2 * slots


def _trained(jobs: Iterable[Job]) -> set[str]:
    """The trainings of some jobs that take time; those that differ in the kept checkpoint only are one."""
    return {
        job.training.trajectory_id
        for job in jobs
        if job.experiment.method.name not in TRIVIAL and job.published is None
    }


def _report(
    part: Round,
    outcome: sweep.Outcome,
    searched: Mapping[str, Found],
    request: SweepRequest,
    store: Store,
    pdf: bool,
) -> tuple[Report, bool]:
    """Write what was run, what of it is missing, and the report.

    Returns:
        The report, and whether nothing failed or was lost.
    """
    jobs, filled = part.jobs, dict(part.tables)
    failed = [job for job in jobs if job.id in outcome.failures]
    missing = dict(part.left_out) | missing_of(failed, outcome.failures)
    missing |= {job.id: job.missing(WAITING) for job in jobs if job.id in outcome.waiting}
    for name, found in searched.items():
        filled[name] = filled[name].model_copy(update={"ids": found.ids, "searching": False})
        missing |= found.missing
    lost = [name for table in filled.values() for name in table.ids if name not in missing]
    lost = sorted(set(lost) - store.records(lost).keys())
    missing |= {job.id: job.missing(LOST) for job in jobs if job.id in lost}
    if lost:
        typer.echo(_lost(lost, missing), err=True)
    runset = run_set(filled, missing, request)
    write_run_set(runset, request.out)
    report = write_report(runset, store, request.out, pdf)
    log_sweep(store, request.out, runset)
    return report, not lost and not any(entry.failed for entry in missing.values())


def _ending(report: Report, outcome: sweep.Outcome, request: SweepRequest, store: Store) -> Iterator[str]:
    """What a sweep says at its end: the main table, verdicts on claims, what failed, and where to read more."""
    for table in report.tables:
        yield f"\n{to_text(table, shutil.get_terminal_size((100, 24)).columns)}\n"
    yield from report.verdicts[:1]
    yield from failure_lines(outcome.failures.values(), store)
    yield from beside_study(outcome.records.values())
    yield from places(report, request.out)


def _lost(names: Sequence[str], missing: Mapping[str, Missing]) -> str:
    """Which declared runs have neither a record nor a recorded reason, and what to do."""
    named = [missing[name].named if name in missing else name for name in names]
    several = "s have" if len(names) > 1 else " has"
    return (
        f"error: {len(names)} declared run{several} neither a record nor a recorded reason: "
        f"{some_of(named, MOST_LINES)}; run the same command again"
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
    share = dict(parse_assignment(text, "--share", "num_gpus=1") for text in request.share or [])
    alone = experiments == 1 and request.workers is None and request.executor is None
    workers = 1 if alone else request.workers
    asked = Request(request.store, request.device, workers, request.threads, share, cache)
    return executor_for(request.executor, asked)
