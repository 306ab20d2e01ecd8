"""The tables of MPI-INF-3DHP: PCK and AUC rise with accuracy, MPJPE falls."""

import pytest

from bench.config.registry import LAYOUTS
from bench.results.record import Take
from reports.build import build
from reports.tables.accuracy.main import measured_pck
from reports.writers.latex import to_latex
from reports.writers.markdown import to_markdown
from tests.reports.made_up import record, runset, value

TAKES = tuple(
    Take(name=f"TS{n}/TS{n}", action=f"TS{n}", frames=frames) for n, frames in ((1, 100), (2, 300), (3, 50))
)
PARTS = {"TS1": 0.0, "TS2": 4.0, "TS3": -4.0}
ACTIVITIES = ("Sports", "Stand/Walk")


def scored(method, pck, auc, mpjpe, aggregations=(None,), activities=ACTIVITIES, **changes):
    """A record whose takes lie 0, 4 and -4 beside the given means."""
    values = []
    for aggregation in aggregations:
        for metric, mean in (("pck", pck), ("auc", auc), ("mpjpe", mpjpe)):
            per_action = {name: mean + offset for name, offset in PARTS.items()}
            pooled = sum(take.frames * per_action[take.action] for take in TAKES) / 450
            content = {
                "per_action": per_action,
                "per_activity": {name: mean + i for i, name in enumerate(activities)},
                "per_take": tuple(tuple(error + seed for error in per_action.values()) for seed in (-0.1, 0.1)),
                "frame_mean": pooled,
            }
            made = value(metric, aggregation, mean, step=changes.get("steps", 1))
            values.append(made.model_copy(update=content))
    made = record(method, train="gt", test="gt", values_=tuple(values), label_given=False, **changes)
    notes = ("Protocol annot3: poses at their true scale",)
    conditions = made.conditions.model_copy(update={"training_seeds": (0, 1)})
    data = made.data.model_copy(update={"takes": TAKES, "notes": notes})
    return made.model_copy(update={"data": data, "conditions": conditions})


@pytest.fixture
def records():
    return [
        scored("tcn", 80.0, 50.0, 70.0),
        scored("mixste", 90.0, 40.0, 60.0),
        scored("d3dp", 85.0, 45.0, 65.0, ("P-Agg", "J-Best"), hypotheses=2, steps=2),
    ]


def rows(table):
    return {
        (block.heading.split(",")[-1].strip(), row.cells[0].text): row.cells
        for block in table.blocks
        for row in block.rows
    }


def test_best_is_highest_pck_and_auc_and_lowest_mpjpe(records):
    table = measured_pck(records, "T")
    assert [column.header for column in table.columns[8:]] == ["PCK ↑", "AUC ↑", "MPJPE ↓"]
    ranks = {row.cells[0].text + row.cells[1].text: [c.rank for c in row.cells[8:]] for row in table.rows()}
    assert ranks == {
        "TCNsingle": [0, 1, 0],
        "MixSTEsingle": [1, 0, 1],
        "D3DPP-Agg": [2, 2, 2],
        "D3DPJ-Best†": [0, 0, 0],
    }
    assert "About the data: Protocol annot3: poses at their true scale." in table.conditions[0]


def test_the_head_is_the_mean_over_all_frames_with_its_own_interval(records):
    table = LAYOUTS.load("pck").table(records, "T")
    cell = next(row for row in table.rows() if row.cells[0].text == "MixSTE").cells[10]
    assert cell.text == "62.2"
    assert cell.low <= 60 * 450 / 450 + 1000 / 450 <= cell.high
    by_sequence = rows(LAYOUTS.load("sequences").table(records, "T"))["MPJPE ↓", "MixSTE"]
    assert [c.text for c in by_sequence] == ["MixSTE", "27", "27", "60.0", "64.0", "56.0", "60.0", "62.2"]
    assert (by_sequence[-1].low, by_sequence[-1].high) == (cell.low, cell.high)


def test_activities_need_labels(records, tmp_path):
    table = LAYOUTS.load("activities").table(records, "T")
    assert [column.header for column in table.columns] == ["Method", "in", "out", *ACTIVITIES, "All frames"]
    assert [c.rank for c in rows(table)["PCK ↑", "MixSTE"][3:]] == [1, 1, 1]
    plain = [scored("tcn", 80.0, 50.0, 70.0, activities=())]
    assert not LAYOUTS.load("activities").table(plain, "T").blocks
    written = build(runset(mpi=("pck", plain)), {r.id: r for r in plain}, tmp_path).files
    names = {path.name for path in written}
    assert {"mpi.md", "mpi-cost.md", "mpi-sequences.md"} <= names
    assert "mpi-activities.md" not in names


def test_arrows_are_printed(records):
    table = LAYOUTS.load("pck").table(records, "T")
    assert "GT PCK ↑" in to_markdown(table)
    assert r"PCK $\uparrow$" in to_latex(table, "t")
    assert "[U+" not in to_latex(table, "t")
