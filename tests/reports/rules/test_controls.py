"""Controls come out where the intervals are right, and fail where they are not."""

import numpy as np
import pytest

from reports.rules.controls import controls, in_words
from reports.tables.evidence.controls import controls_table
from reports.writers.markdown import to_markdown
from tests.reports.made_up import record

RNG = np.random.default_rng(3)
NOISE = RNG.normal(size=12)


def trained(method="tcn", *, seeds=3, sd=2.0, shift=0.0, **changes):
    """A record of several trainings that differ by ``sd`` mm, on takes that differ too."""
    made = record(method, **changes)
    rng = np.random.default_rng(len(method) + seeds)

    def with_takes(value):
        takes = 3 * NOISE + 0.3 * rng.normal(size=(seeds, 12)) + shift
        rows = value.action_mean + takes + sd * rng.normal(size=(seeds, 1))
        return value.model_copy(update={"per_take": tuple(map(tuple, rows.tolist()))})

    conditions = made.conditions.model_copy(update={"training_seeds": tuple(range(seeds))})
    return made.model_copy(update={"values": tuple(map(with_takes, made.values)), "conditions": conditions})


def named(found, name):
    (control,) = [one for one in found if one.name == name]
    return control


def test_trainings_of_one_method_are_seldom_called_different():
    control = named(controls([trained()]), "A/A")
    assert control.holds
    assert "of 200 pairs drawn with the spread of 3 trainings" in control.found


def test_intervals_that_leave_out_the_trainings_are_found_out(monkeypatch):
    """Reports once paired over takes alone, which calls equal methods different in most cases."""
    from reports.rules import controls as module

    real = module.paired_difference
    monkeypatch.setattr(module, "paired_difference", lambda one, other, same=True: real(one, other, True))
    control = named(controls([trained()]), "A/A")
    assert control.holds is False
    assert "does not hold" in in_words([control])[0]


def test_four_trainings_are_split_in_every_way():
    assert "of 3 ways to split 4 trainings" in named(controls([trained(seeds=4)]), "A/A").found
    few = named(controls([trained(seeds=5)]), "A/A")
    assert "of 10 ways to split 5 trainings" in few.found
    assert few.holds is None, "one of ten says nothing of 5 %"
    assert "no verdict" in in_words([few, few])[0]


def test_of_many_trainings_some_ways_to_split_them_are_tried():
    assert "of 462 ways to split 12 trainings" in named(controls([trained(seeds=12)]), "A/A").found
    many = named(controls([trained(seeds=40)]), "A/A")
    assert "of 200 of 68,923,264,410 ways to split 40 trainings" in many.found
    assert many.holds


def test_a_millimetre_is_found_of_the_same_weights_and_not_between_trainings_that_differ_by_more():
    small, large = (named(controls([trained(sd=2.0)]), f"Spike-in of {size} mm") for size in (1, 5))
    assert small.holds
    assert large.holds
    between = [int(control.found.split("weights, ")[1].split("%")[0]) for control in (small, large)]
    assert between[0] < 30 < between[1]


def test_few_clusters_find_no_spike_and_are_not_blamed():
    """MPI-INF-3DHP has six test sequences."""
    made = trained(seeds=3)
    takes = made.data.takes[::2][:6]
    few = made.model_copy(
        update={
            "data": made.data.model_copy(update={"takes": takes}),
            "values": tuple(
                value.model_copy(update={"per_take": tuple(row[:6] for row in value.per_take)})
                for value in made.values
            ),
        }
    )
    assert named(controls([few]), "Spike-in of 1 mm").holds is None


def test_one_training_has_no_controls_of_trainings():
    assert controls([trained(seeds=1)]) == []


def test_labels_of_other_takes_stand_beside_the_true_ones_and_no_prompt():
    full, none = trained("finepose", mean=50, sd=0.1), trained("finepose", mean=54, sd=0.1, variant="prompt=none")
    permuted = trained("finepose", mean=51, sd=0.1, variant="labels permuted in training")
    control = named(controls([full, permuted, none]), "Permuted labels")
    assert control.found.startswith("with its own labels −1.")
    assert "without a prompt +2." in control.found or "without a prompt +3." in control.found
    alone = named(controls([permuted, full]), "Permuted labels")
    assert alone.found.endswith("without a prompt not run")


@pytest.mark.parametrize(("wide", "holds"), [(1.0, True), (0.1, False)])
def test_intervals_must_hold_the_mean_of_other_people(wide, holds):
    fresh = [_fresh(draw, 60 + NOISE[draw % 12], half=wide * 3.5) for draw in range(1, 13)]
    control = named(controls(fresh), "Fresh people")
    assert control.holds is holds
    assert "of 12 hold the mean of the others" in control.found
    table = to_markdown(controls_table(controls(fresh), "Controls"))
    assert ("does not hold" in table) is not holds


def test_each_training_is_judged_alone_on_other_people():
    """Pooled, the spread of the trainings would be in every interval, and any interval would hold."""
    fresh = [
        _fresh(draw, 60 + 10 * seed + NOISE[draw % 12], half=0.35, seed=seed)
        for draw in range(1, 13)
        for seed in (0, 1)
    ]
    found = [control for control in controls(fresh) if control.name == "Fresh people"]
    assert [control.of for control in found] == [f"TCN, training with seed {seed}" for seed in (0, 1)]
    assert [control.holds for control in found] == [False, False]


def _fresh(draw, mean, half, seed=0):
    made = record("tcn", mean=mean, half=half, label=f"population {draw}", seed=seed)
    tested = {"data": {"name": "population", "options": {"draw": draw}}}
    experiment = made.experiment | {"evaluation": made.experiment["evaluation"] | tested}
    return made.model_copy(update={"experiment": experiment, "training_id": str(seed) * 16})
