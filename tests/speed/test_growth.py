"""The measurement of growth, at small sizes; its figures come from ``python -m tests.speed.growth``."""

import pytest

from tests.bench import conftest as toys
from tests.speed.growth import Row, exponent, of_experiments, table

empty_database, quick_start = toys.empty_database, toys.quick_start


def test_the_exponent_of_a_power_is_found_beside_what_is_done_once():
    sizes = (10, 100, 1_000, 10_000)
    assert exponent(sizes, [5 + 3e-2 * n**1.5 for n in sizes]) == pytest.approx(1.5, abs=0.01)
    assert exponent(sizes, [2.0] * 4) == pytest.approx(0)


def test_every_part_of_a_sweep_is_measured_at_every_number(quick_start):
    rows = of_experiments((1, 2, 3))
    assert [row.what.partition(",")[0] for row in rows] == [
        "planning", "storing", "reading", "reporting", "logging to MLflow",
    ]  # fmt: skip
    assert all(len(row.seconds) == 3 and min(row.seconds) > 0 for row in rows)
    assert len(list(table([Row("some", (1, 2), (1.0, 2.0), (3.0, 3.0)), *rows]))) == 2 + 1 + len(rows)
