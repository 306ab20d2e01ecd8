"""Times of calls: warmed up, sampled, of two calls in turns, and of the stages inside of a call."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from models.lifter import Lifter

FEWEST_SAMPLES, MOST_SAMPLES = 5, 1000
STEADY_CALLS, STEADY_WITHIN = 3, 0.1
RESAMPLES = 2000

Call = Callable[[], object]


class Samples(NamedTuple):
    """Milliseconds of single calls, and their mean by the wall clock, first begin to last end."""

    each: list[float]
    host: float


def sample(call: Call, device: torch.device, budget: float) -> Samples:
    """Times of a call: warmed up, then for about ``budget`` seconds, at least five."""
    return timed([call], affordable(call, device, budget), device)[0]


def affordable(call: Call, device: torch.device, budget: float) -> int:
    """Warm a call up; so many of it take about ``budget`` seconds."""
    return int(np.clip(budget / _warm_up(call, device, budget / 2), FEWEST_SAMPLES, MOST_SAMPLES))


def timed(calls: Sequence[Call], number: int, device: torch.device) -> list[Samples]:
    """Times of every call, ``number`` of each, in turns: A B A B.

    On a GPU between events on its own clock, all read after one synchronisation. ``host`` is of all calls together
    where there are several.
    """
    marks: list[list[tuple[Any, Any]]] = [[] for _ in calls]
    _synchronise(device)
    begin = time.perf_counter()
    for _ in range(number):
        for call, its in zip(calls, marks, strict=True):
            start = _mark(device)
            call()
            its.append((start, _mark(device)))
    _synchronise(device)
    host = 1000 * (time.perf_counter() - begin) / number
    return [Samples([_between(*pair) for pair in its], host) for its in marks]


class Ratio(NamedTuple):
    """Of two medians, with its 95 % interval."""

    value: float
    low: float
    high: float


def ratio(first: list[float], second: list[float]) -> Ratio:
    """Median of ``second`` over that of ``first``, sampled in turns; the interval is a bootstrap over pairs."""
    pairs = np.array([first, second])
    drawn = np.random.default_rng(0).integers(0, len(first), (RESAMPLES, len(first)))
    medians = np.median(pairs[:, drawn], axis=-1)
    low, high = np.percentile(medians[1] / medians[0], [2.5, 97.5]).tolist()
    return Ratio(float(np.median(second) / np.median(first)), low, high)


def stage_times(lifter: Lifter, call: Call, device: torch.device, number: int) -> dict[str, float]:
    """Mean milliseconds of each of the method's stages in a call; "other" is what no stage takes.

    A stage that runs inside of another one is not counted there.
    """
    if not lifter.timed_stages:
        return {}
    spans: list[tuple[str, str, Any, Any]] = []
    running = [""]

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*arguments: Any, **named: Any) -> Any:
            around = running[-1]
            running.append(name)
            start = _mark(device)
            try:
                return function(*arguments, **named)
            finally:
                spans.append((name, around, start, _mark(device)))
                running.pop()

        return watching

    methods = {method: watched(name, getattr(lifter, method)) for name, method in lifter.timed_stages.items()}
    with _replaced(lifter, methods):
        for _ in range(number):
            watched("other", call)()
    _synchronise(device)
    spent: dict[str, float] = defaultdict(float)
    for name, around, start, end in spans:
        took = _between(start, end) / number
        spent[name] += took
        spent[around] -= took
    return {name: spent[name] for name in (*lifter.timed_stages, "other")}


@contextmanager
def _replaced(lifter: Lifter, methods: dict[str, Callable[..., Any]]) -> Iterator[None]:
    own = {name: value for name, value in vars(lifter).items() if name in methods}
    for name, method in methods.items():
        setattr(lifter, name, method)
    try:
        yield
    finally:
        for name in methods:
            delattr(lifter, name)
        vars(lifter).update(own)


def _warm_up(call: Call, device: torch.device, budget: float) -> float:
    """Call until three times in a row are steady or the budget is spent; the last time in seconds."""
    times: list[float] = []
    while True:
        start = time.perf_counter()
        call()
        _synchronise(device)
        times.append(time.perf_counter() - start)
        last = times[-STEADY_CALLS:]
        steady = len(last) == STEADY_CALLS and max(last) < (1 + STEADY_WITHIN) * min(last)
        if steady or sum(times) > budget:
            return times[-1]


def _mark(device: torch.device) -> Any:
    """A moment: an event in the GPU's queue, or the wall clock's seconds."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event


def _between(start: Any, end: Any) -> float:
    """Milliseconds."""
    return 1000 * (end - start) if isinstance(start, float) else start.elapsed_time(end)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
