"""Errors are compared and pooled whatever device they were made on; costs only on one."""

import pytest

from bench.config.registry import LAYOUTS
from bench.results.statistics.seeds import pool
from reports.page.all_results import results
from reports.page.plots import plots
from reports.rules.conditions import sentences
from reports.tables.cost.cost import cost
from tests.reports.made_up import record, several

GPU = "NVIDIA H200"


def elsewhere(method, **changes):
    return several(record(method, device=GPU, **changes))


@pytest.mark.parametrize("layout", ["main", "runs", "actions"])
def test_errors_of_two_devices_are_ranked_together(layout):
    members = [several(record("mixste", mean=51.0)), elsewhere("tcn", mean=60.0)]
    table = LAYOUTS.load(layout).table(members, "T")
    assert {block.section for block in table.blocks if "Reported" not in block.section} == {""}
    ranks = [cell.rank for row in table.rows() for cell in row.cells]
    assert {1, 2} <= set(ranks)


@pytest.mark.parametrize("layout", ["main", "runs"])
def test_a_time_beside_errors_is_of_the_device_of_most_rows(layout):
    members = [several(record("mixste")), several(record("d3dp")), elsewhere("tcn")]
    table = LAYOUTS.load(layout).table(members, "T")
    place = [column.full_name for column in table.columns].index("ms/frame")
    times = {row.runs: row.cells[place] for row in table.rows() if row.runs}
    assert all(times[member.runs].text for member in members[:2])
    assert times[members[2].runs].reason == (
        "measured on another device (NVIDIA H200; the others on cpu (Made-up CPU, 2 threads))"
    )


def test_costs_of_two_devices_stand_apart():
    members = [several(record("mixste")), elsewhere("tcn")]
    assert [block.section for block in cost(members, "T").blocks] == [
        "device: cpu (Made-up CPU, 2 threads)",
        "device: NVIDIA H200",
    ]
    assert len(plots(members)) == 2


def test_seeds_of_two_devices_are_one_row_that_names_both():
    first, second = record("d3dp", seed=0), record("d3dp", seed=1, device=GPU)
    (pooled,) = pool([second, first])
    assert pooled.conditions.training_seeds == (0, 1)
    assert "Device: cpu (Made-up CPU, 2 threads) and NVIDIA H200." in sentences([pooled])
    assert "pooled_on" not in pooled.model_dump()


def test_the_page_names_the_device_of_each_row():
    table = results([several(record("mixste")), elsewhere("tcn")], {})
    place = [column.full_name for column in table.columns].index("Device")
    assert [cell.text for cell in table.column(place)] == ["cpu (Made-up CPU, 2 threads)", GPU]
