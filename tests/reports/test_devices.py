"""Errors are compared and pooled whatever device they were made on; costs only on one."""

import pytest

from bench.config.registry import LAYOUTS
from bench.results.cost import Measurement
from bench.results.record import Missing
from bench.results.statistics.seeds import pool
from reports.figures.cost.accuracy_cost import latency_accuracy
from reports.page.all_results import results
from reports.page.plots import plots
from reports.rules.comparability import device, usual_device
from reports.rules.conditions import sentences
from reports.rules.entries import MissingRun
from reports.tables.accuracy.oracle_gap import oracle_gap
from reports.tables.accuracy.sampling import sampling
from reports.tables.cells import NOT_MEASURED, ms_per_frame
from reports.tables.cost.cost import cost
from reports.tables.cost.pareto import pareto
from reports.tables.runs.run_comparison import changes
from tests.reports.made_up import record, several

CPU, GPU = "cpu (Made-up CPU, 2 threads)", "NVIDIA H200"
ON_CPU, ON_GPU = f"device: {CPU}", f"device: {GPU}"


def on_gpu(method, **changes):
    return record(method, device=GPU, **changes)


def column(table, name):
    """Name of a row → its cell, over all sections; of several rows with one name, the last."""
    place = [column.full_name for column in table.columns].index(name)
    return {row.cells[0].text: row.cells[place] for row in table.rows()}


@pytest.fixture
def crossed():
    """Two methods of two trainings: one has the first on the CPU, the other one the second."""
    return [
        *pool([record("d3dp", seed=0, median=9.0), on_gpu("d3dp", seed=1, median=1.0)]),
        *pool([on_gpu("mixste", seed=0, median=2.0), record("mixste", seed=1, median=18.0)]),
    ]


@pytest.fixture
def skipped():
    """A run that was not made, beside a run on the GPU; the argument: its measurement."""

    def make(measurement=None):
        neighbour = on_gpu("d3dp")
        shared = {
            name: getattr(neighbour, name) for name in ("training_id", "experiment", "method", "title", "preset")
        }
        return MissingRun(
            id="0" * 16, variant="w/o", reason="failed: x", measurement=measurement, neighbour=neighbour, **shared
        )

    return make


@pytest.mark.parametrize("layout", ["main", "runs", "actions"])
def test_errors_of_two_devices_are_ranked_together(layout):
    members = [several(record("mixste", mean=51.0)), several(on_gpu("tcn", mean=60.0))]
    table = LAYOUTS.load(layout).table(members, "T")
    assert {block.section for block in table.blocks if "Reported" not in block.section} == {""}
    ranks = [cell.rank for row in table.rows() for cell in row.cells]
    assert {1, 2} <= set(ranks)


@pytest.mark.parametrize("layout", ["main", "runs"])
def test_a_time_beside_errors_is_of_the_device_of_most_runs(layout):
    members = [several(record("mixste")), several(record("d3dp")), several(on_gpu("tcn"))]
    table = LAYOUTS.load(layout).table(members, "T")
    place = [column.full_name for column in table.columns].index("ms/frame")
    times = {row.runs: row.cells[place] for row in table.rows() if row.runs}
    assert all(times[member.runs].text for member in members[:2])
    assert times[members[2].runs].reason == f"measured on {GPU}; times here are of {CPU}"
    if layout == "main":
        assert f"ms/frame: on {CPU}." in table.notes


def test_each_section_and_each_grid_has_the_times_of_its_own_device():
    here = [record(name) for name in ("mixste", "tcn", "d3dp")]
    there = [on_gpu(name, flip=False) for name in ("mixste", "tcn")]
    table = LAYOUTS.load("main").table([*here, *there], "T")
    assert not any(row.cells[7].reason for row in table.rows() if row.runs)
    grids = [record("d3dp", hypotheses=5, steps=2), on_gpu("finepose", hypotheses=5, steps=2)]
    blocks = [block for block in sampling(grids, "T").blocks if block.heading.endswith("ms/window")]
    assert [row.cells[1].reason for block in blocks for row in block.rows] == ["", ""]


def test_only_what_a_table_prints_decides_whose_times_it_has():
    others = [record(name) for name in ("mean_pose", "tcn", "mixste")]
    sampled = [on_gpu(name, hypotheses=5, steps=2) for name in ("d3dp", "finepose")]
    table = oracle_gap([*others, *sampled], "T")
    assert not any(cell.reason for cell in column(table, "ms/window predict").values())


def test_seeds_of_two_devices_are_one_row_with_the_costs_of_each(crossed):
    assert [each.conditions.training_seeds for each in crossed] == [(0, 1), (0, 1)]
    table = cost(crossed, "T")
    assert {block.section: [row.cells[0].text for row in block.rows] for block in table.blocks} == {
        ON_CPU: ["D3DP", "MixSTE"],
        ON_GPU: ["D3DP", "MixSTE"],
    }
    assert [f"Device: {name}." in words for name, words in zip((CPU, GPU), table.conditions, strict=True)] == [
        True
    ] * 2
    assert len(list(latency_accuracy(crossed))) == 2
    assert {block.section for block in pareto(crossed, "T").blocks} == {ON_CPU, ON_GPU}
    main = LAYOUTS.load("main").table(crossed, "T")
    assert not any(cell.reason for row in main.rows() if row.runs for cell in row.cells[7:8])
    assert f"Device: {GPU} and {CPU}." in sentences(crossed)
    assert "pooled_on" not in crossed[0].model_dump()


def test_times_of_two_sides_are_compared_on_a_device_of_both():
    before = [record("tcn", seed=0), on_gpu("tcn", seed=1, median=2.0)]
    wider = {"options": {"width": 64}}
    after = [on_gpu("tcn", seed=0, median=4.0, **wider), record("tcn", seed=1, **wider)]
    table = changes(("A", "B"), before, after)
    (row,) = [row for row in table.rows() if row.cells[2].text == "ms/frame"]
    assert not row.cells[-2].reason


def test_the_front_of_the_page_has_the_errors_of_the_figure():
    members = [
        record("d3dp", seed=0, mean=50.0),
        on_gpu("d3dp", seed=1, mean=54.0),
        on_gpu("mixste", seed=0, mean=51.0),
        record("mixste", seed=1, mean=52.5),
    ]
    fronts = [trace for plot in plots(members) for trace in plot["traces"] if trace["name"] == "Pareto front"]
    assert len(fronts) == 2
    errors = {round(error, 2) for front in fronts for error in (*front["x"], *front["y"]) if error > 20}
    assert errors <= {52.0, 51.75}
    assert errors


def test_all_results_stand_apart_by_device():
    table = results([record("mixste"), on_gpu("tcn")], {})
    assert [block.section for block in table.blocks] == [ON_CPU, ON_GPU]


def test_a_run_without_a_cost_is_on_no_device(skipped):
    assert ms_per_frame(skipped(), CPU).reason == NOT_MEASURED
    assert usual_device([record("tcn"), skipped(), skipped()]) == CPU


def test_a_measured_run_without_a_record_is_on_the_device_of_its_measurement(skipped):
    made = record("mixste", median=1.0)
    missing = skipped(Measurement(cost=made.cost, environment=made.environment))
    assert isinstance(missing, Missing)
    assert device(missing) == CPU
    assert ms_per_frame(missing, GPU).reason == f"measured on {CPU}; times here are of {GPU}"
    assert ms_per_frame(missing, CPU).text
