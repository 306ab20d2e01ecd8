"""Times that were measured while something else used the machine have a mark, and their rows are named."""

import pytest

from bench.config.registry import LAYOUTS
from reports.page.content import table_content
from reports.tables.cost.cost import cost
from reports.writers.html import to_html
from reports.writers.latex import to_latex
from reports.writers.markdown import to_markdown
from tests.reports.made_up import record

BUSY = "other processes kept 100 % of the CPU busy"


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
    times = ("Time (ms) window", "Time (ms) p95", "Time (ms) frame", "Windows/s")
    assert marked(cost(members, "T")) == [("D3DP", name) for name in times]


def test_the_mark_stands_in_every_form_with_notes_with_the_names_of_the_rows(members):
    table = cost(members, "T")
    sentence = table.legend()[-1]
    assert sentence.startswith("* timed while other processes used the machine")
    assert sentence.endswith(": D3DP")
    assert r"$^{*}$" in to_latex(table, "t")
    assert r" \* |" in to_markdown(table)
    assert " *</td>" in to_html(table)
    first, second = (row["cells"][9] for row in table_content(table)["blocks"][0]["rows"])
    assert "disturbed" not in first
    assert second["disturbed"] is True


def test_a_row_whose_name_is_a_number_is_named_with_its_heading():
    grid = [record("d3dp", steps=steps, warnings=(BUSY,) * (steps == 2)) for steps in (1, 2)]
    table = LAYOUTS.load("sampling").table(grid, "T")
    assert "ms/window 2" in table.legend()[-1]
    assert "ms/window 1" not in table.legend()[-1]
