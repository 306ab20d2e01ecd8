"""What a prediction costs: parameters, operations, time, memory; and the machine that it was measured on."""

from __future__ import annotations

import ctypes
import gc
import importlib.metadata
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pynvml
import torch

from bench import memory
from bench.experiment import Precision
from bench.flops import count_flops
from bench.precision import autocast
from bench.protocol.aggregation import DEPLOYABLE
from bench.protocol.evaluate import windows_per_call
from bench.records import Cost, Environment, Latency
from models.lifter import Batch, Lifter, Sampling

FEWEST_SAMPLES, MOST_SAMPLES = 5, 1000
STEADY_CALLS, STEADY_WITHIN = 3, 0.1
THROUGHPUT_WINDOWS = 16
MEGABYTE = 1e6
BUSY_PERCENT = 20.0
LIBRARIES = ("torch", "numpy", "accelerate", "transformers")

Call = Callable[[], object]


def measure(
    lifter: Lifter,
    batches: Sequence[Batch],
    sampling: Sampling,
    device: torch.device | str,
    budget_seconds: float = 1.0,
    precision: Precision = "fp32",
) -> Cost:
    """Price of one prediction with these H, K and flip, on this device.

    What a method remembers between predictions (the text of an action) is there before anything is measured. One
    call counts operations and one measures memory; further calls warm up until three in a row differ by less than
    a tenth; then latency is sampled, and throughput at a larger batch. Nothing is changed on the device.

    Args:
        lifter: on ``device``; measured in evaluation mode.
        batches: one window each, taken in rotation; with ``camera``, which J-Fit reads.
        sampling: as evaluated.
        device: of the method.
        budget_seconds: about what sampling of latency and of throughput may take each. Latency has at least five
            samples, however long they take.
        precision: of the prediction.
    """
    device = torch.device(device)
    inputs = [_blind(batch).to(device) for batch in batches]
    rotation = cycle(inputs)
    was_training = lifter.training
    lifter.eval()
    with torch.inference_mode(), autocast(device, precision):
        for batch in inputs:
            lifter.predict(batch, replace(sampling, hypotheses=1, steps=1))
        flops = count_flops(lambda: lifter.predict(inputs[0], sampling))
        peak, source, nvml = _peak_memory(lambda: lifter.predict(inputs[0], sampling), device)
        samples = _sample(lambda: lifter.predict(next(rotation), sampling), device, budget_seconds)
        latency = _latency(lifter, inputs, sampling, device, budget_seconds, samples)
        aggregations = _aggregations(lifter, batches[0].to(device), sampling, device, budget_seconds)
    lifter.train(was_training)
    frozen = lifter.frozen_parameters()
    return Cost(
        parameters=sum(parameter.numel() for parameter in lifter.parameters()) - frozen,
        frozen_parameters=frozen,
        flops_per_window=flops,
        latency=latency,
        peak_memory_mb=peak,
        memory_source=source,
        nvml_memory_mb=nvml,
        aggregation_ms=aggregations,
    )


def environment(device: torch.device | str) -> Environment:
    """The machine, its software, and what speaks against timings made on it now."""
    device = torch.device(device)
    cpu = _cpu_name()
    on_gpu = device.type == "cuda"
    versions = {}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    if on_gpu:
        versions |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
    return Environment(
        device=torch.cuda.get_device_name(device) if on_gpu else cpu,
        cpu=cpu,
        threads=torch.get_num_threads(),
        platform=platform.platform(),
        python=platform.python_version(),
        driver=_nvml(lambda: str(pynvml.nvmlSystemGetDriverVersion())) if on_gpu else None,
        versions=versions,
        warnings=tuple(_warnings(device)),
    )


def device_label(device: torch.device) -> str:
    """The device that prices of this process belong to."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()
    return f"{name}, {torch.get_num_threads()} threads"


def _blind(batch: Batch) -> Batch:
    return replace(batch, pose_3d=None, trajectory=None, camera=None, random_3d=None)


def _latency(
    lifter: Lifter,
    inputs: list[Batch],
    sampling: Sampling,
    device: torch.device,
    budget: float,
    samples: list[float],
) -> Latency:
    """Statistics of the batch-1 samples (ms), and the throughput at as large a batch as the budget admits."""
    median = statistics.median(samples)
    affordable = int(1000 * budget / FEWEST_SAMPLES / median)
    hypotheses = sampling.hypotheses if lifter.probabilistic else 1
    largest = windows_per_call(hypotheses * lifter.frames, device)
    size = max(1, min(THROUGHPUT_WINDOWS, affordable, largest))
    size, together = _together(lifter, inputs, sampling, device, budget, size) or (1, median)
    p20, p80, p95 = np.percentile(samples, [20, 80, 95]).tolist()
    return Latency(
        median_ms=median,
        p20_ms=p20,
        p80_ms=p80,
        p95_ms=p95,
        samples_ms=tuple(samples),
        frames=lifter.frames,
        throughput_windows_per_s=1000 * size / together,
        throughput_batch=size,
    )


def _together(
    lifter: Lifter, inputs: list[Batch], sampling: Sampling, device: torch.device, budget: float, size: int
) -> tuple[int, float] | None:
    """The largest batch up to ``size`` that there is memory for, and its time (ms); None for a single window."""
    while size > 1:
        predict = partial(lifter.predict, _joined(inputs, size), sampling)
        try:
            return size, statistics.median(_sample(predict, device, budget))
        except Exception as error:
            if not memory.lacking(error):
                raise
        size //= 2
        memory.release()
    return None


def _aggregations(
    lifter: Lifter, batch: Batch, sampling: Sampling, device: torch.device, budget: float
) -> dict[str, float]:
    """Median time (ms) of each deployable aggregation of the last step's hypotheses."""
    if not lifter.probabilistic:
        return {}
    pred = lifter.predict(_blind(batch), sampling)[:, -1:]
    left = lifter.context[0]
    seen = replace(_blind(batch), pose_2d=batch.pose_2d[:, left : left + lifter.frames], camera=batch.camera)
    return {
        name: statistics.median(_sample(partial(aggregate, pred, seen), device, budget / 10))
        for name, aggregate in DEPLOYABLE.items()
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


def _sample(call: Call, device: torch.device, budget: float) -> list[float]:
    """Milliseconds of single calls: warmed up, then for about ``budget`` seconds, at least five."""
    typical = _warm_up(call, device, budget / 2)
    number = int(np.clip(budget / typical, FEWEST_SAMPLES, MOST_SAMPLES))
    return _event_times(call, number) if device.type == "cuda" else _wall_times(call, number)


def _warm_up(call: Call, device: torch.device, budget: float) -> float:
    """Call until three times in a row are steady or the budget is spent; the last time in seconds."""
    times: list[float] = []
    while True:
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
        last = times[-STEADY_CALLS:]
        steady = len(last) == STEADY_CALLS and max(last) < (1 + STEADY_WITHIN) * min(last)
        if steady or sum(times) > budget:
            return times[-1]


def _wall_times(call: Call, number: int) -> list[float]:
    times = []
    for _ in range(number):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return times


def _event_times(call: Call, number: int) -> list[float]:
    """Times between events on the GPU's own clock, read after one synchronisation."""
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(number)]
    for start, end in events:
        start.record()
        call()
        end.record()
    torch.cuda.synchronize()
    return [start.elapsed_time(end) for start, end in events]


def _peak_memory(call: Call, device: torch.device) -> tuple[float, str, float | None]:
    """Peak megabytes of one call, what they count, and the process's GPU memory by NVML."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        call()
        torch.cuda.synchronize(device)
        source = "tensors allocated by torch on the GPU, weights included"
        return torch.cuda.max_memory_allocated(device) / MEGABYTE, source, _nvml(lambda: _gpu_memory(device))
    resettable = _reset_peak()
    call()
    what = "resident memory of the process, with interpreter, libraries, data and weights"
    if resettable:
        return _status_kilobytes("VmHWM") * 1024 / MEGABYTE, f"peak {what}, during one prediction", None
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return peak / MEGABYTE, f"peak {what}, since the process began", None


def _reset_peak() -> bool:
    """Start a new high-water mark of resident memory; False where the system offers none (not Linux).

    What the C library has kept of earlier work is given back first, as far as it can be.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status_kilobytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no field {field}")


def _nvml(read: Callable[[], Any]) -> Any:
    """What ``read`` gives between NVML's start and end; None where there is no NVML or it does not know."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return read()
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _processes(device: torch.device) -> list[Any]:
    """NVML's list of processes that compute on the GPU that torch calls ``device``."""
    uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    return list(pynvml.nvmlDeviceGetComputeRunningProcesses(pynvml.nvmlDeviceGetHandleByUUID(uuid)))


def _gpu_memory(device: torch.device) -> float | None:
    for process in _processes(device):
        if process.pid == os.getpid() and process.usedGpuMemory is not None:
            return process.usedGpuMemory / MEGABYTE
    return None


def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _warnings(device: torch.device) -> list[str]:
    """Other work on the machine: processes on the GPU, and load on the CPU while this process waits."""
    found = []
    others = len(_nvml(lambda: _processes(device)) or ()) - 1 if device.type == "cuda" else 0
    if others > 0:
        found.append(f"{others} other processes computed on the GPU")
    busy = psutil.cpu_percent(interval=0.2)
    if busy > BUSY_PERCENT:
        found.append(f"other processes kept {busy:.0f} % of the CPU busy")
    return found
