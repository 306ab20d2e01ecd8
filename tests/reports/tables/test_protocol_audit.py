"""The protocol audit of made-up runs: every choice a paired difference."""

import pytest

from reports.tables.evidence.protocol_audit import AUDITED, protocol_audit
from reports.writers.markdown import to_markdown
from tests.reports.made_up import ACTIONS, record, values

TAKES = 2 * len(ACTIONS)


def evaluated(method, mean, *, evaluation=None, training=None, options=None, **changes):
    """A record of which every value kept its takes, with these choices in its description."""
    made = record(method, mean=mean, hypotheses=5, steps=2, options=options, **changes)
    kept = tuple(
        value.model_copy(update={"per_take": (tuple(value.action_mean + take % 3 for take in range(TAKES)),) * 2})
        for value in values(mean, steps=2, probabilistic=method == "d3dp", hypotheses=5)
    )
    experiment = made.experiment | {
        "evaluation": made.experiment["evaluation"] | (evaluation or {}),
        "training": made.experiment["training"] | (training or {}),
    }
    conditions = made.conditions.model_copy(update={"training_seeds": (0, 1)})
    return made.model_copy(update={"values": kept, "experiment": experiment, "conditions": conditions})


def cells(table, choice, metric="MPJPE (mm)"):
    (block,) = [block for block in table.blocks if block.heading == metric]
    (row,) = [row for row in block.rows if row.cells[0].text.startswith(choice)]
    return row.cells[2:]


def test_how_the_released_checkpoint_was_chosen_stands_under_the_audit_of_its_method():
    said = "FinePOSE's released checkpoint was chosen on the test set"
    assert said in to_markdown(protocol_audit([evaluated("finepose", 50)], "Audit"))
    assert said not in to_markdown(protocol_audit([evaluated("tcn", 62)], "Audit"))


def _with_luck_of_trainings(made):
    """The second of two trainings is 4 mm worse."""
    values = tuple(
        value.model_copy(update={"per_take": (value.per_take[0], tuple(e + 4 for e in value.per_take[1]))})
        for value in made.values
    )
    return made.model_copy(update={"values": values})


def test_the_checkpoint_of_the_test_set_is_of_the_same_trainings_only_where_the_seeds_are_the_same():
    usual, chosen = (
        evaluated("d3dp", mean, training={"selection": selection})
        for mean, selection in ((50, "validation"), (49, "test"))
    )
    usual, chosen = map(_with_luck_of_trainings, (usual, chosen))
    lacking = chosen.model_copy(
        update={"conditions": chosen.conditions.model_copy(update={"training_seeds": (0, 2)})}
    )
    (same,), (other,) = (
        cells(protocol_audit([usual, run], "Audit"), "Checkpoint chosen") for run in (chosen, lacking)
    )
    assert float(other.spread) > float(same.spread)


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


@pytest.mark.parametrize("released", [
    {"options": {"behaviour": "released"}},
    {"evaluation": {"options": {"behaviour": "released"}}},
    {"options": {"behaviour": "described"}, "evaluation": {"options": {"behaviour": "released"}}},
])  # fmt: skip
def test_any_method_may_have_a_released_behaviour(released):
    runs = [evaluated("d3dp", 50), evaluated("d3dp", 51, **released), evaluated("tcn", 62)]
    table = protocol_audit(runs, "Audit")
    assert [cell.number for cell in cells(table, "None of")] == [50, 62]
    d3dp, tcn = cells(table, "Method as released")
    assert d3dp.number == pytest.approx(1)
    assert "FinePOSE" not in tcn.reason


def test_another_training_with_one_seed_is_not_compared():
    made = [evaluated("d3dp", 50), evaluated("d3dp", 40, train="gt", test="gt"), evaluated("d3dp", 52, flip=False)]
    once = [
        r.model_copy(update={"conditions": r.conditions.model_copy(update={"training_seeds": (0,)})}) for r in made
    ]
    values = [tuple(v.model_copy(update={"per_take": v.per_take[:1]}) for v in record.values) for record in once]
    once = [r.model_copy(update={"values": its}) for r, its in zip(once, values, strict=True)]
    table = protocol_audit(once, "Audit")
    assert cells(table, "Ground-truth 2D")[0].reason.startswith("not compared: one training each")
    assert cells(table, "Flip averaging")[0].number == pytest.approx(-2), "of the same weights"


def test_what_cannot_be_told_from_nothing_is_in_parentheses():
    table = protocol_audit([evaluated("tcn", 62), evaluated("tcn", 62, evaluation={"tail": "overlap"})], "Audit")
    (same,) = cells(table, "Overlap")
    assert same.text == "(+0.00)"


def test_what_the_label_is_worth_is_told_by_a_training_without_it():
    without = {"training": {"labels": "none"}, "evaluation": {"actions": "empty"}}
    runs = [evaluated("finepose", 50), evaluated("finepose", 47, evaluation={"actions": "empty"})]
    assert cells(protocol_audit(runs, "Audit"), "Action label")[0].reason, "an empty label was never trained with"
    (worth,) = cells(protocol_audit([*runs, evaluated("finepose", 53, **without)], "Audit"), "Action label")
    assert worth.number == pytest.approx(-3)
