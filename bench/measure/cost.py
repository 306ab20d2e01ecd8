"""What a prediction costs: parameters, operations, time, memory, energy."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch

from bench.config.experiment import Precision
from bench.devices import autocast
from bench.measure import memory, nvml, timing
from bench.measure.compilation import eagerly, is_compiled
from bench.measure.counts import count_flops
from bench.measure.environment import tf32
from bench.measure.peak_flops import product_peak
from bench.measure.timing import FEWEST_SAMPLES, Call, Samples
from bench.protocol.aggregation import deployable_poses
from bench.protocol.evaluate import windows_per_call
from bench.results.cost import PASSES, Cost, Latency, Setup, summary
from models.inference import without_context
from models.lifter import Batch, Lifter, Sampling

THROUGHPUT_SHARE = 0.125
"""Share of the time budget that calls of each larger batch are sampled for, but for their fewest samples."""

STAGE_SHARE = 0.1
"""Share of the time budget that goes into calls in which the stages of the method are timed."""

ENERGY_SECONDS = 0.5
"""The energy counter moves in steps; calls that take less than this together are not measured with it."""


@dataclass(frozen=True)
class MeasuredPrediction:
    """The prediction that is measured, and how.

    Attributes:
        lifter: on ``device``, in evaluation mode.
        windows: batches of one window each, taken in rotation; with ``camera``, which some aggregations read.
        sampling: as evaluated.
        device: where it is measured.
        budget_seconds: about what sampling of latency may take. It is shared by ``PASSES`` passes on a CPU.
        precision: of the predictions.
        batch: windows in every call; with more than one, throughput is that of these calls.
        workers: processes that predict at this moment, for the throughput of all together.
        named: aggregations that are timed on request only.
    """

    lifter: Lifter
    windows: Sequence[Batch]
    sampling: Sampling
    device: torch.device
    budget_seconds: float = 1.0
    precision: Precision = "fp32"
    batch: int = 1
    workers: int = 1
    named: Sequence[str] = ()

    @cached_property
    def inputs(self) -> list[Batch]:
        """Batches of the calls, which take turns."""
        return inputs_of(self.windows, self.batch, self.device)

    def of(self, batch: Batch) -> torch.Tensor:
        """The prediction for one batch."""
        return self.lifter.predict(batch, self.sampling)


def measure_cost(measured: MeasuredPrediction) -> Cost:
    """What one prediction with these H, K and flip costs on this device.

    What a method keeps between predictions (the text of an action) exists before anything is measured, and so does
    what is compiled. One call counts operations and one measures memory; further calls warm up until three in a
    row differ by less than a tenth; then latency is sampled, stages are timed, and throughput at the best batch.
    This is the first of ``PASSES`` passes of latency; ``sample_again`` makes the others. No setting of the device
    is changed.
    """
    device = measured.device
    with torch.inference_mode(), autocast(device, measured.precision), nvml.gpu(device) as gpu:
        return _measure(measured, gpu)


def _measure(measured: MeasuredPrediction, gpu: Any) -> Cost:
    """All that is measured, in this order; ``gpu``: NVML's handle or None."""
    lifter, device, batch = measured.lifter, measured.device, measured.batch
    _warm_caches(measured)
    first = partial(measured.of, measured.inputs[0])
    with eagerly(lifter):
        flops = count_flops(first)
    with eagerly(lifter) if device.type == "cpu" else nullcontext():
        used = memory.peak_memory(first, device)
    process_memory = nvml.process_memory_mb(gpu)
    samples, energy, energy_source = _sample_pass(measured, gpu)
    state = nvml.state(gpu)
    latency = _latency(measured, samples)
    frozen = lifter.frozen_parameters()
    return Cost(
        parameters=sum(parameter.numel() for parameter in lifter.parameters()) - frozen,
        frozen_parameters=frozen,
        flops_per_window=flops // batch,
        latency=latency,
        peak_memory_mb=used.peak,
        memory_source=used.source,
        nvml_memory_mb=process_memory,
        aggregation_ms=_aggregations(measured),
        setup=Setup(
            hypotheses=measured.sampling.hypotheses,
            steps=measured.sampling.steps,
            flip=measured.sampling.flip,
            precision=measured.precision,
            tf32=tf32(device),
            compiled=is_compiled(lifter),
            threads=torch.get_num_threads(),
            batch=batch,
            workers=measured.workers,
        ),
        weights_mb=memory.weights_mb(lifter),
        added_memory_mb=used.added,
        reserved_memory_mb=used.reserved,
        resident_memory_mb=used.resident,
        energy_j=None if energy is None else energy / batch,
        energy_source=energy_source,
        peak_gflops=product_peak(device, measured.precision) if measured.workers == 1 else None,
        device_state=state,
    )


def sample_again(measured: MeasuredPrediction) -> tuple[float, ...]:
    """Milliseconds per window of one more pass, for ``Latency.with_pass``."""
    with torch.inference_mode(), autocast(measured.device, measured.precision):
        _warm_caches(measured)
        samples, *_ = _sample_pass(measured, gpu=None)
    return tuple(one / measured.batch for one in samples.each)


def _sample_pass(measured: MeasuredPrediction, gpu: Any) -> tuple[Samples, float | None, str]:
    """``latency_and_energy`` of the inputs in turns. A GPU is fast, and its energy counter needs a while."""
    inputs, device = cycle(measured.inputs), measured.device
    budget = measured.budget_seconds / PASSES if device.type == "cpu" else measured.budget_seconds
    return latency_and_energy(lambda: measured.of(next(inputs)), device, budget, gpu)


def blind(batch: Batch) -> Batch:
    """The same windows without what a prediction may not see."""
    return replace(batch, pose_3d=None, trajectory=None, camera=None, random_3d=None)


def inputs_of(batches: Sequence[Batch], size: int, device: torch.device) -> list[Batch]:
    """Batches of ``size`` windows, as many as there are windows, each beginning with another one.

    Args:
        batches: one window each.
        size: windows in each of the new batches; windows are repeated as often as needed.
    """
    seen = [blind(batch).to(device) for batch in batches]
    return seen if size == 1 else [_join(seen[n:] + seen[:n], size) for n in range(len(seen))]


def latency_and_energy(
    predict: Call, device: torch.device, budget: float, gpu: Any
) -> tuple[Samples, float | None, str]:
    """Times of calls, the joules of one call, and how those were measured or why they were not.

    ``budget``: seconds that the calls may take, about. ``gpu``: NVML's handle of the device; None for a CPU.
    """
    number = timing.pass_size(predict, device, budget)
    before = nvml.energy_j(gpu)
    samples = timing.timed([predict], number, device)[0]
    after = nvml.energy_j(gpu)
    if before is None or after is None:
        on_cpu = device.type == "cpu"
        return samples, None, "a CPU has none" if on_cpu else "NVML gives no energy counter for this device"
    if samples.host * number < 1000 * ENERGY_SECONDS:
        return samples, None, f"the timed calls took less than {ENERGY_SECONDS} s"
    return samples, (after - before) / number, f"NVML's counter over {number} calls"


def _warm_caches(measured: MeasuredPrediction) -> None:
    """Predict each input once, so that what the method keeps and what is compiled is there before measuring.

    A form that is compiled must be of the measured H and K; otherwise one hypothesis and one step are enough.
    """
    smallest = replace(measured.sampling, hypotheses=1, steps=1)
    sampling = measured.sampling if is_compiled(measured.lifter) else smallest
    for batch in measured.inputs:
        measured.lifter.predict(batch, sampling)


def _throughput(measured: MeasuredPrediction, median: float) -> tuple[int, float]:
    """Windows of a call for the throughput, and windows per second.

    For single windows in one process, the best of 1, 2, 4, ... windows: larger calls are tried, within the budget,
    the memory and what goes through a method at once in evaluation, until one predicts no more a second than
    the one before. Otherwise the calls that were timed already, of which ``median`` is the time in milliseconds.
    """
    if measured.batch > 1 or measured.workers > 1:
        return measured.batch, 1000 * measured.workers * measured.batch / median
    lifter = measured.lifter
    affordable = int(1000 * measured.budget_seconds / FEWEST_SAMPLES / median)
    hypotheses = measured.sampling.hypotheses if lifter.probabilistic else 1
    largest = min(affordable, windows_per_call(hypotheses * lifter.frames, measured.device))

    def at_size(size: int) -> tuple[int, float]:
        predict = partial(measured.of, _join(measured.inputs, size))
        if is_compiled(lifter):
            predict()  # what is compiled for this size is made now, before the time of a call is estimated
        samples = timing.sample(predict, measured.device, THROUGHPUT_SHARE * measured.budget_seconds)
        return size, 1000 * size / statistics.median(samples.each)

    best, size = (1, 1000 / median), 2
    while size <= largest:
        found = memory.first_that_fits(at_size, (size, best[0]))
        if found[1] <= best[1]:
            break
        best, size = found, 2 * size
    return best


def _aggregations(measured: MeasuredPrediction) -> dict[str, float]:
    """Median time (ms) of each deployable aggregation of the last step's hypotheses of one window."""
    lifter = measured.lifter
    if not lifter.probabilistic:
        return {}
    batch = measured.windows[0].to(measured.device)
    pred = measured.of(blind(batch))[:, -1:]
    seen = replace(blind(batch), pose_2d=without_context(batch.pose_2d, lifter), camera=batch.camera)
    budget = measured.budget_seconds / 10
    return {
        name: statistics.median(timing.sample(partial(aggregate, pred, seen), measured.device, budget).each)
        for name, aggregate in deployable_poses(measured.named).items()
    }


def _latency(measured: MeasuredPrediction, samples: Samples) -> Latency:
    """Times per window, of stages too, and throughput."""
    batch, lifter, inputs = measured.batch, measured.lifter, cycle(measured.inputs)
    number = int(np.clip(1000 * STAGE_SHARE * measured.budget_seconds / samples.host, 1, 100))
    stages = timing.stage_times(
        lifter, lambda watched: watched.predict(next(inputs), measured.sampling), measured.device, number
    )
    size, rate = _throughput(measured, statistics.median(samples.each))
    return Latency(
        **summary(tuple(one / batch for one in samples.each)),
        passes=(len(samples.each),),
        frames=lifter.frames,
        throughput_windows_per_s=rate,
        throughput_batch=size,
        clock="CUDA events" if measured.device.type == "cuda" else "wall",
        host_ms=samples.host / batch,
        stages_ms={name: spent / batch for name, spent in stages.items()},
    )


def _join(inputs: list[Batch], size: int) -> Batch:
    """One batch of ``size`` windows, repeating the inputs as often as needed."""
    chosen = list(islice(cycle(inputs), size))
    joined: dict[str, Any] = {
        field.name: torch.cat([getattr(batch, field.name) for batch in chosen])
        for field in fields(Batch)
        if isinstance(getattr(inputs[0], field.name), torch.Tensor)
    }
    return Batch(actions=tuple(action for batch in chosen for action in batch.actions), **joined)
