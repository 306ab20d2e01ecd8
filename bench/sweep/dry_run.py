"""What a sweep would do, in words, how long it should take, and what it needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path

from bench.job.pending import PendingWork
from bench.job.task import Task
from bench.results.record import Missing
from bench.sweep.estimates import Estimates
from bench.sweep.forecast import Forecast, duration
from bench.sweep.search import Space

KINDS = {"train": "training", "evaluate": "evaluation", "measure": "measurement"}
GIGABYTE = 1e9


def tasks_of(pending: PendingWork) -> list[Task]:
    """All that is to be done."""
    return [f"--store {store}: needs {_size(needed)}, and {place} has {_size(free)} free: name another folder"]


def notes(tasks: Sequence[Task], estimates: Estimates, workers: int) -> Iterator[str]:
    """What is worth knowing before the start, and stops nothing."""
    memory, title = estimates.memory(tasks)
    free, place = estimates.free_memory()
    if memory * workers > free:
        several = f", {workers} times at once" if workers > 1 else ""
        yield (
            f"note: a training step of {title} takes {_size(memory)}{several}; {place} has {_size(free)} free: "
            "steps are then computed in parts, or take fewer --workers"
        )


def search_lines(searches: Mapping[str, Space]) -> Iterator[str]:
    """What each search would try; by the name of its table."""
    for name, space in searches.items():
        of, how = prod(space.axes.values()), space.how
        limit = f", and begin nothing after {space.minutes:g} min" if space.minutes else ""
        yield f"{name}: would try {min(how.trials, of)} of {of} combinations ({how.sampler}){limit}"


def _groups(tasks: Iterable[Task], estimates: Estimates) -> Iterator[str]:
    """A line for all tasks of a kind, method and size, those that take longest first."""
    groups: dict[tuple[str, str], list[Task]] = {}
    for task in tasks:
        groups.setdefault((KINDS[task.kind], estimates.kind(task)), []).append(task)
    seconds = {key: _mean(map(estimates.seconds, members)) for key, members in groups.items()}
    for key in sorted(groups, key=lambda key: -len(groups[key]) * (seconds[key] or 0.0)):
        (word, of), each = key, seconds[key]
        number = len(groups[key])
        told = "time unknown" if each is None else duration(each) + " each" * (number > 1)
        yield f"  {number} {word}{'s' * (number > 1)} of {of}: {told}"


def _expected(tasks: Sequence[Task], estimates: Estimates, workers: int) -> str:
    """How long tasks should take together, in words."""
    if not tasks:
        return "nothing to do"
    unknown = sum(estimates.seconds(task) is None for task in tasks)
    if unknown == len(tasks):
        return "time unknown"
    told = duration(Forecast(tasks, estimates.seconds, workers).seconds_left())
    return told + (f" ({unknown} tasks of unknown length taken to be as long as others)" if unknown else "")


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _size(count: float) -> str:
    return f"{count / GIGABYTE:.1f} GB" if count >= GIGABYTE else f"{count / 1e6:.0f} MB"


def _nearest(path: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
