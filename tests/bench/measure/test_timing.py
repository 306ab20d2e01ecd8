from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from bench.measure import timing
from models.lifter import Batch, Lifter, Sampling
from tests.bench.experiments import job

CPU = torch.device("cpu")


class Time:
    """A clock that calls push on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)

    def call(self, *seconds: float):
        times = itertools.cycle(seconds)

        def work(*_: object) -> None:
            self.now += next(times)

        return work


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def test_calls_are_taken_in_turns(clock: Time) -> None:
    order: list[str] = []
    first, second = timing.timed([lambda: order.append("A"), lambda: order.append("B")], 3, CPU)
    assert order == ["A", "B"] * 3
    assert len(first.each) == len(second.each) == 3


def test_samples_and_the_wall_clock_agree_on_one_call(clock: Time) -> None:
    (samples,) = timing.timed([clock.call(0.1, 0.3)], 4, CPU)
    assert samples.each == pytest.approx([100, 300, 100, 300])
    assert samples.host == pytest.approx(200)


def test_warm_up_ends_when_three_calls_are_steady(clock: Time) -> None:
    slow_at_first = iter([5.0, 2.0, 1.0, 1.01, 1.02])

    def call() -> None:
        clock.now += next(slow_at_first)

    assert timing.affordable(call, CPU, budget=200.0) == int(200 / 1.02)
    assert next(slow_at_first, None) is None


def test_warm_up_ends_with_its_budget(clock: Time) -> None:
    timing.affordable(clock.call(1.0, 2.0), CPU, budget=10.0)
    assert clock.now == 6.0


def test_a_ratio_has_an_interval_that_narrows_where_both_change_together() -> None:
    noise = np.random.default_rng(1).lognormal(0, 0.3, 200)
    together = timing.ratio(list(noise), list(2 * noise))
    apart = timing.ratio(list(noise), list(2 * noise[::-1]))
    assert together.value == pytest.approx(2)
    assert (together.low, together.high) == pytest.approx((2, 2), rel=0.1)
    assert apart.low < 2 < apart.high
    assert apart.high - apart.low > together.high - together.low
    assert timing.ratio(list(noise), list(noise))[:] == (1.0, 1.0, 1.0)


class Staged(Lifter):
    """Text inside of the condition, then two steps."""

    title = "Staged"
    Config = dict
    timed_stages = {"text": "text", "condition": "condition", "denoise": "step"}

    def __init__(self, clock: Time) -> None:
        super().__init__({})
        self.clock = clock

    def text(self) -> None:
        self.clock.now += 0.004

    def condition(self) -> None:
        self.text()
        self.clock.now += 0.001

    def step(self) -> None:
        self.clock.now += 0.1

    def predict(self, batch: Batch, sampling: Sampling) -> torch.Tensor:
        self.condition()
        self.step()
        self.step()
        self.clock.now += 0.01
        return torch.zeros(1)


def test_stages_are_told_apart_and_the_method_is_left_as_it_was(clock: Time) -> None:
    lifter = Staged(clock)
    found = timing.stage_times(lifter, lambda watched: watched.predict(None, None), CPU, 3)
    assert found == pytest.approx({"text": 4, "condition": 1, "denoise": 200, "other": 10})
    assert not {"text", "condition", "step"} & vars(lifter).keys()
    with pytest.raises(AttributeError):
        timing.stage_times(lifter, lambda watched: watched.missing, CPU, 1)
    assert not {"text", "condition", "step"} & vars(lifter).keys()


@pytest.mark.parametrize("method", ["d3dp", "finepose", "diffpose"])
def test_stages_of_methods_exist_and_are_passed_through(method: str) -> None:
    made = job(method={"name": method}, evaluation={"hypotheses": 2, "steps": 2})
    lifter = made.build().eval()
    batch = Batch(torch.randn(2, lifter.frames, 17, 2), ("Walking", "Walking"), torch.arange(2))
    found = timing.stage_times(lifter, lambda watched: watched.predict(batch, Sampling(2, 2)), CPU, 1)
    assert list(found) == [*lifter.timed_stages, "other"]
    assert all(spent > 0 for spent in found.values())
    assert found["denoise"] == max(found.values())
