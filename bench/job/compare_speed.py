"""Timing two methods in turns in one process, so that both are timed in the same state of the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import torch

from bench.config.parsing import parse_assignment
from bench.devices import autocast
from bench.job.jobs import Job
from bench.job.pipeline import ready_to_predict
from bench.measure import nvml, timing
from bench.measure.cost import inputs_of
from bench.measure.environment import device_label, environment, tf32
from bench.measure.timing import Call, Ratio
from bench.results.cost import DeviceState
from bench.results.store import Store
from models.errors import InputError

BUDGET_SECONDS = 10.0
FEWEST_PAIRS = 10


class SpeedComparison(NamedTuple):
    """Milliseconds per output frame, pair by pair, and the ratio of their medians, B over A."""

    samples: tuple[list[float], list[float]]
    frames: tuple[int, int]
    ratio: Ratio
    state: DeviceState | None


def parse_method_spec(text: str) -> list[tuple[str, Any]]:
    """``"finepose,evaluation.steps=2"`` → pairs of key and value, the method first.

    Raises:
        InputError: no method, or what follows is not of the form key=value.
    """
    name, *assignments = re.split(r",(?=[\w.]+=)", text)
    if not name or "=" in name or "," in name:
        raise InputError(f"{text!r}: is neither NAME nor NAME,KEY=VALUE; write finepose,evaluation.steps=2")
    return [("method.name", name), *(parse_assignment(part, text) for part in assignments)]


def compare_speed(jobs: tuple[Job, Job], store: Store, device: torch.device) -> SpeedComparison:
    """Time the predictions of two jobs in turns: A B A B."""
    calls, frames = zip(*(_call(job, store, device) for job in jobs), strict=True)
    with torch.inference_mode(), nvml.gpu(device) as gpu:
        for call in calls:
            call()  # what is compiled is made now, before the time of a call is estimated
        affordable = [timing.affordable(call, device, BUDGET_SECONDS / 2) for call in calls]
        number = max(FEWEST_PAIRS, min(affordable))
        timed = timing.timed(list(calls), number, device)
        state = nvml.state(gpu)
    first, second = ([ms / its for ms in samples.each] for samples, its in zip(timed, frames, strict=True))
    return SpeedComparison((first, second), frames, timing.ratio(first, second), state)


def describe_comparison(jobs: tuple[Job, Job], comparison: SpeedComparison, device: torch.device) -> Iterator[str]:
    """The result in words, with the conditions of the measurement."""
    place = environment(device, comparison.state)
    yield f"{device_label(device)}, driver {place.driver or 'none'}, torch {torch.__version__}"
    for letter, job, samples, frames in zip("AB", jobs, comparison.samples, comparison.frames, strict=True):
        spec = job.experiment.evaluation
        setup = f"H={spec.hypotheses} K={spec.steps} flip={'yes' if spec.flip else 'no'} {spec.arithmetic}"
        low, median, high = np.percentile(samples, [20, 50, 80])
        yield (
            f"{letter}: {job.name}, {setup}: median {median * frames:.4g} ms/window of {frames} frames "
            f"(p20 {low * frames:.4g}, p80 {high * frames:.4g}), {median:.4g} ms/frame"
        )
    value, low, high = comparison.ratio
    yield (
        f"B / A: {value:.3f} [{low:.3f}, {high:.3f}] in time per output frame (95 % interval, bootstrap over "
        f"{len(comparison.samples[0])} pairs in turns)"
    )
    yield f"batch 1, weights as they are in the store or else untrained, TF32 allowed for: {tf32(device)}"
    yield from (f"warning: {text}" for text in place.warnings)


def _call(job: Job, store: Store, device: torch.device) -> tuple[Call, int]:
    """One prediction of a job, over different inputs in turn, and the frames that it gives."""
    lifter, windows, sampling = ready_to_predict(job, store, device)
    rotation = cycle(inputs_of(windows, 1, device))

    def predict() -> None:
        with autocast(device, job.experiment.evaluation.precision):
            lifter.predict(next(rotation), sampling)

    return predict, lifter.frames
