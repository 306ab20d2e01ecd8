"""Times of calls: of one call, of several in turns, and of the stages of a prediction."""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from bench.devices import synchronise
from bench.results.cost import PASSES
from models.lifter import Lifter

FEWEST_SAMPLES, MOST_SAMPLES = 5, 1000
FEWEST_OF_PASS, LEAST_OF_PASS, MOST_OF_PASS = 10, 2, MOST_SAMPLES // PASSES
"""Samples of a pass; the least where a call takes longer than the pass should."""

STEADY_CALLS, STEADY_WITHIN = 3, 0.1
"""A call is warm when so many in a row differ by less than this share."""

RESAMPLES = 2000
"""Resamples of the bootstrap."""

Call = Callable[[], object]


class Samples(NamedTuple):
    """Milliseconds of single calls, and their mean by the wall clock, first begin to last end."""

    each: list[float]
    host: float


def sample(call: Call, device: torch.device, budget: float) -> Samples:
    """Times of a call: warmed up, then for about ``budget`` seconds, at least five."""
    return timed([call], affordable(call, device, budget), device)[0]


def affordable(call: Call, device: torch.device, budget: float) -> int:
    """Warm a call up and return how many of it take about ``budget`` seconds, within the limits above."""
    return int(np.clip(budget / _warm_up(call, device, budget / 2), FEWEST_SAMPLES, MOST_SAMPLES))


def pass_size(call: Call, device: torch.device, budget: float) -> int:
    """Warm a call up and return how many of it make one pass of about ``budget`` seconds."""
    seconds = _warm_up(call, device, budget / 2)
    return int(np.clip(budget / seconds, FEWEST_OF_PASS if seconds <= budget else LEAST_OF_PASS, MOST_OF_PASS))


def timed(calls: Sequence[Call], number: int, device: torch.device) -> list[Samples]:
    """Times of every call, ``number`` of each, in turns: A B A B.

    On a GPU between events on its own clock, all read after one synchronisation. ``host`` is of all calls together
    where there are several.
    """
    marks: list[list[tuple[Any, Any]]] = [[] for _ in calls]
    synchronise(device)
    begin = time.perf_counter()
    for _ in range(number):
        for call, of_call in zip(calls, marks, strict=True):
            start = _mark(device)
            call()
            of_call.append((start, _mark(device)))
    synchronise(device)
    host = 1000 * (time.perf_counter() - begin) / number
    return [Samples([_between(*pair) for pair in of_call], host) for of_call in marks]


class Ratio(NamedTuple):
    """A ratio of two medians, with its 95 % interval."""

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


def stage_times(
    lifter: Lifter, predict: Callable[[Lifter], object], device: torch.device, number: int
) -> dict[str, float]:
    """Mean milliseconds of each of the method's stages in a prediction; "other" is what no stage takes.

    A stage that runs inside of another one is not counted there.

    Args:
        lifter: names its stages in ``timed_stages``; without any, nothing is timed.
        predict: makes one prediction with the lifter that it is given: a copy that shares all weights with
            ``lifter`` and whose stages are timed.
    """
    if not lifter.timed_stages:
        return {}
    spans: list[_Span] = []
    running = [""]

    def timed_as(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            around = running[-1]
            running.append(name)
            start = _mark(device)
            try:
                return function(*arguments, **named)
            finally:
                spans.append(_Span(name, around, start, _mark(device)))
                running.pop()

        return call

    watched = copy.copy(lifter)
    for name, method in lifter.timed_stages.items():
        setattr(watched, method, timed_as(name, getattr(watched, method)))
    for _ in range(number):
        timed_as("other", predict)(watched)
    synchronise(device)
    spent = _own_times(spans)
    return {name: spent[name] / number for name in (*lifter.timed_stages, "other")}


class _Span(NamedTuple):
    """One call of a stage inside of the stage ``around`` ("" for none); moments are as ``_mark`` gives them."""

    stage: str
    around: str
    start: Any
    end: Any


def _own_times(spans: Iterable[_Span]) -> dict[str, float]:
    """Stage → milliseconds in all, without what stages inside of it took."""
    spent: dict[str, float] = defaultdict(float)
    for span in spans:
        took = _between(span.start, span.end)
        spent[span.stage] += took
        spent[span.around] -= took
    return spent


def _warm_up(call: Call, device: torch.device, budget: float) -> float:
    """Call until three times in a row are steady or the budget is spent; the last time in seconds."""
    times: list[float] = []
    while True:
        start = time.perf_counter()
        call()
        synchronise(device)
        times.append(time.perf_counter() - start)
        last = times[-STEADY_CALLS:]
        steady = len(last) == STEADY_CALLS and max(last) < (1 + STEADY_WITHIN) * min(last)
        if steady or sum(times) > budget:
            return times[-1]


def _mark(device: torch.device) -> Any:
    """A moment: an event in CUDA's queue, or the wall clock's seconds when the device has done all before."""
    if device.type != "cuda":
        synchronise(device)
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event


def _between(start: Any, end: Any) -> float:
    """Milliseconds."""
    return 1000 * (end - start) if isinstance(start, float) else start.elapsed_time(end)
