from reports.rules.warnings import disturbances, trained_once
from tests.reports.made_up import record


def disturbed(*warnings):
    made = record("tcn")
    return made.model_copy(update={"environment": made.environment.model_copy(update={"warnings": warnings})})


def test_warnings_that_differ_in_numbers_only_are_one_sentence_with_their_range():
    runs = [
        disturbed("other processes kept 48 % of the CPU busy."),
        disturbed("it was hot"),
        disturbed("other processes kept 9.5 % of the CPU busy", "it was hot"),
        disturbed(),
    ]
    assert disturbances(runs) == {
        "other processes kept 9.5 to 48 % of the CPU busy": [runs[0], runs[2]],
        "it was hot": [runs[1], runs[2]],
    }


def test_only_methods_of_one_training_are_said_not_to_be_compared():
    several, once = record("tcn", seed=0), record("mixste", seed=0)
    others = [record("tcn", seed=seed) for seed in (1, 2)]
    drawn = record("d3dp", hypotheses=5)
    drawn = drawn.model_copy(update={"training": drawn.training.model_copy(update={"steps": 0})})
    (sentence,) = trained_once([several, *others, once, drawn])
    assert "Numbers of MixSTE are shown" in sentence


def test_a_number_that_all_share_is_no_range():
    runs = [disturbed(f"{count} other processes computed on GPU 1") for count in (3, 3, 2)]
    assert list(disturbances(runs)) == ["2 to 3 other processes computed on GPU 1"]
    assert list(disturbances(runs[:2])) == ["3 other processes computed on GPU 1"]
