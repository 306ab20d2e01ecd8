"""Seconds from counts: three numbers of a device."""

import numpy as np
import pytest
import torch

from bench.measure.counts import Counts, count
from bench.sweep import device_speed
from bench.sweep.device_speed import Speed, fit_speed, measure_speed


def test_the_numbers_of_a_device_are_found_again():
    speed = Speed(5e-6, 1e-10, 1e-11)
    rng = np.random.default_rng(0)
    counts = [Counts(*(10.0 ** rng.uniform([1, 5, 6], [4, 9, 12])).astype(int).tolist(), 0) for _ in range(8)]
    counts = [Counts(calls=c.calls, flops=c.moved, moved=c.flops, peak=0) for c in counts]
    found = fit_speed([(c, speed.seconds(c)) for c in counts])
    assert found == pytest.approx(speed)


def test_a_device_is_measured_in_seconds_by_what_it_really_does():
    speed = measure_speed(torch.device("cpu"), 1)
    assert min(speed) >= 0
    large = Counts(calls=10_000, flops=10**12, moved=10**10, peak=0)
    assert 0.1 < speed.seconds(large) < 10_000


def test_counts_are_those_of_a_product():
    left, right = (torch.empty(*shape, device="meta") for shape in ((3, 5), (5, 7)))
    found = count(lambda: (left @ right).exp())
    assert found == Counts(calls=2, flops=2 * 3 * 5 * 7, moved=2 * 3 * 7 * 4, peak=2 * 3 * 7 * 4)


def test_results_that_are_freed_do_not_count_at_the_peak():
    def call():
        value = torch.empty(1000, device="meta")
        for _ in range(5):
            value = value + 1
        return value

    assert count(call).peak == 2 * 4000


def test_a_gpu_is_measured_as_it_trains_and_given_back(monkeypatch):
    done = []
    monkeypatch.setattr(device_speed, "use_device", lambda name: done.append(name))
    monkeypatch.setattr(device_speed, "_probes", lambda device: [(Counts(1, 1, 1, 0), lambda: None)])
    monkeypatch.setattr(device_speed, "_time", lambda call, device: done.append("timed") or (1.0, 1.0))
    monkeypatch.setattr(device_speed.memory, "release", lambda: done.append("released"))
    device_speed.measure_speed.__wrapped__(torch.device("cuda", 1))
    assert done == ["cuda:1", "timed", "released"]
