import pytest

from ablations.declared import read
from models.errors import InputError

MINE = """
title: Mine
layout: claims
base: {evaluation: {hypotheses: 2, steps: 1}}
claims:
  - claim: FinePOSE beats the TCN
    better: {method.name: finepose, aggregation: J-Best}
    other: {method.name: tcn}
    reported: -14.6
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return read(str(path))

    return write


def test_both_sides_of_a_claim_are_run_with_every_seed(written):
    ablation = written(MINE + "seeds: [3, 4]\n")
    ((better, other),) = ablation.compared()
    assert [(e.method.name, e.training.seed) for e in better] == [("finepose", 3), ("finepose", 4)]
    assert [(e.method.name, e.training.seed) for e in other] == [("tcn", 3), ("tcn", 4)]
    assert ablation.expand() == [*better, *other]
    assert all(e.evaluation.hypotheses == 2 for e in better)


def test_a_claim_keeps_what_was_reported_and_the_aggregations(written):
    (declared,) = written(MINE).claims
    claim = declared.with_runs(("a",), ("b",))
    assert (claim.better, claim.other, claim.reported) == (("a",), ("b",), -14.6)
    assert claim.aggregations == ("J-Best", None)


def test_a_claim_between_two_data_sets_is_run_on_these_alone(written):
    ablation = written(MINE + "    between: [human36m, mpi_inf_3dhp]\n")
    for name in ("human36m", "mpi_inf_3dhp"):
        changes = [("data.name", name)]
        ((better, other),) = ablation.compared(changes)
        assert [e.data.name for e in [*better, *other]] == [name, name]
        assert ablation.expand(changes) == [*better, *other]
    assert ablation.compared() == [([], [])]
    assert ablation.expand() == []
    assert ablation.claims[0].with_runs((), ()).between == ("human36m", "mpi_inf_3dhp")


def test_experiments_of_axes_and_of_claims_are_run(written):
    ablation = written(MINE + "axes: {method.name: [d3dp]}\n")
    assert [e.method.name for e in ablation.expand()] == ["d3dp", "finepose", "tcn"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("J-Best", "J-Bst", "key 'claims.0.better' is .*no aggregation has this name: did you mean 'J-Best'"),
        ("reported: -14.6", "metric: mpjp", "no metric has this name: did you mean 'mpjpe'"),
        ("reported: -14.6", "reporte: 3", "unknown key 'claims.0.reporte': did you mean 'reported'"),
        (
            "reported: -14.6",
            "between: [human36m, mpi_inf_3d]",
            "key 'claims.0.between.1' is .*no data set has this name: did you mean 'mpi_inf_3dhp'",
        ),
        ("reported: -14.6", "between: [human36m, human36m]", "'claims.0.between' .*must name two data sets"),
        ("reported: -14.6", "between: [human36m]", "key 'claims.0.between.1' is missing"),
        ("{method.name: tcn}", "{method.nam: tcn}", "unknown key 'method.nam': did you mean 'name'"),
    ],
)
def test_a_wrong_claim_is_refused_with_one_sentence(written, before, after, words):
    with pytest.raises(InputError, match=words) as refused:
        written(MINE.replace(before, after)).expand()
    assert "\n" not in str(refused.value)


def test_the_claim_about_two_data_sets_needs_no_runs_of_its_own():
    ablation = read("claims")
    both = [claim for claim in ablation.claims if claim.between]
    others = [claim.settings for claim in ablation.claims if not claim.between]
    assert len(both) == 1
    assert both[0].settings in others


def test_the_claims_about_finepose_cover_what_its_tables_compare():
    ablation = read("claims")
    methods = {e.method.name for e in ablation.expand()}
    assert methods == {"finepose", "d3dp", "mixste", "tcn"}
    prompts = {e.method.options.get("prompt") for e in ablation.expand()}
    assert prompts >= {"none", "manual", "action", "coarse", "learnable"}
    for claim in ablation.claims:
        assert (claim.reported is None) == (not claim.source)
