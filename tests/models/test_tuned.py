"""The recipes that were searched are those of the presets, and say how they were found."""

from dataclasses import fields

import pytest

from bench.config.registry import METHODS
from models import tuned
from models.lifter import TINY_COMPUTE, TINY_RECIPE, Recipe
from models.tuned import tuned as tuned_preset
from tests.bench.toy import Toy, ToyConfig

ENTRY = """
[toy]
learning_rate = 0.5
batch_windows = 4
[toy.options]
noise = 0.25
[toy.provenance]
trials = 3
"""


@pytest.fixture
def entry(tmp_path, monkeypatch):
    monkeypatch.setattr(tuned, "FILE", tmp_path / "tuned.toml")
    tuned.FILE.write_text(ENTRY)
    tuned.entries.cache_clear()
    yield
    tuned.entries.cache_clear()


def test_what_was_chosen_takes_the_place_of_what_is_declared(entry):
    preset = tuned_preset("toy", ToyConfig(frames=27), TINY_RECIPE)
    assert preset.config == ToyConfig(frames=27, noise=0.25)
    assert (preset.recipe.learning_rate, preset.recipe.batch_windows) == (0.5, 4)
    assert preset.recipe.compute == TINY_COMPUTE
    declared = tuned_preset("other", Toy.Config(), TINY_RECIPE)
    assert (declared.config, declared.recipe) == (ToyConfig(), TINY_RECIPE)


def test_every_entry_is_in_force_and_says_how_it_was_found():
    for name, chosen in tuned.entries().items():
        preset, how = METHODS.load(name).presets["tiny"], chosen["provenance"]
        assert how.keys() == {"trials", "seeds", "validation_mpjpe", "compute", "data", "commit", "date"}
        assert len(how["validation_mpjpe"]) == how["seeds"]
        recipe = {key: value for key, value in chosen.items() if key in {field.name for field in fields(Recipe)}}
        assert recipe
        assert {key: getattr(preset.recipe, key) for key in recipe} == recipe
        options = chosen.get("options", {})
        assert {key: getattr(preset.config, key) for key in options} == options
