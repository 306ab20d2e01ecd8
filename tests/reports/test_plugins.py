"""Layouts of another package, and metrics and aggregations that reports never heard of, are printed too."""

import re
import sys
from types import SimpleNamespace

import pytest

from bench.config.registry import LAYOUTS, METRICS
from bench.results.record import MetricInfo
from bench.results.run_set import RunSet
from reports.build import build
from reports.page.content import VALUES, content
from reports.rules.metrics import definitions
from tests import ROOT
from tests.reports.made_up import record, runset, several, value

LAYOUT = """
from matplotlib.figure import Figure
from reports.figures.style import Drawing
from reports.tables.layout import Layout
from reports.writers.table import Block, Cell, Column, Row, Table


def sizes(entries, title):
    rows = tuple(Row((Cell(entry.title), Cell(entry.preset)), entry.runs) for entry in entries)
    return Table(title, (Column("Method", align="l"), Column("Size of it")), (Block(rows),))


def dots(records):
    return [Drawing("dots", Figure(), f"Dots of {len(records)} methods.")]


FURTHER = Layout("further", sizes, "once more")
SIZES = Layout("sizes", sizes, figures=(dots,), companions=(FURTHER,), in_overall=False)
FAILS = Layout("fails", lambda entries, title: 1 / 0, figures=(lambda records: 1 / 0,))
NO_TABLE = Layout("no_table", lambda entries, title: "text")
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package as pip would install it, with a layout that works, one that does not import, and two that fail."""
    site = tmp_path / "site-packages"
    metadata = site / "my_tables-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "my_tables.py").write_text(LAYOUT)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-tables\nVersion: 1.0\n")
    points = "sizes=my_tables:SIZES\nbroken=my_tables:NOT_THERE\n"
    points += "fails=my_tables:FAILS\nno_table=my_tables:NO_TABLE\n"
    (metadata / "entry_points.txt").write_text(f"[lifting_bench.layouts]\n{points}")
    monkeypatch.syspath_prepend(site)
    assert LAYOUTS.plugin_names() == ["broken", "fails", "no_table", "sizes"]


def built(out, layout, members):
    build(runset(mine=(layout, members)), {made.id: made for made in members}, out)
    return out


def test_a_layout_of_another_package_is_in_tables_figures_and_page(installed, tmp_path):
    members = [record("tcn"), record("mixste")]
    out = built(tmp_path / "out", "sizes", members)
    assert "| TCN | tiny |" in (out / "tables/mine.md").read_text()
    assert "### Table mine: once more" in (out / "tables/mine-further.md").read_text()
    assert (out / "figures/mine-dots.txt").read_text().startswith("Dots of 2 methods.")
    assert not (out / "figures/latency.txt").exists(), "it is not in the figures of all tables"
    table = LAYOUTS.load("sizes").table(members, "Mine")
    (shown,) = content(runset(mine=("sizes", members)), members, {"mine": table})["tables"]
    assert ">Size of it</th>" in shown["html"]


def test_a_layout_that_does_not_import_is_a_row_per_run_that_says_why(installed, tmp_path):
    text = (built(tmp_path / "out", "broken", [record("tcn")]) / "tables/mine.md").read_text()
    assert "layout 'broken' of my-tables" in text
    assert "one row per run" in text
    assert "| TCN |" in text


def test_a_layout_that_fails_is_a_row_per_run_that_says_why(installed, tmp_path, capsys):
    out = built(tmp_path / "out", "fails", [record("tcn")])
    text = (out / "tables/mine.md").read_text()
    assert "The layout 'fails' failed (ZeroDivisionError: division by zero): one row per run." in text
    assert "| TCN |" in text
    sentence = "mine: a figure cannot be drawn (ZeroDivisionError: division by zero)"
    assert f"- {sentence}\n" in (out / "summary.md").read_text()
    assert capsys.readouterr().err == f"warning: {sentence}\n"
    text = (built(tmp_path / "other", "no_table", [record("tcn")]) / "tables/mine.md").read_text()
    assert "TypeError: a str is no reports.writers.table.Table" in text.replace("\\_", "_")


def with_smoothness(method, smoothness, aggregations=(None,), **changes):
    """A record with a metric that no table of the suite knows, and the aggregations of a diffusion method."""
    made = record(method, **changes)
    further = tuple(value("smoothness", name, smoothness) for name in aggregations)
    info = {"smoothness": MetricInfo(title="Smoothness", unit="dB", higher_is_better=True, version=1)}
    return made.model_copy(update={"values": made.values + further, "metrics": made.metrics | info})


def test_a_metric_that_all_records_have_is_in_every_table_of_methods_and_on_the_page():
    members = [several(with_smoothness("tcn", 10.0)), several(with_smoothness("mixste", 20.0))]
    for layout in ("main", "runs", "variants"):
        table = LAYOUTS.load(layout).table(members, "T")
        (column,) = [index for index, column in enumerate(table.columns) if column.header == "Smoothness ↑"]
        assert {"10.0", "20.0"} <= {row.cells[column].text for row in table.rows()}
    best = LAYOUTS.load("main").table(members, "T").blocks[0].rows
    assert [row.cells[9].rank for row in best] == [2, 1], "higher is better"
    shown = content(runset(mine=("main", members)), members, {})
    assert ">Smoothness ↑</th>" in shown["results"]
    assert "Smoothness (dB) ↑, single" in dict(shown["runs"][members[0].id]["facts"][VALUES])


def test_a_metric_is_explained_in_the_words_of_its_package(monkeypatch):
    made = with_smoothness("tcn", 10.0)
    assert definitions([made])["Smoothness"] == "in dB, higher is better", "the package is not installed"
    package = SimpleNamespace(SMOOTHNESS=SimpleNamespace(rule="how even a motion is"))
    monkeypatch.setitem(sys.modules, "my_smoothness", package)
    monkeypatch.setitem(METRICS.own, "smoothness", "my_smoothness:SMOOTHNESS")
    assert definitions([made])["Smoothness"] == "how even a motion is, in dB, higher is better"


def test_every_metric_of_the_suite_is_explained_with_its_unit():
    terms = definitions([record("tcn")])
    assert terms["MPJPE"] == "mean distance of joints to the ground truth, as predicted (Protocol 1), in mm"
    assert terms["PCK"] == "share of joints within 150 mm, in %, higher is better"
    assert all(METRICS.load(name).rule for name in METRICS.own)


def test_a_metric_that_some_records_lack_is_on_the_page_only():
    members = [with_smoothness("tcn", 10.0), record("mixste")]
    table = LAYOUTS.load("main").table(members, "T")
    assert "Smoothness ↑" not in [column.header for column in table.columns]
    shown = content(runset(mine=("main", members)), members, {})["results"]
    assert ">Smoothness ↑</th>" in shown


def test_an_aggregation_of_another_package_stands_with_those_that_look_at_as_much():
    made = record("d3dp", hypotheses=4)
    deployable = value("mpjpe", "P-Agg", 47.0).model_copy(update={"aggregation": "P-Mode"})
    oracle = value("mpjpe", "P-Best", 44.0).model_copy(update={"aggregation": "P-Luck"})
    made = made.model_copy(update={"values": (deployable, oracle, *made.values)})
    table = LAYOUTS.load("main").table([made], "T")
    rows = [[row.cells[1].text for row in block.rows] for block in table.blocks if not block.section]
    assert rows == [["P-Agg", "P-Mode"], ["J-Agg‡"], ["P-Best†", "J-Best†", "P-Luck†"]]
    gap = LAYOUTS.load("oracle_gap").table([made], "T")
    assert [column.header for column in gap.columns[7:10]] == ["P-Best†", "J-Best†", "P-Luck†"]


@pytest.mark.parametrize(("old", "new"), [("priced", "cost"), ("validation", "tuning"), ("gaps", "oracle_gap")])
def test_layouts_of_older_run_sets_are_still_read(old, new):
    assert RunSet.Table(title="T", layout=old, ids=()).layout == new


def test_the_layout_of_the_documentation_makes_a_table():
    page = (ROOT / "docs" / "reports.md").read_text()
    code = re.search(r"```python\n(# reports/tables/accuracy/sizes.py\n.*?)```", page, re.DOTALL).group(1)
    names = {}
    exec(compile(f"from __future__ import annotations\n{code}", "docs/reports.md", "exec"), names)
    (block,) = names["LAYOUT"].table([several(record("tcn")), several(record("mixste"))], "T").blocks
    assert [row.cells[1].rank for row in block.rows] == [2, 1]


def test_a_choice_of_the_protocol_that_reports_never_heard_of_keeps_numbers_apart_and_is_stated():
    members = [record("tcn"), record("mixste")]
    stated = members[1].conditions.model_copy(update={"choices": {"Window stride": "every third frame"}})
    members[1] = members[1].model_copy(update={"conditions": stated})
    table = LAYOUTS.load("runs").table(members, "T")
    assert [block.section for block in table.blocks] == [
        "Window stride: not stated",
        "Window stride: every third frame",
    ]
    assert "Window stride: every third frame." in table.conditions[1]
