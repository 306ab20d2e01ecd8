"""How much time a sweep has left, from what its tasks should take and what those that ended took."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from bench.job.task import Task, TaskKind, TaskStatus

TRUST = 1.0
"""Tasks of mean length that must have ended before a kind is forecast by them as much as by its estimates."""


class Forecast:
    """The time left of a sweep.

    It is told when tasks begin and end. Of each kind (training, evaluation, measurement) it learns by what factor
    the estimates were wrong; a kind of which nothing has ended yet is taken to be as wrong as the others.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        estimate: Callable[[Task], float | None],
        workers: int,
        clock: Callable[[], float] = time.monotonic,
        is_continued: Callable[[Task], bool] = lambda task: False,
    ) -> None:
        """Forecast tasks that are done by so many ``workers``; measurements are done alone.

        Args:
            estimate: of the seconds of a task; where it is None, a task is taken to be like the mean of its kind.
            is_continued: whether a task that begins goes on with what was interrupted. How long that takes says
                nothing of others, as nobody knows how much of it is left.
        """
        self._workers, self._clock, self._is_continued = workers, clock, is_continued
        self._continued: set[str] = set()
        self._tasks = {task.name: task for task in tasks}
        self._expected = _complete(self._tasks.values(), estimate)
        self._begun: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._ended: set[str] = set()
        self._ended_ids: set[str] = set()
        self._of_id: dict[str, list[Task]] = defaultdict(list)
        for task in self._tasks.values():
            for name in task.ids if task.kind != "measure" else ():  # all passes of a measurement have one id
                self._of_id[name].append(task)
        self.total = len(self._tasks)

    def begin(self, task: Task) -> None:
        """Note that a task begins; after a try that was lost, again."""
        self._begun[task.name] = self._clock()
        if self._is_continued(task):
            self._continued.add(task.name)

    def end(self, task: Task, status: TaskStatus = "done") -> None:
        """Note that a task is done, or was found done or has failed, which says nothing of times.

        What needs a task that failed is never begun. Tasks may be other ones than those that are forecast, because
        what is done at once depends on what is pending together; these end with the rest of what they would do.
        """
        ended = {task.name} if task.kind == "measure" else self._ended_by(task)
        self._ended |= ended
        begun = self._begun.pop(task.name, None)
        if begun is not None and status == "done" and task.name in ended - self._continued:
            self._took[task.name] = self._clock() - begun
        if status == "failed":
            for other in self._tasks.values():
                if other.name not in self._ended and not ended.isdisjoint(other.needs):
                    self.end(other, status)

    def _ended_by(self, task: Task) -> set[str]:
        """Names of the tasks that nothing is left of after one; with its own name it may do a part of a task."""
        self._ended_ids.update(task.ids)
        alike = itertools.chain.from_iterable(self._of_id.get(name, ()) for name in task.ids)
        return {other.name for other in alike if self._ended_ids.issuperset(other.ids)}

    @property
    def ended(self) -> int:
        """Number of the tasks that ended."""
        return len(self._ended & self._tasks.keys())

    def seconds_left(self) -> float:
        """Until everything is done."""
        if not self._tasks:
            return 0.0
        kinds = {task.kind for task in self._tasks.values()}
        over_all = self._learned(kinds, before=1.0)
        factors = {kind: self._learned({kind}, before=over_all) for kind in kinds}
        now, alone, shared, longest = self._clock(), 0.0, 0.0, 0.0
        for name, task in self._tasks.items():
            if name in self._ended:
                continue
            whole = factors[task.kind] * self._expected[name]
            rest = max(whole - (now - self._begun.get(name, now)), 0.0)
            if task.kind == "measure":
                alone += rest
            else:
                shared, longest = shared + rest, max(longest, rest)
        return alone + max(shared / self._workers, longest)

    def line(self) -> str:
        """Tasks done, time left and the moment of the end, in words."""
        left = self.seconds_left()
        end = datetime.now() + timedelta(seconds=left)
        day = "" if end.date() == datetime.now().date() else f"{end:%a %d %b} "
        return f"{self.ended} of {self.total} tasks done, {duration(left)} left, until {day}{end:%H:%M}"

    def _learned(self, kinds: set[TaskKind], before: float) -> float:
        """The factor of these kinds, from those that ended or are overdue; drawn to ``before`` while few are."""
        names = [name for name, task in self._tasks.items() if task.kind in kinds]
        expected = TRUST * sum(self._expected[name] for name in names) / len(names)
        took = before * expected
        for name in names:
            so_far = self._clock() - self._begun[name] if name in self._begun else 0.0
            if name in self._took or so_far > before * self._expected[name]:
                took += self._took.get(name, so_far)
                expected += self._expected[name]
        return took / expected


def duration(seconds: float) -> str:
    """A time in words: "about 3 h"."""
    for unit, length, most in (("s", 1, 90), ("min", 60, 90 * 60), ("h", 3600, 72 * 3600)):
        if seconds < most:
            return f"about {seconds / length:.0f} {unit}" if unit != "h" else f"about {seconds / length:.1f} h"
    return f"about {seconds / 86400:.1f} days"


def known_mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _complete(tasks: Collection[Task], estimate: Callable[[Task], float | None]) -> dict[str, float]:
    """Estimates by name, with the mean of a kind, or of everything, where there is none."""
    expected = [(task, estimate(task)) for task in tasks]
    everything = known_mean(seconds for _, seconds in expected) or 1.0
    means = {
        kind: known_mean(seconds for task, seconds in expected if task.kind == kind) or everything
        for kind in {task.kind for task in tasks}
    }
    return {task.name: means[task.kind] if seconds is None else seconds for task, seconds in expected}
