"""The time that a sweep has left, on a clock that stands still unless it is moved."""

import heapq
from types import SimpleNamespace

import numpy as np
import pytest

from bench.sweep.forecast import Forecast, duration


def task(name, kind="train", needs=(), ids=None):
    return SimpleNamespace(name=name, ids=ids or (name,), kind=kind, needs=needs)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def ratios(tasks, estimate, truth, workers):
    """(share of the work that is done, forecast over what was really left), at the end of every task."""
    clock = Clock()
    forecast = Forecast(tasks, lambda one: estimate[one.name], workers, clock)
    moments = []
    shared = [one for one in tasks if one.kind != "measure"]
    alone = [one for one in tasks if one.kind == "measure"]
    for group, slots in ((shared, workers), (alone, 1)):
        queue, running = list(group), []
        while queue or running:
            while queue and len(running) < slots:
                following = queue.pop(0)
                forecast.begin(following)
                heapq.heappush(running, (clock.now + truth[following.name], following.name, following))
            clock.now, _, ended = heapq.heappop(running)
            forecast.end(ended)
            moments.append((clock.now, forecast.seconds_left()))
    end = clock.now
    return [(now / end, left / (end - now)) for now, left in moments if now < 0.98 * end]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("bias", [0.4, 1.0, 2.5])
def test_from_the_first_tenth_on_it_is_within_a_factor_of_one_and_a_half(bias, seed):
    """Estimates are wrong by one factor, and each by another one of its own."""
    rng = np.random.default_rng(seed)
    tasks = [task(f"train {n}") for n in range(40)]
    tasks += [task(f"evaluate {n}", "evaluate") for n in range(60)] + [
        task(f"measure {n}", "measure") for n in range(10)
    ]
    rng.shuffle(tasks)
    size = {"train": 60.0, "evaluate": 8.0, "measure": 4.0}
    truth = {one.name: size[one.kind] * rng.lognormal(0.0, 0.5) for one in tasks}
    estimate = {name: bias * seconds * rng.lognormal(0.0, 0.3) for name, seconds in truth.items()}
    found = [ratio for done, ratio in ratios(tasks, estimate, truth, workers=2) if done >= 0.1]
    assert len(found) > 50
    assert max(found) < 1.5
    assert min(found) > 1 / 1.5


def test_before_anything_has_ended_it_is_what_was_estimated():
    tasks = [task("a"), task("b"), task("c", "measure")]
    seconds = {"a": 60.0, "b": 20.0, "c": 5.0}
    clock = Clock()
    forecast = Forecast(tasks, lambda one: seconds[one.name], 2, clock)
    assert forecast.seconds_left() == 65.0  # the longest training, then the measurement
    forecast.begin(tasks[0])
    clock.now = 30.0
    assert forecast.seconds_left() == 35.0


def test_a_task_that_takes_longer_than_estimated_is_noticed_before_it_ends():
    tasks = [task(str(n)) for n in range(10)]
    clock = Clock()
    forecast = Forecast(tasks, lambda one: 10.0, 1, clock)
    forecast.begin(tasks[0])
    clock.now = 100.0
    assert forecast.seconds_left() > 9 * 50


def test_a_task_without_estimate_is_like_the_others_and_one_found_done_or_failed_says_nothing_of_times():
    tasks = [task("a"), task("b"), task("c"), task("d", "evaluate")]
    forecast = Forecast(tasks, lambda one: {"a": 10.0, "b": 30.0}.get(one.name), 1, Clock())
    assert forecast.seconds_left() == 80.0
    forecast.end(tasks[1])
    assert forecast.seconds_left() == 50.0
    assert forecast.line().startswith("1 of 4 tasks done, about 50 s left, until ")
    forecast.begin(tasks[0])
    forecast.end(tasks[0], "found")
    assert forecast.seconds_left() == 40.0
    forecast.begin(tasks[2])
    forecast.end(tasks[2], "failed")
    assert forecast.seconds_left() == 20.0


def test_the_rest_of_a_training_that_was_interrupted_says_nothing_of_times():
    tasks, clock = [task("a"), task("b"), task("c")], Clock()
    forecast = Forecast(tasks, lambda one: 20.0, 1, clock, is_continued=lambda one: one.name == "a")
    forecast.begin(tasks[0])
    clock.now = 1.0
    forecast.end(tasks[0])
    assert forecast.seconds_left() == 40.0
    forecast.begin(tasks[1])
    clock.now = 2.0
    forecast.end(tasks[1])
    assert forecast.seconds_left() < 20.0, "but a whole one does"


def test_of_nothing_there_is_nothing_left():
    assert Forecast([], lambda one: 10.0, 1, Clock()).seconds_left() == 0


def test_times_in_words():
    told = {
        0.4: "about 0 s",
        59: "about 59 s",
        300: "about 5 min",
        3 * 3600: "about 3.0 h",
        1e6: "about 11.6 days",
    }
    assert {seconds: duration(seconds) for seconds in told} == told


def test_what_needs_a_task_that_failed_is_not_waited_for():
    tasks = [task("a"), task("b", needs=("a",)), task("c", "evaluate", needs=("b",)), task("d")]
    forecast = Forecast(tasks, lambda one: 10.0, 1, Clock())
    forecast.end(tasks[0], "failed")
    assert forecast.ended == 3
    assert forecast.seconds_left() == 10.0


def test_a_task_is_ended_by_others_that_do_all_of_it():
    """What is read off the same samples is one task where it is pending together, and several where it is not."""
    planned = task("samples", "evaluate", ids=("a", "b"))
    forecast = Forecast([planned, task("c", "evaluate")], lambda one: 10.0, 1, Clock())
    parts = (("samples", "a", 0, 20.0), ("samples of b", "b", 1, 10.0), ("c", "c", 2, 0.0))
    for name, done, ended, left in parts:
        forecast.end(task(name, "evaluate", ids=(done,)))
        assert (forecast.ended, forecast.seconds_left()) == (ended, left)


def test_what_needs_a_task_whose_parts_have_failed_is_not_waited_for():
    planned = [task("a+b", ids=("a", "b")), task("c", "evaluate", needs=("a+b",))]
    forecast = Forecast(planned, lambda one: 10.0, 1, Clock())
    forecast.end(task("a"), "failed")
    assert forecast.ended == 0
    forecast.end(task("b"), "failed")
    assert (forecast.ended, forecast.seconds_left()) == (2, 0.0)
