from dataclasses import asdict

from bench.config.experiment import TrainingSpec
from bench.training.recipe import fill_in, fill_in_first_stage
from models.lifter import Recipe

RECIPE = Recipe(epochs=20, batch_frames=90, learning_rate=0.01, decay=0.9, weight_decay=0.1, least_steps=500)


def test_what_is_left_open_comes_from_the_recipe():
    filled = fill_in(TrainingSpec(learning_rate=0.5, seed=3), RECIPE)
    assert asdict(filled) == asdict(RECIPE) | {
        "learning_rate": 0.5, "flip": True, "precision": "fp32", "seed": 3, "holdout": 10
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
