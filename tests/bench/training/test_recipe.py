from dataclasses import asdict, replace

import pytest

from bench.config.experiment import TrainingSpec
from bench.training.recipe import NOT_ASKED, fill_in, fill_in_first_stage, named_recipe, usual_recipe
from models.lifter import Preset, Recipe
from tests.bench.toy import Toy

RECIPE = Recipe(epochs=20, batch_frames=90, learning_rate=0.01, decay=0.9, weight_decay=0.1, least_steps=500)


def test_what_is_left_open_comes_from_the_recipe():
    filled = fill_in(TrainingSpec(learning_rate=0.5, seed=3), RECIPE)
    assert asdict(filled) == asdict(RECIPE) | {
        "learning_rate": 0.5, "flip": True, "precision": "fp32", "seed": 3, "holdout": 10, "labels": "given",
    }  # fmt: skip


def test_epochs_alone_are_exact():
    assert fill_in(TrainingSpec(epochs=7), RECIPE).least_steps == 0
    both = fill_in(TrainingSpec(epochs=7, least_steps=40), RECIPE)
    assert (both.epochs, both.least_steps) == (7, 40)


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


def test_a_preset_may_train_otherwise_on_ground_truth():
    preset = Preset(None, RECIPE, on_gt={"epochs": 24})
    assert preset.recipe_on("gt") == replace(RECIPE, epochs=24)
    assert preset.recipe_on("cpn") == RECIPE


@pytest.mark.parametrize("name", NOT_ASKED)
def test_what_came_later_is_described_only_where_it_is_not_as_before(name):
    filled = fill_in(TrainingSpec(), RECIPE)
    assert name not in filled.described()
    other = {"gradient": "times_loss", "rate_per": "epoch", "batches": "full", "norm_momentum": "falling"}
    changed = replace(filled, **{name: other.get(name, "half")})
    assert changed.described() == filled.described() | {name: getattr(changed, name)}
