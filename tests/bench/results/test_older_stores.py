"""A store and a run set that an earlier version wrote are found and reported."""

import csv
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.results.store import Store
from reports.tables.cells import NOT_KEPT

OLDER = Path(__file__).parent / "store_of_50aafb7"
"""Made by `python -m bench ablate old.yaml` at commit 50aafb7, without the weights and MLflow's database."""


@pytest.fixture
def older(tmp_path):
    return shutil.copytree(OLDER, tmp_path / "older")


def test_records_are_found(older):
    store = Store(older / "store")
    records = store.records()
    assert store.finished() == records.keys()
    assert sorted(record.method for record in records.values()) == ["d3dp", "mean_pose", "tcn"]
    for record in records.values():
        assert store.files.examples(record) is not None
        info = record.metric("mpjpe")
        assert (info.title, info.unit, info.higher_is_better) == ("MPJPE", "mm", False)


def test_what_is_added_to_it_stands_beside_what_it_has(older):
    store = Store(older / "store")
    before = store.records()
    added = next(iter(before.values())).model_copy(update={"id": "0" * 16})
    store.add(added)
    store.fold()
    assert store.records() == {**before, added.id: added}
    assert store.measurements.ids() == {path.stem for path in (store.root / "prices").iterdir()}
    assert not (store.root / "unreadable").exists()


def measured(path):
    """The measured rows of a table: column → text. What papers report stands in a section of its own."""
    with path.open(newline="") as lines:
        return [row for row in csv.DictReader(lines) if not row["section"].startswith("Reported")]


def test_a_report_of_it_has_the_numbers_of_then(older):
    """Four things changed on purpose since: rows of what papers report, frames, marks of times, and intervals.

    Column F is now "Frames out"; "Frames in" is new, and these records do not know it. Intervals are Student's t
    in place of a bootstrap. That the machine was busy while times were measured stands beside them.
    """
    then = measured(older / "results" / "old.csv")
    result = CliRunner().invoke(
        app, ["report", "--no-pdf", "--store", str(older / "store"), "--out", str(older / "results")]
    )
    assert result.exit_code == 0, result.output
    now = measured(older / "results" / "tables" / "old.csv")
    assert all(float(row["DET: cpn MPJPE low"]) < float(row["DET: cpn MPJPE"]) for row in now)
    assert [row.pop("Frames in") for row in now] == [""] * len(then)
    assert {row.pop("ms/frame disturbed") for row in now} == {"yes"}
    assert {row.pop("missing") for row in now} == {NOT_KEPT}
    assert {row.pop("missing") for row in then} == {""}
    renamed = [{"Frames out" if name == "F" else name: text for name, text in row.items()} for row in then]
    assert _without_intervals(now) == _without_intervals(renamed)


def _without_intervals(rows):
    return [{name: cell for name, cell in row.items() if not name.endswith((" low", " high"))} for row in rows]
