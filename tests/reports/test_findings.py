"""Findings never say more than the marks and intervals of the table."""

from dataclasses import replace
from functools import partial

from reports.findings import findings
from reports.tables.accuracy.main import main
from tests.reports.made_up import record, several


def found(*made):
    return findings([main(list(made), "T")])


def test_what_is_best_and_what_ties_with_it_is_named_with_intervals():
    close = several(record("d3dp", mean=49.6, hypotheses=5), spread=3.0)
    said = found(several(record("mixste")), close, several(record("finepose", hypotheses=5), spread=-3.0))
    first, second, *_ = said
    assert first.startswith("DET: cpn MPJPE: the best ranked number is that of FinePOSE§ P-Agg (49.5 ± ")
    assert "not distinguishable from it: MixSTE (51.0 ± 1.5), D3DP P-Agg (49.6 ± 1.5)." in first
    assert "minus the best other method is −0.1 ± " in second
    assert second.endswith(": corrected for the choice of the best, no difference is shown.")


def test_a_shown_difference_is_said_with_its_interval():
    said = found(several(record("mixste")), several(record("finepose", hypotheses=5)))
    assert "no other ranked number ties with it" in said[0]
    assert "is −1.5 ± " in said[1]
    assert said[1].endswith(": corrected for the choice of the best, a difference is shown.")


def test_one_pair_gets_one_verdict():
    """The best of several that are close was found by looking, for its bracket too."""
    four = partial(several, seeds=range(4), spread=0.23)
    others = [four(record(name, mean=mean)) for name, mean in (("mixste", 50.6), ("d3dp", 50.65), ("tcn", 50.7))]
    said = found(*others, four(record("finepose", mean=50.0, hypotheses=5)))
    assert "not distinguishable from it: MixSTE" in said[0]
    assert said[1].endswith(": corrected for the choice of the best, no difference is shown.")


def test_a_pair_has_one_verdict_where_the_other_is_the_best():
    """What is "not distinguishable" from the best is no shown difference to it in the next sentence."""
    four = partial(several, seeds=range(4), spread=0.23)
    others = [four(record(name, mean=mean)) for name, mean in (("mixste", 50.0), ("d3dp", 50.6), ("tcn", 50.6))]
    said = found(*others, four(record("finepose", mean=50.8, hypotheses=5)))
    assert "that of MixSTE" in said[0]
    assert "FinePOSE§ P-Agg" in said[0]
    assert said[1].endswith(": corrected for the choice of the best, no difference is shown.")


def test_a_method_of_one_training_beside_others_of_several_is_named():
    many = (several(record("mixste")), several(record("d3dp", hypotheses=5)))
    one = record("tcn", mean=40.0)
    said = found(*many, one.model_copy(update={"values": several(one, (0,)).values}))
    assert "not ranked, though better by number: TCN, seeds 0/0 (40.0" in said[0]


def test_single_trainings_are_not_ranked_and_nothing_is_said_of_oracles():
    made = [record("mixste"), record("d3dp", hypotheses=5)]
    single = [one.model_copy(update={"values": several(one, (0,)).values}) for one in made]
    said = found(*single)
    assert len(said) == 1
    assert "nothing is ranked" in said[0]
    ranked = found(*map(several, made))
    assert not any("J-Best" in sentence or "J-Agg" in sentence for sentence in ranked)


def test_a_difference_without_an_interval_claims_nothing():
    table = main([several(record("mixste")), several(record("finepose", hypotheses=5))], "T")

    def bare(row):
        return replace(row, cells=tuple(replace(cell, ahead_spread="") for cell in row.cells))

    blocks = tuple(replace(block, rows=tuple(map(bare, block.rows))) for block in table.blocks)
    assert "nothing follows from it" in findings([replace(table, blocks=blocks)])[1]
