"""The division of a default run's time; its figures come from ``python -m tests.speed.default_run``."""

import importlib
import json

import pytest

from tests.speed import default_run
from tests.speed.default_run import IMPORTS, INTERIM, OTHER, PARTS, THREADS, Parts, measured, table


def test_a_second_belongs_to_the_part_that_was_entered_last(monkeypatch):
    seconds = iter(range(10))
    monkeypatch.setattr(default_run, "thread_time", lambda: next(seconds))
    parts = Parts()
    check = parts.counted("validation", lambda: parts.counted("validation", lambda: "well")())
    with parts.inside("training"):
        assert check() == "well"
    with parts.inside("training"), pytest.raises(ValueError, match="diverged"), parts.inside("validation"):
        raise ValueError("diverged")
    assert parts.seconds == {OTHER: 2, "training": 4, "validation": 2}


def test_a_call_is_measured_by_part_and_nothing_stays_changed():
    real = json.dumps
    seconds = measured(lambda: [json.dumps(list(range(1000))) for _ in range(200)], {"writing": ("json:dumps",)})
    assert json.dumps is real
    assert set(seconds) == {"writing", IMPORTS, THREADS, INTERIM, OTHER}
    assert seconds["writing"] > seconds[OTHER] >= 0


@pytest.mark.parametrize("place", [place for places in PARTS.values() for place in places])
def test_the_parts_are_where_they_are_looked_for(place):
    module, _, path = place.partition(":")
    found = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    assert callable(found)


def test_the_longest_part_comes_first():
    lines = table({"cost": 999.96, "training": 2999.88}).splitlines()
    assert lines[2] == "| training | 3,000 | 75.0 |"
    assert lines[3] == "| measurement of costs | 1,000 | 25.0 |"
    assert lines[4] == "| all | 4,000 | 100 |"
