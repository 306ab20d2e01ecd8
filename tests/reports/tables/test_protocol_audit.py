"""The protocol audit of made-up runs: every choice a paired difference."""

import pytest

from reports.tables.protocol_audit import AUDITED, protocol_audit
from reports.writers.markdown import to_markdown
from tests.reports.made_up import ACTIONS, record, values

TAKES = 2 * len(ACTIONS)


def evaluated(method, mean, *, evaluation=None, training=None, options=None, **changes):
    """A record of which every value kept its takes, with these choices in its description."""
    made = record(method, mean=mean, hypotheses=5, steps=2, options=options, **changes)
    kept = tuple(
        value.model_copy(update={"per_take": (tuple(value.action_mean + take % 3 for take in range(TAKES)),)})
        for value in values(mean, steps=2, probabilistic=method == "d3dp", hypotheses=5)
    )
    experiment = made.experiment | {
        "evaluation": made.experiment["evaluation"] | (evaluation or {}),
        "training": made.experiment["training"] | (training or {}),
    }
    return made.model_copy(update={"values": kept, "experiment": experiment})


def cells(table, choice, metric="MPJPE (mm)"):
    (block,) = [block for block in table.blocks if block.heading == metric]
    (row,) = [row for row in block.rows if row.cells[0].text.startswith(choice)]
    return row.cells[2:]


def test_every_choice_is_a_difference_or_says_why_not():
    table = protocol_audit(
        [
            evaluated("tcn", 62),
            evaluated("d3dp", 50),
            evaluated("d3dp", 52, flip=False),
            evaluated("d3dp", 50.2, evaluation={"tail": "overlap"}),
            evaluated("d3dp", 49.5, evaluation={"call": 8}),
            evaluated("d3dp", 49, training={"selection": "test"}),
            evaluated("d3dp", 49.7, training={"recipe": "published"}),
            evaluated("d3dp", 40, train="gt", test="gt"),
        ],
        "Audit",
    )
    assert [column.header for column in table.columns] == ["Protocol choice", "instead of", "TCN", "D3DP"]
    for choice, difference in [
        ("Flip averaging", -2),
        ("Overlap", 0.2),
        ("P-Best for each call", -0.5),
        ("Checkpoint chosen", -1),
        ("Trained by the published recipe", -0.3),
        ("Ground-truth 2D", -10),
    ]:
        tcn, d3dp = cells(table, choice)
        assert d3dp.number == pytest.approx(difference), choice
        assert (d3dp.low, d3dp.high) == pytest.approx((difference, difference)), "the takes cancel"
        assert tcn.reason
    tcn, d3dp = cells(table, "Best joint")
    assert tcn.reason == "a deterministic method has no hypotheses"
    assert d3dp.number < 0
    assert cells(table, "Action label")[1].reason == "the method does not read action labels"
    assert cells(table, "None of")[0].number == pytest.approx(62)
    text = to_markdown(table)
    assert all(audited.name in text for audited in AUDITED)


def test_what_cannot_be_told_from_nothing_is_in_parentheses():
    table = protocol_audit([evaluated("tcn", 62), evaluated("tcn", 62, evaluation={"tail": "overlap"})], "Audit")
    (same,) = cells(table, "Overlap")
    assert same.text == "(+0.00)"
