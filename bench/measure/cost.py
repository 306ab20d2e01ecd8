"""What a prediction costs: parameters, operations, time, memory, energy."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields, replace
from functools import partial
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch

from bench.config.experiment import Precision
from bench.devices import autocast
from bench.measure import memory, nvml, timing
from bench.measure.environment import tf32
from bench.measure.flops import count_flops
from bench.measure.peak_flops import product_peak
from bench.measure.timing import FEWEST_SAMPLES, Call, Samples
from bench.protocol.aggregation import deployable_poses
from bench.protocol.evaluate import windows_per_call
from bench.results.cost import Cost, Latency, Setup
from models.lifter import Batch, Lifter, Sampling

THROUGHPUT_WINDOWS = 16
STAGE_SHARE = 0.1
"""Of the budget, for calls in which the method's stages are timed."""

ENERGY_SECONDS = 0.5
"""Shorter than this, the energy counter's steps show."""


def measure_cost(
    lifter: Lifter,
    batches: Sequence[Batch],
    sampling: Sampling,
    device: torch.device | str,
    budget_seconds: float = 1.0,
    precision: Precision = "fp32",
    batch: int = 1,
    workers: int = 1,
) -> Cost:
    """Price of one prediction with these H, K and flip, on this device.

    What a method remembers between predictions (the text of an action) is there before anything is measured, and
    so is what is compiled. One call counts operations and one measures memory; further calls warm up until three
    in a row differ by less than a tenth; then latency is sampled, stages are timed, and throughput at a larger
    batch. Nothing is changed on the device.

    Args:
        lifter: on ``device``; measured in evaluation mode.
        batches: one window each, taken in rotation; with ``camera``, which J-Fit reads.
        sampling: as evaluated.
        device: of the method.
        budget_seconds: about what sampling of latency and of throughput may take each. Latency has at least five
            samples, however long they take.
        precision: of the prediction.
        batch: windows in every call; with more than one, throughput is that of these calls.
        workers: processes that predict at this moment, for the throughput of all together.
    """
    device = torch.device(device)
    inputs = inputs_of(batches, batch, device)
    rotation = cycle(inputs)
    was_training = lifter.training
    lifter.eval()

    def predict() -> object:
        return lifter.predict(next(rotation), sampling)

    with torch.inference_mode(), autocast(device, precision), nvml.gpu(device) as gpu:
        first = sampling if _compiled(lifter) else replace(sampling, hypotheses=1, steps=1)
        for some in inputs:
            lifter.predict(some, first)
        with torch.compiler.set_stance("force_eager") if lifter.compiled else nullcontext():
            flops = count_flops(lambda: lifter.predict(inputs[0], sampling))
        used = memory.peak_memory(lambda: lifter.predict(inputs[0], sampling), device)
        process_memory = nvml.process_memory_mb(gpu)
        samples, energy, energy_source = _latency_and_energy(predict, device, budget_seconds, gpu)
        state = nvml.state(gpu)
        stages = _stages(lifter, predict, device, budget_seconds, samples)
        median = statistics.median(samples.each)
        size, together = (batch, median) if batch > 1 else (1, median)
        if batch == workers == 1:
            size, together = _throughput(lifter, inputs, sampling, device, budget_seconds, median)
        aggregations = _aggregations(lifter, batches[0].to(device), sampling, device, budget_seconds)
    lifter.train(was_training)
    frozen = lifter.frozen_parameters()
    p20, p80, p95 = np.percentile(samples.each, [20, 80, 95]).tolist()
    latency = Latency(
        median_ms=median / batch,
        p20_ms=p20 / batch,
        p80_ms=p80 / batch,
        p95_ms=p95 / batch,
        samples_ms=tuple(one / batch for one in samples.each),
        frames=lifter.frames,
        throughput_windows_per_s=1000 * workers * size / together,
        throughput_batch=size,
        clock="CUDA events" if device.type == "cuda" else "wall",
        host_ms=samples.host / batch,
        stages_ms={name: spent / batch for name, spent in stages.items()},
    )
    return Cost(
        parameters=sum(parameter.numel() for parameter in lifter.parameters()) - frozen,
        frozen_parameters=frozen,
        flops_per_window=flops // batch,
        latency=latency,
        peak_memory_mb=used.peak,
        memory_source=used.source,
        nvml_memory_mb=process_memory,
        aggregation_ms=aggregations,
        setup=_setup(lifter, sampling, device, precision, batch, workers),
        weights_mb=memory.weights_mb(lifter),
        added_memory_mb=used.added,
        reserved_memory_mb=used.reserved,
        energy_j=None if energy is None else energy / batch,
        energy_source=energy_source,
        peak_gflops=product_peak(device, precision) if workers == 1 else None,
        device_state=state,
    )


def blind(batch: Batch) -> Batch:
    """The same windows without what a prediction may not see."""
    return replace(batch, pose_3d=None, trajectory=None, camera=None, random_3d=None)


def inputs_of(batches: Sequence[Batch], size: int, device: torch.device) -> list[Batch]:
    """As many batches of ``size`` windows as there are windows, each begun by another one."""
    seen = [blind(batch).to(device) for batch in batches]
    return seen if size == 1 else [_joined(seen[n:] + seen[:n], size) for n in range(len(seen))]


def _latency_and_energy(
    predict: Call, device: torch.device, budget: float, gpu: Any
) -> tuple[Samples, float | None, str]:
    """Samples of calls, the joules of one, and how they were measured or why they were not."""
    number = timing.affordable(predict, device, budget)
    before = nvml.energy_j(gpu)
    samples = timing.timed([predict], number, device)[0]
    after = nvml.energy_j(gpu)
    if before is None or after is None:
        on_cpu = device.type == "cpu"
        return samples, None, "a CPU has none" if on_cpu else "NVML gives no energy counter for this device"
    if samples.host * number < 1000 * ENERGY_SECONDS:
        return samples, None, f"the timed calls took less than {ENERGY_SECONDS} s"
    return samples, (after - before) / number, f"NVML's counter over {number} calls"


def _stages(
    lifter: Lifter, predict: Call, device: torch.device, budget: float, samples: Samples
) -> dict[str, float]:
    number = int(np.clip(1000 * STAGE_SHARE * budget / samples.host, 1, 100))
    return timing.stage_times(lifter, predict, device, number)


def _throughput(
    lifter: Lifter, inputs: list[Batch], sampling: Sampling, device: torch.device, budget: float, median: float
) -> tuple[int, float]:
    """As large a batch as the budget and the memory admit, and the time of a call of it (ms)."""
    affordable = int(1000 * budget / FEWEST_SAMPLES / median)
    hypotheses = sampling.hypotheses if lifter.probabilistic else 1
    largest = windows_per_call(hypotheses * lifter.frames, device)
    size = max(1, min(THROUGHPUT_WINDOWS, affordable, largest))
    while size > 1:
        predict = partial(lifter.predict, _joined(inputs, size), sampling)
        try:
            if _compiled(lifter):
                predict()  # what is compiled for this size is made now, before it is asked how long a call takes
            return size, statistics.median(timing.sample(predict, device, budget).each)
        except Exception as error:
            if not memory.is_out_of_memory(error):
                raise
        size //= 2
        memory.release()
    return 1, median


def _aggregations(
    lifter: Lifter, batch: Batch, sampling: Sampling, device: torch.device, budget: float
) -> dict[str, float]:
    """Median time (ms) of each deployable aggregation of the last step's hypotheses."""
    if not lifter.probabilistic:
        return {}
    pred = lifter.predict(blind(batch), sampling)[:, -1:]
    left = lifter.context[0]
    seen = replace(blind(batch), pose_2d=batch.pose_2d[:, left : left + lifter.frames], camera=batch.camera)
    return {
        name: statistics.median(timing.sample(partial(aggregate, pred, seen), device, budget / 10).each)
        for name, aggregate in deployable_poses().items()
    }


def _joined(inputs: list[Batch], size: int) -> Batch:
    """One batch of ``size`` windows, repeating the inputs as often as needed."""
    chosen = list(islice(cycle(inputs), size))
    joined: dict[str, Any] = {
        field.name: torch.cat([getattr(batch, field.name) for batch in chosen])
        for field in fields(Batch)
        if isinstance(getattr(inputs[0], field.name), torch.Tensor)
    }
    return Batch(actions=tuple(action for batch in chosen for action in batch.actions), **joined)


def _compiled(lifter: Lifter) -> bool:
    """Whether the part that the method names is compiled, or another one by itself."""
    return lifter.compiled or any(
        hasattr(module, "_orig_mod") or module._compiled_call_impl is not None for module in lifter.modules()
    )


def _setup(
    lifter: Lifter, sampling: Sampling, device: torch.device, precision: Precision, batch: int, workers: int
) -> Setup:
    return Setup(
        hypotheses=sampling.hypotheses,
        steps=sampling.steps,
        flip=sampling.flip,
        precision=precision,
        tf32=tf32(device),
        compiled=_compiled(lifter),
        threads=torch.get_num_threads(),
        batch=batch,
        workers=workers,
    )
