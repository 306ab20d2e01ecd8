from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from itertools import cycle
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from bench.measure import cost as module
from bench.measure import environment as machine
from bench.measure import timing
from bench.measure.cost import MeasuredPrediction, measure_cost, sample_again
from bench.measure.environment import OtherWork, environment
from models.lifter import Batch, Lifter, Sampling

FRAMES = 5
ONE = Sampling()


@dataclass(frozen=True)
class Config:
    pass


class Slow(Lifter):
    """Spends a known time, memory and number of operations."""

    title = "Slow"
    Config = Config
    probabilistic = True
    frames = train_frames = FRAMES

    def __init__(self, seconds: float = 0.0, megabytes: int = 0) -> None:
        super().__init__(Config())
        self.seconds, self.megabytes = seconds, megabytes
        self.text = nn.Linear(10, 10).requires_grad_(False)
        self.lift = nn.Linear(2, 3)
        self.calls: list[int] = []
        self.eval()

    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        assert not self.training
        assert batch.pose_3d is None
        self.calls.append(len(batch))
        self.text(torch.ones(1, 10, device=batch.pose_2d.device))
        ballast = torch.ones(self.megabytes * 250_000, device=batch.pose_2d.device)
        poses = [
            torch.stack([self.lift(batch.pose_2d) for _ in range(sampling.hypotheses)], 1)
            for _ in range(sampling.steps)
        ]
        time.sleep(self.seconds)
        return torch.stack(poses, 1) + 0 * ballast.sum()


def windows(count: int = 2) -> list[Batch]:
    return [
        Batch(
            torch.randn(1, FRAMES, 17, 2),
            ("Walking",),
            torch.tensor([n]),
            pose_3d=torch.zeros(1, FRAMES, 17, 3),
            camera=torch.tensor([[2.0, 2, 0, 0, 0, 0, 0, 0, 0]]),
        )
        for n in range(count)
    ]


def prediction(lifter: Lifter, seconds: float, sampling: Sampling = ONE) -> MeasuredPrediction:
    """That of two windows, on the device of the method's weights."""
    device = next(lifter.parameters()).device
    return MeasuredPrediction(lifter, windows(), sampling, device, budget_seconds=seconds)


class Clock:
    """Time that passes only where it is slept, a little longer now and then, and 0.1 ms at each look.

    So it is the same however busy this machine is, samples differ, and nothing takes 0 s.
    """

    def __init__(self) -> None:
        self.now, self.longer = 0.0, cycle((1.0, 1.02, 1.05))

    def sleep(self, seconds: float) -> None:
        self.now += next(self.longer) * seconds

    def perf_counter(self) -> float:
        self.now += 1e-4
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of the real one, here and where calls are timed."""
    made = Clock()
    monkeypatch.setattr(timing, "time", made)
    monkeypatch.setitem(globals(), "time", made)


def test_costs_are_counted() -> None:
    cost = measure_cost(prediction(Slow(), 0.05, Sampling(3, 2)))
    assert (cost.parameters, cost.frozen_parameters) == (9, 110)
    assert cost.flops_per_window == 2 * 100 + 2 * 3 * (2 * FRAMES * 17 * 2 * 3)
    assert cost.flops_per_frame == cost.flops_per_window / FRAMES
    assert list(cost.aggregation_ms) == ["P-Agg", "P-Median", "J-Fit"]
    assert min(cost.aggregation_ms.values()) > 0


@pytest.mark.usefixtures("clock")
def test_latency_is_that_of_single_windows_and_statistics_follow_from_samples() -> None:
    lifter = Slow(seconds=0.01)
    cost = measure_cost(prediction(lifter, 0.2))
    latency = cost.latency
    assert latency.median_ms >= 10
    assert len(latency.samples_ms) >= timing.LEAST_OF_PASS
    ordered = sorted(latency.samples_ms)
    assert ordered[0] <= latency.p20_ms <= latency.median_ms <= latency.p80_ms <= latency.p95_ms <= ordered[-1]
    assert 1 < latency.throughput_batch <= 4
    assert latency.throughput_windows_per_s > 1.2 * 1000 / latency.median_ms
    assert lifter.calls.count(1) >= timing.LEAST_OF_PASS + 2


class Crowded(Slow):
    """Takes 2 ms a call, but for calls of more than four windows 4 ms a window; no memory for ``too_many``."""

    too_many = 99

    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        if len(batch) >= self.too_many:
            raise MemoryError
        self.seconds = 0.002 if len(batch) <= 4 else 0.004 * len(batch)
        return super().predict(batch, sampling)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("too_many", "tried"), [(99, 8), (4, 2)])
def test_throughput_is_that_of_the_best_batch(too_many: int, tried: int) -> None:
    lifter = Crowded()
    lifter.too_many = too_many
    latency = measure_cost(prediction(lifter, 0.5)).latency
    assert latency.throughput_batch == min(4, tried)
    assert latency.throughput_windows_per_s > 1.5 * 1000 / latency.median_ms
    assert max(lifter.calls) == tried


def test_slow_methods_get_two_samples_a_pass_and_no_more() -> None:
    lifter = Slow(seconds=0.05)
    latency = measure_cost(prediction(lifter, 0.02)).latency
    assert len(latency.samples_ms) == timing.LEAST_OF_PASS
    assert lifter.calls == [1] * (len(windows()) + timing.LEAST_OF_PASS + 4)
    assert latency.throughput_batch == 1
    assert latency.throughput_windows_per_s == pytest.approx(1000 / latency.median_ms)


def test_memory_is_counted_and_the_same_every_time() -> None:
    small, large, again = (
        measure_cost(prediction(Slow(megabytes=size), 0.01, Sampling(3, 2))) for size in (1, 200, 200)
    )
    assert "counted" in large.memory_source
    assert large.peak_memory_mb - small.peak_memory_mb == pytest.approx(199)
    assert (large.peak_memory_mb, large.added_memory_mb) == (again.peak_memory_mb, again.added_memory_mb)
    assert large.memory_mb == large.peak_memory_mb
    assert large.nvml_memory_mb is None


def test_resident_memory_is_in_no_rank() -> None:
    cost = measure_cost(prediction(Slow(), 0.01))
    assert cost.resident_memory_mb is None or cost.resident_memory_mb > 50 > cost.peak_memory_mb
    older = cost.model_copy(update={"memory_source": "peak resident memory of the process, during one prediction"})
    assert older.memory_mb is None


def test_passes_that_disagree_are_found_and_few_samples_have_a_wide_interval() -> None:
    latency = measure_cost(prediction(Slow(seconds=0.004), 0.03)).latency
    count = len(latency.samples_ms)
    assert latency.passes == (count,)
    assert not latency.disagree, "there is one"
    further = sample_again(prediction(Slow(seconds=0.004), 0.03))
    assert len(further) >= timing.LEAST_OF_PASS
    steady = latency.with_pass(latency.samples_ms).with_pass(latency.samples_ms)
    assert (steady.passes, len(steady.samples_ms), steady.disagree) == ((count,) * 3, 3 * count, False)
    slower = steady.with_pass(tuple(2 * one for one in latency.samples_ms))
    assert slower.disagree
    low, high = slower.interval
    assert low <= latency.median_ms < 1.99 * latency.median_ms <= high, "the interval reaches to every pass"


@pytest.mark.parametrize(("count", "ends"), [(5, None), (6, (0, 5)), (9, (1, 7)), (30, (9, 20)), (100, (39, 60))])
def test_the_interval_of_a_median_is_of_ranks(count: int, ends: tuple[int, int] | None) -> None:
    """Ranks from the tables of the binomial distribution: 95 % at least."""
    one = measure_cost(prediction(Slow(), 0.01)).latency
    latency = one.model_copy(update={"samples_ms": tuple(map(float, range(count))), "passes": ()})
    assert latency.interval == ends


def test_environment() -> None:
    found = environment("cpu")
    assert found.device.startswith(found.cpu)
    assert found.threads == torch.get_num_threads()
    assert found.versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found.driver is None


def test_a_busy_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.psutil, "cpu_percent", lambda interval: 71.2)
    assert environment("cpu").warnings == ("other processes kept 71 % of the CPU busy",)
    monkeypatch.setattr(machine.psutil, "cpu_percent", lambda interval: 1.0)
    assert environment("cpu").warnings == ()
    assert environment("cpu", busy=30.4).warnings == ("other processes kept 30 % of the CPU busy",)


def test_what_others_compute_is_what_this_process_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    cpus, moments = os.cpu_count() or 1, iter([(0.0, 0.0, 0.0), (3.0, 1.0, 1.5), (3.0, 1.0, 3.0)])

    def pass_time() -> None:
        user, idle, own = next(moments)
        monkeypatch.setattr(machine.psutil, "cpu_times", lambda: Times(user * cpus, idle * cpus, user * cpus))
        monkeypatch.setattr(machine.os, "times", lambda: SimpleNamespace(user=own * cpus, system=0.0))

    pass_time()
    work = OtherWork()
    assert work.percent() is None  # in no time nothing can be seen
    pass_time()
    assert work.percent() == pytest.approx(100 * (3.0 - 1.5) / 4.0)
    pass_time()
    assert work.percent() == 0


class Times(NamedTuple):
    """Seconds of all CPUs; those of guests are in ``user`` too."""

    user: float
    idle: float
    guest: float


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu() -> None:
    cost = measure_cost(prediction(Slow().to("cuda"), 0.1))
    assert cost.latency.median_ms > 0
    assert "GPU" in cost.memory_source
    assert environment("cuda").driver is not None


def test_windows_measured_together_keep_all_that_a_method_reads() -> None:
    inputs = [
        replace(window, confidence=torch.rand(1, FRAMES, 17), random_2d=torch.rand(1, 2, 17, 2))
        for window in windows()
    ]
    joined, second = module.inputs_of(inputs, 3, torch.device("cpu"))
    assert torch.equal(joined.confidence, torch.cat([inputs[n].confidence for n in (0, 1, 0)]))
    assert torch.equal(second.confidence, torch.cat([inputs[n].confidence for n in (1, 0, 1)]))
    assert joined.random_2d.shape == (3, 2, 17, 2)
    assert joined.pose_3d is None
    assert joined.actions == ("Walking",) * 3
