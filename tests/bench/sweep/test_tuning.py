"""A search for recipes: every method alike, by validation errors, repeatable, written down with its provenance."""

import tomllib

import pytest

from bench.config.experiment import parse
from bench.sweep import tuning
from bench.sweep.executors.local import Local
from bench.sweep.search import Search, Space
from bench.sweep.tuning import RECIPES, kept_error, tune
from models.errors import InputError

VALUES = {
    "method.name": ("toy", "mean_pose"),
    "rate": ({"learning_rate": 1e-5}, {"learning_rate": 0.01}, {"learning_rate": 0.1}),
    "batch": ({"batch_windows": 5}, {"batch_windows": 10}),
    "scale": ({"no_option": 1.0}, {"noise": 0.0}, {"noise": 0.1}),
}


@pytest.fixture
def store(toy_store):
    return toy_store


def space(axes=tuple(VALUES), **how):
    def experiment(chosen):
        values = {axis: VALUES[axis][index] for axis, index in chosen.items()}
        return parse(
            {
                "method": {"name": values.get("method.name", "toy"), "options": values.get("scale", {})},
                "training": {"compute": 2e-6} | values.get("rate", {}) | values.get("batch", {}),
                "evaluation": {"windows": 4},
            }
        )

    sizes = {axis: len(VALUES[axis]) for axis in axes}
    return Space("key", sizes, experiment, Search(objective="validation", **how))


def test_the_best_by_validation_is_written_with_how_it_was_found(store):
    with Local(store.root) as executor:
        found = tune(space(trials=6, finalists=2, seeds=3), store, "cpu", executor)
    records = store.records(found.ids)
    chosen = tomllib.loads((store.root / RECIPES).read_text())
    assert list(chosen) == ["toy"], "what is not trained is not tuned"
    how = chosen["toy"]["provenance"]
    assert (how["trials"], how["seeds"], how["compute"]) == (6, 3, 2e-6)
    assert "compute" not in chosen["toy"], "that of the preset stays, however small the trials were"
    of_seed = [[r for r in records.values() if r.conditions.training_seeds == (seed,)] for seed in range(3)]
    assert [len(of_seed[1]), len(of_seed[2])] == [2, 2]
    best = [
        record
        for record in records.values()
        if record.experiment["training"]["learning_rate"] == chosen["toy"]["learning_rate"]
        and record.experiment["training"]["batch_windows"] == chosen["toy"]["batch_windows"]
        and record.experiment["method"]["options"].get("noise", 0.0) == chosen["toy"]["options"]["noise"]
    ]
    assert how["validation_mpjpe"] == [round(kept_error(record), 2) for record in best]
    assert chosen["toy"]["learning_rate"] > 1e-5, "a rate with which nothing is learned"


def test_a_search_that_was_interrupted_proposes_the_same_again(store, monkeypatch):
    settings = space(trials=6, finalists=1, seeds=2)
    real, calls = tuning.run, []

    def interrupted(*arguments, **more):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **more)

    with Local(store.root) as executor:
        with monkeypatch.context() as patch:
            patch.setattr(tuning, "run", interrupted)
            with pytest.raises(KeyboardInterrupt):
                tune(settings, store, "cpu", executor)
        before = store.finished()
        found = tune(settings, store, "cpu", executor)
        assert set() < before < set(found.ids)
        assert tune(settings, store, "cpu", executor) == found


def test_the_first_trial_is_the_recipe_that_a_method_has(store):
    with Local(store.root) as executor:
        found = tune(space(axes=("method.name", "rate"), trials=1, finalists=1, seeds=1), store, "cpu", executor)
    (record,) = store.records(found.ids).values()
    assert record.experiment["training"]["learning_rate"] == 0.01


def test_methods_must_be_an_axis(store):
    with Local(store.root) as executor, pytest.raises(InputError, match=r"name the axis method\.name"):
        tune(space(axes=("rate",), trials=1), store, "cpu", executor)
