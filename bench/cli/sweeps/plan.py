"""A sweep before its start: its tasks, how long they should take, what they need, and what is in the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cli.doctor import NO_PDF, latex
from bench.cli.options import SweepRequest
from bench.job.pending import PendingWork, StoreContents
from bench.job.planning import Planner
from bench.job.resolve import Job
from bench.results.store import Store
from bench.sweep import run as sweep
from bench.sweep.device_speed import TYPICAL, measure_speed
from bench.sweep.dry_run import dry_run_lines, lacking, notes, tasks_of
from bench.sweep.estimates import Estimates
from bench.sweep.executors.base import Executor
from bench.sweep.forecast import Forecast

SHORT_SECONDS = 60
"""The device is not measured for a sweep that should take less on a typical one."""


@dataclass(frozen=True)
class SweepPlan:
    """A sweep before its start.

    Attributes:
        rounds: what is to be done in each.
        estimates: of its tasks.
        workers: that do tasks at once.
        problems: sentences that say what is to be mended first.
        notes: what is worth knowing, and stops nothing.
        forecast: of all its tasks, to be told when they begin and end.
        new: the folder of the store, where there is none yet.
    """

    rounds: Sequence[PendingWork]
    estimates: Estimates
    workers: int
    problems: Sequence[str]
    notes: Sequence[str]
    forecast: Forecast
    new: Path | None

    def lines(self) -> Iterator[str]:
        """The plan in words."""
        if self.new:
            yield f"--store {self.new}: is new, nothing is done in it"
        yield from dry_run_lines(self.rounds, self.estimates, self.workers)
        yield from self.notes


def planned(
    rounds: Sequence[Sequence[Job]], planner: Planner, request: SweepRequest, store: Store, executor: Executor
) -> SweepPlan:
    """Plan a sweep.

    Args:
        rounds: jobs of each, those of the rounds before included.
        planner: that they were planned with.
    """
    place, contents = sweep.place_of(executor, request.device), StoreContents(store)
    pending = [PendingWork(jobs, store, request.device, place, contents) for jobs in rounds]
    tasks = tasks_of(pending[-1])
    estimates = Estimates(pending[-1], store, planner.blueprints, TYPICAL)
    forecast = Forecast(tasks, estimates.seconds, executor.slots)
    if forecast.seconds_left() > SHORT_SECONDS and not executor.place:
        on_cpu = planner.blueprints.device.type == "cpu"
        threads = request.threads or (1 if on_cpu and executor.slots > 1 else None)
        estimates = Estimates(
            pending[-1], store, planner.blueprints, measure_speed(planner.blueprints.device, threads)
        )
        forecast = Forecast(tasks, estimates.seconds, executor.slots)
    told = [*notes(tasks, estimates, executor.slots)] + ([] if latex() else [f"note: {NO_PDF}"])
    return SweepPlan(
        rounds=pending,
        estimates=estimates,
        workers=executor.slots,
        problems=lacking(tasks, estimates, store.root),
        notes=told if tasks else [],
        forecast=forecast,
        new=None if store.root.exists() else store.root,
    )
