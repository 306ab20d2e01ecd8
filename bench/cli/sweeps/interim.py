"""What can be read while a sweep runs: its run set, its failures, and a report that is written again and again."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from bench.cli.options import SweepRequest
from bench.cli.report import write_report
from bench.job.failures import code_location
from bench.job.jobs import Job
from bench.job.pending import PendingWork
from bench.job.task import Task, TaskStatus
from bench.results.documents import seal
from bench.results.failure import Failure
from bench.results.files import write_text
from bench.results.record import Missing
from bench.results.run_set import NOT_YET, RUNSET, RunSet
from bench.results.store import Store
from bench.results.tracking.sweep_run import log_sweep
from bench.sweep.forecast import Forecast
from bench.sweep.run import Watcher

EVERY_SECONDS = 180.0
"""Least seconds between two reports while a sweep runs."""

LINE_SECONDS = 60.0
"""Seconds between two lines that say how much time is left."""

LEAST_SHARE = 40
"""Least pause after a report, in multiples of the time that it took: reports get about 2 % of the time at most."""

MOST_LINES, MOST_CHARACTERS = 10, 400
"""Most failures that are named together, and most characters of each sentence."""


@dataclass(frozen=True)
class Round:
    """Experiments and the tables of the report after them, by name; both hold those of the rounds before too.

    ``left_out``: what tables name but the data rule out, by id.
    """

    jobs: Sequence[Job]
    tables: Mapping[str, RunSet.Table]
    left_out: Mapping[str, Missing] = field(default_factory=dict)

    def with_finished(self, last: Round, finished: Collection[str]) -> Round:
        """This round with further runs in its tables: those of the last round that are finished already."""

        def more(ids: Sequence[str], planned: Sequence[str]) -> tuple[str, ...]:
            wanted = {*ids, *finished}
            return tuple(name for name in planned if name in wanted)

        tables = {}
        for name, table in self.tables.items():
            planned = last.tables[name]
            claims = [
                mine.model_copy(
                    update={"better": more(mine.better, its.better), "other": more(mine.other, its.other)}
                )
                for mine, its in zip(table.claims, planned.claims, strict=True)
            ]
            tables[name] = table.model_copy(update={"ids": more(table.ids, planned.ids), "claims": tuple(claims)})
        return replace(self, tables=tables)


class Interim(Watcher):
    """Keeps the run set true while a round is run, tells failures at once, and has the report written again.

    As a context it writes a last report, without figures, when Ctrl-C or SIGTERM ends the block.
    """

    def __init__(self, request: SweepRequest) -> None:
        self._request, self._store = request, Store(request.store)
        self._round = Round([], {})
        self._failures: dict[str, Failure] = {}
        self._told: set[str] = set()
        self._report: subprocess.Popen[bytes] | None = None
        self._forecast: Forecast | None = None
        self._began = time.monotonic()
        self._next = self._began + EVERY_SECONDS
        self._next_line = self._began + LINE_SECONDS

    def __enter__(self) -> Interim:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.be_quiet()
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        if interrupted and self._store.records(self._planned().ids):
            tqdm.write("interrupted: writing the report of what is finished", file=sys.stderr)
            self.write()
            log_sweep(self._store, self._request.out, self._planned(), "KILLED")

    def tell_time_left(self, forecast: Forecast) -> None:
        """Say from now on, every minute, how much time the whole sweep has left."""
        self._forecast = forecast
        tqdm.write(f"forecast: {forecast.line()}")

    def begun(self, task: Task) -> None:
        if self._forecast is not None:
            self._forecast.begin(task)

    def ended(self, task: Task, status: TaskStatus) -> None:
        if self._forecast is not None:
            self._forecast.end(task, status)

    def begin(self, part: Round) -> None:
        """Write down what a round is to run."""
        self._round, self._failures = part, {}
        write_run_set(self._planned(), self._request.out)

    def look(self, pending: PendingWork) -> None:
        """Tell failures that are new, and have the report written if it is time."""
        if not pending.failures.keys() <= self._failures.keys():
            self._failures |= pending.failures
            write_run_set(self._planned(), self._request.out)
            self.tell(pending.failures)
        if self._forecast is not None and time.monotonic() > self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            tqdm.write(self._forecast.line())
        if self._report is not None and self._report.poll() is not None:
            self._next = time.monotonic() + max(EVERY_SECONDS, LEAST_SHARE * (time.monotonic() - self._began))
            self._report = None
        if self._report is None and time.monotonic() > self._next:
            self._begin_report()

    def tell(self, failures: Mapping[str, Failure]) -> None:
        """Say what has failed, by id of the experiment, if that was not said before."""
        new = [failure for name, failure in failures.items() if name not in self._told]
        self._told |= failures.keys()
        for line in failure_lines(new, self._store):
            tqdm.write(line)

    def be_quiet(self) -> None:
        """End a report that is being written: a cost is measured, or the round is over."""
        if self._report is not None:
            self._report.terminate()
            self._report.wait()
            self._report = None

    def write(self) -> None:
        """Write the report now, without its figures, if anything is finished."""
        runset = self._planned()
        write_run_set(runset, self._request.out)
        if self._store.records(runset.ids):
            write_report(runset, self._store, self._request.out, pdf=False, drawn=False)

    def _begin_report(self) -> None:
        """Have another process write the report, as ``report`` in another terminal would: no worker waits."""
        places = ["--store", str(self._request.store), "--out", str(self._request.out)]
        command = [sys.executable, "-m", "bench", "report", "--no-pdf", *places]
        self._began = time.monotonic()
        self._report = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _planned(self) -> RunSet:
        missing = dict(self._round.left_out) | missing_of(self._round.jobs, self._failures)
        return run_set(self._round.tables, missing, self._request)


def run_set(tables: Mapping[str, RunSet.Table], missing: Mapping[str, Missing], request: SweepRequest) -> RunSet:
    """The run set of this command now."""
    return RunSet(
        tables=dict(tables),
        command=command_line(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        missing=dict(missing),
        store=str(Path(request.store).absolute()),
    )


def write_run_set(runset: RunSet, out: Path) -> None:
    """Write it to the folder of results."""
    write_text(out / RUNSET, seal(runset))


def missing_of(jobs: Iterable[Job], failures: Mapping[str, Failure]) -> dict[str, Missing]:
    """Why jobs have no record: they failed, or were not run yet."""
    return {
        job.id: job.missing(f"failed: {failures[job.id].sentence}" if job.id in failures else NOT_YET)
        for job in jobs
    }


def command_line(*more: str) -> str:
    """What the user typed, with ``more``."""
    return shlex.join(["python", "-m", "bench", *sys.argv[1:], *(word for word in more if word not in sys.argv)])


def failure_lines(failures: Iterable[Failure], store: Store) -> Iterator[str]:
    """A line for each failure, with its place in the code if it is an error of the code, and what to do."""
    each_once = list({failure.id: failure for failure in failures}.values())
    for failure in each_once[:MOST_LINES]:
        place = code_location(failure.details) if failure.kind == "error" else ""
        kept = f"; traceback in {store.failures.folder / failure.id}.json" if failure.details else ""
        where = f" ({f'at {place}' if place else 'outside of the suite'}{kept})" if failure.kind == "error" else ""
        yield f"failed {failure.title}: {failure.sentence[:MOST_CHARACTERS]}{where}"
    if len(each_once) > MOST_LINES:
        yield f"and {len(each_once) - MOST_LINES} more failures; the summary names all of them"
    if each_once:
        yield f"to try again: {command_line('--retry-failed')}"
