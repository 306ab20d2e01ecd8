"""Where in the code a failure came from."""

import traceback

import pytest

from bench.job.failures import code_location
from bench.protocol.metrics import mpjpe
from tests.bench import toy


def details_of(action):
    with pytest.raises((AttributeError, TypeError)) as caught:
        action()
    return "".join(traceback.format_exception(caught.value))


def test_the_innermost_line_of_the_suite_is_named_and_none_of_a_library():
    details = details_of(lambda: mpjpe(None, None))
    place = code_location(details)
    assert place.startswith("bench/protocol/metrics.py:")
    assert f"line {place.rpartition(':')[2]}, in joint_errors" in details


def test_a_plug_in_is_named_by_its_package(toy_everywhere):
    assert code_location(details_of(lambda: toy.sequence("S1", 5, "a"))).startswith("tests/bench/toy.py:")


def test_other_code_has_no_place():
    assert code_location("") == ""
    assert code_location('Traceback\n  File "/usr/lib/python3.11/json/decoder.py", line 3, in f\nValueError') == ""
