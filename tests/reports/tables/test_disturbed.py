"""Times that were measured while something else used the machine have a mark, and their rows are named."""

import csv

import pytest

from bench.config.registry import LAYOUTS
from reports.rules.warnings import warnings
from reports.tables.cost.cost import cost
from reports.writers.csv import to_csv
from reports.writers.html import to_html
from reports.writers.latex import to_latex
from reports.writers.markdown import to_markdown
from reports.writers.table import Block, Cell, Column, Row, Table
from tests.reports.made_up import record, runset

BUSY = "other processes kept 100 % of the CPU busy"


def timed_in(*passes):
    """A record of which these are the samples (ms) of each pass."""
    made = record("mixste")
    latency = made.cost.latency.model_copy(update={"samples_ms": passes[0], "passes": (len(passes[0]),)})
    for samples in passes[1:]:
        latency = latency.with_pass(samples)
    return made.model_copy(update={"cost": made.cost.model_copy(update={"latency": latency})})


@pytest.fixture
def members():
    return [record("tcn", median=5.0), record("d3dp", median=900.0, hypotheses=2, steps=2, warnings=(BUSY,))]


def marked(table):
    """(first cell of the row, name of the column) of the marked cells."""
    return [
        (row.cells[0].text, column.full_name)
        for row in table.rows()
        for cell, column in zip(row.cells, table.columns, strict=True)
        if cell.disturbed
    ]


@pytest.mark.parametrize("layout", ["main", "pareto", "runs"])
def test_the_time_of_a_disturbed_run_is_marked(members, layout):
    found = set(marked(LAYOUTS.load(layout).table(members, "T")))
    assert found == {(members[1].id if layout == "runs" else "D3DP", "ms/frame")}
    assert marked(LAYOUTS.load(layout).table(members[:1], "T")) == []


def test_every_time_of_the_table_of_costs_is_marked_and_no_other_cost(members):
    times = ("Time (ms) window", "Time (ms) frame", "Windows/s")
    assert marked(cost(members, "T")) == [("D3DP", name) for name in times]


def test_the_mark_stands_in_every_form_with_notes_with_the_names_of_the_rows(members):
    table = cost(members, "T")
    sentence = table.legend()[-1]
    assert sentence.startswith("* timed while other processes used the machine")
    assert sentence.endswith(": D3DP")
    assert r"$^{*}$" in to_latex(table, "t")
    assert r" \* |" in to_markdown(table)
    assert " *</td>" in to_html(table)


def test_the_mark_stands_right_behind_a_number_without_an_interval():
    spread, star = Cell("59.5", 59.5, spread="3.7"), Cell("14.1", 14.1, disturbed=True)
    table = Table(
        "T", (Column("Name", align="l"), Column("x")), (Block((Row((Cell("a"), spread)), Row((Cell("b"), star)))),)
    )
    assert r"b & 14.1$^{*}$\hphantom{" in to_latex(table, "t")


def test_a_row_whose_name_is_a_number_is_named_with_its_heading():
    grid = [record("d3dp", steps=steps, warnings=(BUSY,) * (steps == 2)) for steps in (1, 2)]
    table = LAYOUTS.load("sampling").table(grid, "T")
    assert "ms/window 2" in table.legend()[-1]
    assert "ms/window 1" not in table.legend()[-1]


def test_a_time_whose_passes_disagree_is_marked_in_tables_and_csv():
    steady, drifting = (
        timed_in((4.0,) * 10, (4.1,) * 10, (4.2,) * 10),
        timed_in((4.0,) * 10, (4.1,) * 10, (5.0,) * 10),
    )
    assert marked(cost([steady], "T")) == []
    assert {name for _, name in marked(cost([drifting], "T"))} == {
        "Time (ms) window", "Time (ms) p95", "Time (ms) frame", "Windows/s"
    }  # fmt: skip
    said = warnings(runset(t=("main", [drifting])), [drifting])
    assert "MixSTE: passes of timing disagree by more than 20 %" in said
    (row,) = csv.DictReader(to_csv(cost([drifting], "T")).splitlines())
    assert row["Time (ms) window disturbed"] == "yes"
    assert (float(row["Time (ms) window low"]), float(row["Time (ms) window high"])) == (4.0, 5.0)
    assert "disturbed" not in to_csv(cost([steady], "T")).splitlines()[0]


def test_few_samples_have_their_interval_beside_them_and_no_percentile():
    (few,) = cost([timed_in((4.0, 4.2), (4.1, 4.3), (4.0, 4.4))], "T").rows()
    (many,) = cost([timed_in(*[tuple(4 + n / 100 for n in range(10))] * 3)], "T").rows()
    place = {column.full_name: n for n, column in enumerate(cost([timed_in((4.0,))], "T").columns)}
    assert few.cells[place["Time (ms) window"]].spread == "0.25"
    assert "at least 30 samples" in few.cells[place["Time (ms) p95"]].reason
    assert few.cells[place["Time (ms) samples"]].text == "6"
    assert not many.cells[place["Time (ms) window"]].spread
    assert many.cells[place["Time (ms) p95"]].number
