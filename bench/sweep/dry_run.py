"""What a sweep would do, in words, how long it should take, and what it needs."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path

from bench.job.blueprint import GIGABYTE
from bench.job.pending import PendingWork
from bench.job.task import Task
from bench.results.files import nearest_existing
from bench.results.grouping import grouped
from bench.results.record import Missing
from bench.sweep.estimates import Estimates
from bench.sweep.forecast import Forecast, duration, known_mean
from bench.sweep.search import Space

KINDS = {"train": "training", "evaluate": "evaluation", "measure": "measurement"}


def tasks_of(pending: PendingWork) -> list[Task]:
    """All that is to be done."""
    return [*pending.tasks(), *pending.measurements(pending.left)]


def dry_run_lines(rounds: Sequence[PendingWork], estimates: Estimates, workers: int) -> Iterator[str]:
    """Lines of text: experiments, what is done, and the tasks of every round, those that are alike together.

    Each of ``rounds`` has everything that those before it have.
    """
    pending = rounds[-1]
    trainings = len({job.training_id for job in pending.jobs.values() if job.published is None})
    yield (
        f"{len(pending.jobs)} experiments share {trainings} trainings; {len(pending.finished)} are finished, "
        f"{len(pending.failures)} failed before, {len(pending.left)} are to be done"
    )
    for name, failure in pending.failures.items():
        yield f"  failed before: {pending.jobs[name].title}: {failure.sentence}"
    known: dict[str, Task] = {}
    before: list[str] = []
    for number, part in enumerate(rounds, start=1):
        new = [task for task in tasks_of(part) if task.name not in known]
        known |= {task.name: task for task in new}
        lines = list(_groups(new, estimates))
        head = f"round {number} of {len(rounds)}: " * (len(rounds) > 1)
        if lines and lines == before:
            yield f"{head}the same with another seed"
        else:
            yield f"{head}{_expected(new, estimates, workers)}"
            yield from lines
        before = lines
    if known:
        memory, title = estimates.memory(known.values())
        told = f"{workers} worker{'s' * (workers > 1)}: {_expected(list(known.values()), estimates, workers)}"
        disk = _size(estimates.disk(known.values(), workers))
        largest = f", {_size(memory)} of memory for the largest training step ({title})" * bool(title)
        yield f"in total, with {told}, {disk} on the disk{largest}"


def left_out_lines(left_out: Iterable[Missing]) -> Iterator[str]:
    """One line for each reason why experiments are left out."""
    for reason, members in grouped(left_out, lambda missing: missing.reason).items():
        titles = Counter(missing.title for missing in members)
        each = ", ".join(f"{title} ({number})" for title, number in titles.items())
        yield f"{reason}: {len(members)} experiment{'s' * (len(members) > 1)} of {each}"


def disk_problems(tasks: Sequence[Task], estimates: Estimates, store: Path, workers: int) -> list[str]:
    """What keeps a sweep from its end: sentences, none where nothing does."""
    needed = estimates.disk(tasks, workers)
    place = nearest_existing(store)
    free = shutil.disk_usage(place).free
    if needed <= free:
        return []
    return [f"--store {store}: needs {_size(needed)}, and {place} has {_size(free)} free: name another folder"]


def notes(tasks: Sequence[Task], estimates: Estimates, workers: int) -> Iterator[str]:
    """What is worth knowing before the start, and stops nothing; ``workers``: that share a device."""
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
    """A line for all tasks of a kind, method and size, those that take longest together first."""
    groups = grouped(tasks, lambda task: (KINDS[task.kind], estimates.kind(task)))
    seconds = {key: known_mean(map(estimates.seconds, members)) for key, members in groups.items()}
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
    return told + f" ({unknown} tasks of unknown length taken to be as long as others)" * bool(unknown)


def _size(count: float) -> str:
    return f"{count / GIGABYTE:.1f} GB" if count >= GIGABYTE else f"{count / 1e6:.0f} MB"
