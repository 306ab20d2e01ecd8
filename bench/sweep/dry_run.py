"""What a sweep would do, in words, and how long it should take by what such work took before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod

from bench.job.pending import PendingWork
from bench.job.task import Task
from bench.results.store import Store
from bench.sweep.search import Space

MOST_LINES = 60
"""So many items of a kind are named one by one."""

KINDS = {"train": "trainings", "evaluate": "evaluations", "measure": "measurements"}


def plan_lines(pending: PendingWork, store: Store, workers: int) -> Iterator[str]:
    """A plan: experiments, what they share, what is done, every piece of work with its expected time."""
    trainings = len({job.training_id for job in pending.jobs.values() if job.published is None})
    yield (
        f"{len(pending.jobs)} experiments share {trainings} trainings; {len(pending.finished)} are finished, "
        f"{len(pending.failures)} failed before, {len(pending.left)} are to be done"
    )
    for name, failure in pending.failures.items():
        yield f"  failed before: {pending.jobs[name].title}: {failure.sentence}"
    for kind, word in KINDS.items():
        items = [item for item in (*pending.work, *pending.prices) if item.kind == kind]
        yield f"{len(items)} {word}: {_total(items, store, workers if kind != 'price' else 1)}"
        for item in items[:MOST_LINES]:
            of = "checkpoints" if kind == "train" else "experiments"
            several = f" ({len(item.ids)} {of})" if len(item.ids) > 1 else ""
            yield f"  {item.title}{several}: {_duration(_seconds(item, store))}"
        if len(items) > MOST_LINES:
            yield f"  and {len(items) - MOST_LINES} more"
    yield f"expected in all with {workers} worker{'s' * (workers > 1)}: {expected(pending, store, workers)}"


def search_line(name: str, space: Space) -> str:
    """What a search would try."""
    combinations, how = prod(space.axes.values()), space.how
    limit = f", and begin nothing after {space.minutes:g} min" if space.minutes else ""
    return (
        f"{name}: would try {min(how.trials, combinations)} of {combinations} combinations ({how.sampler}){limit}"
    )


def expected(pending: PendingWork, store: Store, workers: int) -> str:
    """How long pending work should take, in words."""
    seconds, unknown = _sums(pending.work, store)
    alone, more_unknown = _sums(pending.prices, store)
    return _in_words(seconds / workers + alone, unknown + more_unknown, len(pending.work) + len(pending.prices))


def _total(items: list[Task], store: Store, workers: int) -> str:
    seconds, unknown = _sums(items, store)
    return _in_words(seconds / workers, unknown, len(items))


def _in_words(seconds: float, unknown: int, items: int) -> str:
    if not items:
        return "nothing to do"
    if unknown == items:
        return "time unknown, nothing like it was done before"
    return _duration(seconds) + (f" and {unknown} of unknown length" if unknown else "")


def _sums(items: Iterable[Task], store: Store) -> tuple[float, int]:
    """Expected seconds of those whose like was done before, and the number of the others."""
    known = [_seconds(item, store) for item in items]
    return sum(seconds for seconds in known if seconds is not None), sum(seconds is None for seconds in known)


def _seconds(item: Task, store: Store) -> float | None:
    before = store.times.get(item.shape)
    return before.seconds if before else None


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "time unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
