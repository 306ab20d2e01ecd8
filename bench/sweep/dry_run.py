"""What a sweep would do, in words, and how long it should take by what such work took before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod

from bench.job.pending import PendingWork
from bench.job.task import Task
from bench.results.record import Missing
from bench.results.store import Store
from bench.sweep.search import Space

MOST_LINES = 60
"""So many tasks of a kind at most are named one by one."""

KINDS = {"train": "trainings", "evaluate": "evaluations", "measure": "measurements"}


def dry_run_lines(pending: PendingWork, store: Store, workers: int) -> Iterator[str]:
    """Lines of text: experiments, what they share, what is done, and every task with its expected time.

    ``store`` knows how long such tasks took before; so many ``workers`` do tasks at the same time.
    """
    tasks = [*pending.tasks(), *pending.measurements(pending.left)]
    trainings = len({job.training_id for job in pending.jobs.values() if job.published is None})
    yield (
        f"{len(pending.jobs)} experiments share {trainings} trainings; {len(pending.finished)} are finished, "
        f"{len(pending.failures)} failed before, {len(pending.left)} are to be done"
    )
    for name, failure in pending.failures.items():
        yield f"  failed before: {pending.jobs[name].title}: {failure.sentence}"
    for kind, word in KINDS.items():
        of_kind = [task for task in tasks if task.kind == kind]
        yield f"{len(of_kind)} {word}: {expected(of_kind, store, workers)}"
        for task in of_kind[:MOST_LINES]:
            of = "checkpoints" if kind == "train" else "experiments"
            several = f" ({len(task.ids)} {of})" if len(task.ids) > 1 else ""
            yield f"  {task.title}{several}: {_duration(_seconds(task, store))}"
        if len(of_kind) > MOST_LINES:
            yield f"  and {len(of_kind) - MOST_LINES} more"
    yield f"expected in all with {workers} worker{'s' * (workers > 1)}: {expected(tasks, store, workers)}"


def left_out_lines(left_out: Iterable[Missing]) -> Iterator[str]:
    """One line for each reason why experiments are left out."""
    titles: dict[str, list[str]] = {}
    for missing in left_out:
        titles.setdefault(missing.reason, []).append(missing.title)
    for reason, of in titles.items():
        each = ", ".join(f"{title} ({of.count(title)})" for title in dict.fromkeys(of))
        yield f"{reason}: {len(of)} experiments of {each}"


def search_lines(searches: Mapping[str, Space]) -> Iterator[str]:
    """What each search would try; by the name of its table."""
    for name, space in searches.items():
        of, how = prod(space.axes.values()), space.how
        limit = f", and begin nothing after {space.minutes:g} min" if space.minutes else ""
        yield f"{name}: would try {min(how.trials, of)} of {of} combinations ({how.sampler}){limit}"


def expected(tasks: list[Task], store: Store, workers: int) -> str:
    """How long tasks should take, in words; costs are measured one at a time, whatever the number of workers."""
    if not tasks:
        return "nothing to do"
    known = [(task, seconds) for task in tasks if (seconds := _seconds(task, store)) is not None]
    unknown = len(tasks) - len(known)
    if not known:
        return "time unknown, nothing like it was done before"
    total = sum(seconds / (1 if task.kind == "measure" else workers) for task, seconds in known)
    return _duration(total) + (f" and {unknown} of unknown length" if unknown else "")


def _seconds(task: Task, store: Store) -> float | None:
    before = store.times.get(task.duration_key)
    return before.seconds if before else None


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "time unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
