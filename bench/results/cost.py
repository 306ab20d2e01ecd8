"""What a prediction costs and where that was measured, as records keep it.

A field that older records lack is None there.
"""

from __future__ import annotations

import itertools
import statistics
from typing import Any

import numpy as np

from bench.config.parsing import Frozen

PASSES = 3
"""Separate passes in which a time is sampled, with other work between them."""

ENOUGH_SAMPLES = 30
"""From so many on, a time is shown without its interval and a 95th percentile is shown at all."""

DISAGREE = 0.2
"""Passes whose medians differ by more than this share disagree: something else used the machine, or it drifts."""


class Setup(Frozen):
    """What a cost was measured under.

    Attributes:
        hypotheses, steps, flip: of the prediction; H = K = 1 for a deterministic method.
        precision: of matrix products, "fp32", "bf16" or "fp16".
        tf32: what may use TF32 in place of fp32: "nothing", "matrix products", "convolutions", or both.
        compiled: whether a part of the method went through ``torch.compile``.
        threads: of the CPU.
        batch: windows in a call.
        workers: processes that predicted at the same time, this one among them.
    """

    hypotheses: int
    steps: int
    flip: bool
    precision: str
    tf32: str
    compiled: bool
    threads: int
    batch: int = 1
    workers: int = 1


class Latency(Frozen):
    """Milliseconds per window of ``frames`` output frames; the time of every repetition is kept.

    A call holds one window unless the experiment asks for more; its time is then divided by their number.

    Attributes:
        clock: of the samples: "wall" (a CPU) or "CUDA events".
        host_ms: mean wall-clock time per window over the same calls, from the beginning of the first call until
            the device had finished the last one.
        stages_ms: stage → mean milliseconds per window, without the time of stages inside it; "other" is the rest.
            Empty for a method that names no stages.
        throughput_windows_per_s: of all workers together.
        passes: how many of the repetitions, in order, are of each pass; empty in older records, which have one.
    """

    median_ms: float
    p20_ms: float
    p80_ms: float
    p95_ms: float
    samples_ms: tuple[float, ...]
    frames: int
    throughput_windows_per_s: float
    throughput_batch: int
    clock: str = ""
    host_ms: float | None = None
    stages_ms: dict[str, float] = {}
    passes: tuple[int, ...] = ()

    @property
    def ms_per_frame(self) -> float:
        return self.median_ms / self.frames

    @property
    def disagree(self) -> bool:
        """Whether the medians of its passes differ by more than ``DISAGREE``."""
        medians = self._medians
        return len(medians) > 1 and max(medians) > (1 + DISAGREE) * min(medians)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the median in ms, from the order of the samples; it holds the medians of all passes.

        None for fewer than six samples, which have none (David and Nagaraja, Order Statistics, 2003, section 7.1).
        """
        samples, count = sorted(self.samples_ms), len(self.samples_ms)
        ways, below, rank = 1, 1, 0  # of 2 ** count: that exactly, and at most, ``rank`` samples lie below
        if 40 * below > 2**count:
            return None
        while 40 * (below + ways * (count - rank) // (rank + 1)) <= 2**count:
            ways = ways * (count - rank) // (rank + 1)
            below, rank = below + ways, rank + 1
        return min(samples[rank], *self._medians), max(samples[-1 - rank], *self._medians)

    @property
    def _medians(self) -> list[float]:
        """Median of each pass in ms."""
        ends = list(itertools.accumulate(self.passes or (len(self.samples_ms),), initial=0))
        return [statistics.median(self.samples_ms[begin:end]) for begin, end in itertools.pairwise(ends)]

    def with_pass(self, samples: tuple[float, ...]) -> Latency:
        """The same with the samples (ms per window) of one more pass."""
        passes = (*(self.passes or (len(self.samples_ms),)), len(samples))
        return self.model_copy(update=summary((*self.samples_ms, *samples)) | {"passes": passes})


def summary(samples_ms: tuple[float, ...]) -> dict[str, Any]:
    """The fields of ``Latency`` that follow from its samples, and these."""
    p20, p80, p95 = np.percentile(samples_ms, [20, 80, 95]).tolist()
    median = statistics.median(samples_ms)
    return {"samples_ms": samples_ms, "median_ms": median, "p20_ms": p20, "p80_ms": p80, "p95_ms": p95}


class DeviceState(Frozen):
    """A GPU right after the timed calls, as NVML reports it; None for what it does not report.

    Attributes:
        throttled: the reasons why clocks were reduced; empty if they were not.
        other_processes: number of those that computed on it; None where a container hides them.
    """

    clock_mhz: float | None = None
    highest_clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temperature_c: float | None = None
    throttled: tuple[str, ...] = ()
    other_processes: int | None = None


class Cost(Frozen):
    """What a prediction costs.

    Attributes:
        parameters: trainable parameters of the method.
        frozen_parameters: parameters that are never trained (a text encoder); not part of ``parameters``.
        flops_per_window: 2 × multiply-accumulates of the executed operations, for all K, H and flips.
        peak_memory_mb: of tensors that are alive at once on a CPU, counted; allocated by torch on a GPU. In older
            records of a CPU the resident memory of the process, no property of the method: see ``memory_mb``.
        memory_source: what ``peak_memory_mb`` counts.
        nvml_memory_mb: the process's memory by NVML; None without a GPU.
        aggregation_ms: deployable aggregation → milliseconds that it takes to make one window's pose from the
            hypotheses, on top of ``latency``; empty for a deterministic method.
        weights_mb: of parameters and buffers.
        added_memory_mb: of the peak, what the prediction added to what was there before it.
        reserved_memory_mb: peak that torch's allocator held on a GPU.
        resident_memory_mb: peak of the process on a CPU; for the record only.
        energy_j: joules per window of the whole device, including what it uses when idle.
        energy_source: how they were measured, or why they were not.
        peak_gflops: 10⁹ operations a second of the device, measured in a plain matrix product of this precision.
    """

    parameters: int
    frozen_parameters: int
    flops_per_window: int
    latency: Latency
    peak_memory_mb: float
    memory_source: str
    nvml_memory_mb: float | None = None
    aggregation_ms: dict[str, float] = {}
    setup: Setup | None = None
    weights_mb: float | None = None
    added_memory_mb: float | None = None
    reserved_memory_mb: float | None = None
    resident_memory_mb: float | None = None
    energy_j: float | None = None
    energy_source: str = ""
    peak_gflops: float | None = None
    device_state: DeviceState | None = None

    @property
    def memory_mb(self) -> float | None:
        """``peak_memory_mb`` where it may be ranked; None for the resident memory of a process (older records)."""
        return None if "resident memory" in self.memory_source else self.peak_memory_mb

    @property
    def flops_per_frame(self) -> float:
        return self.flops_per_window / self.latency.frames

    def ms_per_frame(self, aggregation: str | None = None) -> float:
        """Median milliseconds per output frame: of the prediction, and of the aggregation where one is named."""
        return self.latency.ms_per_frame + self.aggregation_ms.get(aggregation or "", 0.0) / self.latency.frames

    @property
    def percent_of_peak(self) -> float | None:
        """Operations a second of the prediction at its median time, in percent of ``peak_gflops``."""
        if not (self.peak_gflops and self.latency.median_ms):
            return None
        return 100 * self.flops_per_window / (self.latency.median_ms * 1e6) / self.peak_gflops


class Environment(Frozen):
    """The machine and software of a measurement. Costs of different ``device`` are never averaged."""

    device: str
    cpu: str
    threads: int
    platform: str
    python: str
    driver: str | None
    versions: dict[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, str, int]:
        """Equal where costs may be compared: device, CPU and threads."""
        return self.device, self.cpu, self.threads


class Measurement(Frozen):
    """What predictions of one configuration cost, and the machine that it was measured on."""

    cost: Cost
    environment: Environment
