from dataclasses import asdict, replace

import pytest

from bench.config.experiment import TrainingSpec
from bench.training.recipe import LATER, fill_in, fill_in_first_stage, named_recipe, usual_recipe
from models.errors import InputError
from models.lifter import Preset, Recipe
from tests.bench.toy import Toy

RECIPE = Recipe(epochs=20, batch_frames=90, learning_rate=0.01, decay=0.9, weight_decay=0.1, least_steps=500)


def test_what_is_left_open_comes_from_the_recipe():
    filled = fill_in(TrainingSpec(learning_rate=0.5, seed=3), RECIPE)
    assert asdict(filled) == asdict(RECIPE) | {
        "learning_rate": 0.5, "flip": True, "precision": "fp32", "seed": 3, "holdout": 10, "labels": "given",
        "compile": False,
    }  # fmt: skip


def test_epochs_alone_are_exact():
    assert fill_in(TrainingSpec(epochs=7), RECIPE).least_steps == 0
    both = fill_in(TrainingSpec(epochs=7, least_steps=40), RECIPE)
    assert (both.epochs, both.least_steps) == (7, 40)


BUDGET = replace(RECIPE, epochs=1, compute=0.8, batch_frames=None, batch_windows=8, least_steps=0)


def test_epochs_take_the_place_of_the_compute_of_a_preset():
    assert (fill_in(TrainingSpec(), BUDGET).compute, fill_in(TrainingSpec(compute=2), BUDGET).compute) == (0.8, 2)
    for requested in ({"epochs": 2}, {"least_steps": 9}):
        assert fill_in(TrainingSpec(**requested), BUDGET).compute is None
    filled = fill_in(TrainingSpec(), BUDGET)
    complete = filled.as_requested(TrainingSpec())
    assert fill_in(complete, RECIPE) == filled, "a complete description means the same with any preset"


def test_windows_and_frames_of_a_step_take_each_other_s_place():
    assert fill_in(TrainingSpec(batch_frames=18), BUDGET).windows_of_a_step(9) == 2
    assert fill_in(TrainingSpec(batch_windows=5), RECIPE).windows_of_a_step(9) == 5
    with pytest.raises(InputError, match="give one of them"):
        fill_in(TrainingSpec(batch_frames=18, batch_windows=5), RECIPE)


def test_a_request_can_only_shorten_a_first_stage():
    def length(**requested):
        filled = fill_in_first_stage(TrainingSpec(**requested), RECIPE)
        return filled.epochs, filled.least_steps

    assert length() == (20, 500)
    assert length(epochs=3) == (3, 0)
    assert length(epochs=300) == (20, 0)
    assert length(least_steps=40) == (20, 40)
    assert length(epochs=3, least_steps=4000) == (3, 500)
    assert fill_in_first_stage(TrainingSpec(learning_rate=0.5), RECIPE).learning_rate == 0.01
    assert fill_in_first_stage(TrainingSpec(compute=9), BUDGET).compute == 0.8
    assert fill_in_first_stage(TrainingSpec(compute=0.1), BUDGET).compute == 0.1
    assert fill_in_first_stage(TrainingSpec(epochs=3), BUDGET).compute is None


def test_a_filled_in_description_has_the_values_of_the_recipe():
    spec = TrainingSpec(epochs=7, selection="test", seed=3)
    filled = fill_in(spec, RECIPE).as_requested(spec)
    assert (filled.epochs, filled.least_steps, filled.batch_frames, filled.optimizer) == (7, 0, 90, "adamw")
    assert (filled.selection, filled.seed) == ("test", 3)


class Released(Toy):
    published = {"gradient": "times_loss", "optimizer": "amsgrad"}


def test_the_released_recipe_is_the_usual_one_at_the_paper_s_size_where_it_is_known():
    assert usual_recipe(Released, "tiny") == usual_recipe(Released, "base") == "plain"
    assert usual_recipe(Released, "paper") == "published"
    assert usual_recipe(Toy, "paper") == "plain"
    assert named_recipe(RECIPE, Released, "published") == replace(
        RECIPE, gradient="times_loss", optimizer="amsgrad"
    )
    assert named_recipe(RECIPE, Released, "plain") == named_recipe(RECIPE, Toy, "published") == RECIPE


def test_a_rate_that_is_warmed_up_keeps_its_schedule():
    """By whole epochs, a training of two would have a rate of 0 in the first."""
    warm = replace(RECIPE, schedule="warmup")

    class Fifths(Toy):
        published = {"schedule": "fifths", "rate_per": "epoch", "batches": "full"}

    assert named_recipe(warm, Fifths, "published") == replace(warm, batches="full")
    assert named_recipe(RECIPE, Fifths, "published") == replace(RECIPE, **Fifths.published)


def test_a_preset_may_train_otherwise_on_ground_truth():
    preset = Preset(None, RECIPE, on_gt={"epochs": 24})
    assert preset.recipe_on("gt") == replace(RECIPE, epochs=24)
    assert preset.recipe_on("cpn") == RECIPE


@pytest.mark.parametrize("name", LATER)
def test_what_came_later_is_described_only_where_it_is_not_as_before(name):
    filled = fill_in(TrainingSpec(), RECIPE)
    assert name not in filled.described()
    other = {"gradient": "times_loss", "rate_per": "epoch", "batches": "full", "norm_momentum": "falling"}
    other |= {"compute": 0.5, "batch_windows": 8, "labels": "none", "compile": True}
    frames = {"batch_frames": None} if name == "batch_windows" else {}
    changed = replace(filled, **{name: other.get(name, "half")} | frames)
    assert changed.described() == filled.described() | {name: getattr(changed, name)} | frames
