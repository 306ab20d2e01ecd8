"""docs/protocols.md says of metrics and aggregations what the code does, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.config.registry import AGGREGATIONS, METRICS
from bench.protocol.aggregation import all_aggregations
from bench.protocol.metrics import all_metrics
from tests import ROOT

PAGE = (ROOT / "docs" / "protocols.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Cells of the first table under a heading, without its own."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.split("\n### ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_metric_has_a_row_in_order() -> None:
    titles = [title for row in rows("Metrics") for title in row[0].split(", ")]
    assert titles == [metric.title for metric in all_metrics()]


def test_every_aggregation_has_a_row_in_order() -> None:
    told = rows("Aggregation of hypotheses")
    assert [(name, rule, kind) for name, rule, _, kind in told] == [
        (entry.name, entry.rule, entry.kind) for entry in all_aggregations()
    ]
    for row, entry in zip(told, all_aggregations(), strict=True):
        assert all(name in row[2] for name in entry.looks_at.names or ("nothing",))


def test_the_examples_can_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in re.findall(r"```python\n# (my_\w+\.py)\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(code)
    points = re.findall(r"```toml\n\[project.entry-points.\"(\S+)\"\]\n(.*?)```", PAGE, re.DOTALL)
    metadata = tmp_path / "my_numbers-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-numbers\nVersion: 1.0\n")
    lines = "".join(f"[{group}]\n{entries}" for group, entries in points)
    (metadata / "entry_points.txt").write_text(lines.replace('"', ""))
    monkeypatch.syspath_prepend(tmp_path)
    assert (METRICS.plugin_names(), AGGREGATIONS.plugin_names()) == (["worst"], ["First", "J-Worst"])
    assert all_metrics()[-1].title == "Worst joint"
    assert [entry.kind for entry in all_aggregations()[-2:]] == ["deployable", "oracle"]
