"""What a description becomes, and by which identities it is known."""

from dataclasses import dataclass, replace

import pytest

from bench.config.experiment import parse
from bench.config.registry import METHODS
from bench.job import data_cache
from bench.job.resolve import resolve
from bench.training.selection import RULE
from models.errors import InputError
from tests.bench.toy import Toy, ToyConfig
from tests.bench.toy_jobs import job


@dataclass(frozen=True)
class MachineConfig(ToyConfig):
    text: str = "auto"


class MachineToy(Toy):
    """Its configuration depends on what is installed, as FinePOSE's text encoder does."""

    Config = MachineConfig
    presets = {name: replace(preset, config=MachineConfig()) for name, preset in Toy.presets.items()}
    found = "clip"

    @classmethod
    def resolve_config(cls, config):
        return replace(config, text=cls.found) if config.text == "auto" else config


@pytest.fixture
def machine_toy(toy_suite, monkeypatch):
    monkeypatch.setitem(METHODS.own, "machine", "tests.bench.job.test_resolve:MachineToy")


def machine_job(**changes):
    return resolve(parse({"method": {"name": "machine"}} | changes))


def identities(made):
    return made.id, made.training_id, made.sampling_id, made.cost_id


def test_a_portable_experiment_keeps_its_identities_on_another_machine(machine_toy, monkeypatch):
    here = machine_job()
    assert here.training.config.text == "clip"
    assert here.portable.method.options == {"text": "clip"}
    assert identities(resolve(here.portable)) == identities(here)
    assert resolve(here.portable).experiment == here.experiment
    monkeypatch.setattr(MachineToy, "found", "minilm")
    assert identities(resolve(here.portable)) == identities(here)
    assert machine_job().training_id != here.training_id


def test_an_evaluation_option_that_is_left_to_the_machine_is_settled_too(machine_toy, monkeypatch):
    here = machine_job(
        method={"name": "machine", "options": {"text": "tiny"}}, evaluation={"options": {"text": "auto"}}
    )
    assert (here.training.config.text, here.evaluated_config.text) == ("tiny", "clip")
    monkeypatch.setattr(MachineToy, "found", "minilm")
    assert identities(resolve(here.portable)) == identities(here)


def test_the_text_encoder_of_finepose_is_settled_once(toy_suite, monkeypatch):
    def finepose(found):
        monkeypatch.setattr("models.text.pretrained_encoder", lambda: found)
        return resolve(parse({"method": {"name": "finepose", "preset": "base"}}))

    here, elsewhere = finepose("clip"), finepose("minilm")
    assert here.training_id != elsewhere.training_id
    assert here.portable.method.options == {"text": "clip"}
    assert (here.experiment.method.options, here.variant) == ({}, "")
    assert identities(resolve(here.portable)) == identities(here)


def test_paths_of_a_portable_experiment_are_absolute(toy_suite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = job(data={"root": "files"})
    assert made.portable.data.root == tmp_path / "files"


def test_identities_separate_training_from_evaluation(toy_suite):
    plain = job()
    for evaluation in (
        {"hypotheses": 2},
        {"steps": 9},
        {"flip": False},
        {"aggregations": ["P-Agg"]},
        {"seed": 3},
        {"count_overlap": True},
        {"p_best_calls": 3},
    ):
        other = job(evaluation=evaluation)
        assert other.training_id == plain.training_id
        assert other.id != plain.id
    for changes in (
        {"training": {"selection": "test"}},
        {"training": {"seed": 1}}, {"training": {"epochs": 2}}, {"method": {"options": {"noise": 0.5}}},
        {"data": {"detections": "gt"}}, {"training": {"labels": "permuted"}},
    ):  # fmt: skip
        assert job(**changes).training_id != plain.training_id
    assert job(method={"options": {"frames": 9}}).id == plain.id, "a default spelled out is the same experiment"
    assert job(data={"root": "/elsewhere"}).id == plain.id, "where files lie is no part of the identity"


def test_a_new_version_of_a_method_is_a_new_training(toy_suite, monkeypatch):
    old = job()
    monkeypatch.setattr(Toy, "version", 2)
    assert job().training_id != old.training_id


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation": {"detections": "gt"}}, "trained on 'cpn': set data.detections .*allow_other_detections"),
        ({"training": {"labels": "none"}}, "no label but the empty one: set evaluation.actions to 'empty'"),
        ({"method": {"name": "tyo"}}, "unknown method 'tyo': did you mean 'toy'"),
        (
            {"method": {"options": {"frame": 3}}},
            "unknown key 'method.options.frame' for toy: did you mean 'frames'",
        ),
        ({"training": {"holdout": 0}}, "training.holdout is 0, so there are no takes to choose a checkpoint by"),
        ({"training": {"holdout": 1}}, "is 1, but that holds out every take; give 0 for none, or 2 and more"),
        (
            {"method": {"options": {"frames": "x"}}},
            "key 'method.options.frames' is 'x', but must be a whole number",
        ),
    ],
)
def test_what_a_method_does_not_know(toy_suite, changes, message):
    with pytest.raises(InputError, match=message):
        job(**changes)


def test_a_training_is_of_its_held_out_takes_and_its_rule(toy_suite, monkeypatch):
    last = {"training": {"selection": "last"}}
    before, before_last = job(), job(**last)
    with monkeypatch.context() as patch:
        patch.setitem(RULE, "windows", 65)
        assert job().training_id != before.training_id
        assert job(**last).training_id == before_last.training_id
    monkeypatch.setattr(data_cache, "held_out_takes", lambda *arguments: ["S1/Walking"])
    assert job(**last).training_id != before_last.training_id


def test_a_default_spelled_out_leaves_no_trace_in_the_description(toy_suite):
    plain = job()
    spelled = job(method={"options": {"frames": 9}}, evaluation={"options": {"noise": 0.0}})
    assert spelled.experiment == plain.experiment
    assert job(method={"options": {"noise": 0.5}}).experiment.method.options == {"noise": 0.5}


class ReleasedToy(Toy):
    published = {"gradient": "times_loss", "batches": "full"}


@pytest.fixture
def released_toy(toy_suite, monkeypatch):
    monkeypatch.setitem(METHODS.own, "released", "tests.bench.job.test_resolve:ReleasedToy")


def released_job(preset="tiny", **training):
    return resolve(parse({"method": {"name": "released", "preset": preset}, "training": training}))


@pytest.mark.parametrize(
    ("preset", "usual", "other"),
    [("tiny", "plain", "published"), ("paper", "published", "plain")],
)
def test_the_recipe_of_a_release_is_another_training_and_named_where_it_is_not_usual(
    released_toy, preset, usual, other
):
    one, same, changed = (released_job(preset, recipe=name) for name in (None, usual, other))
    assert identities(one) == identities(same) != identities(changed)
    assert (one.training.recipe_name, changed.training.recipe_name) == (usual, other)
    assert {one.training.recipe.gradient, changed.training.recipe.gradient} == {"plain", "times_loss"}
    assert "recipe" not in one.experiment.described()["training"]
    assert changed.experiment.described()["training"]["recipe"] == other
    for made in (one, changed):
        assert identities(resolve(made.experiment)) == identities(resolve(made.portable)) == identities(made)


def test_a_request_counts_more_than_the_recipe_of_a_release(released_toy, monkeypatch):
    monkeypatch.setattr(ReleasedToy, "published", {"optimizer": "amsgrad"})
    assert released_job(recipe="published").training.recipe.optimizer == "amsgrad"
    assert released_job(recipe="published", optimizer="adam").training.recipe.optimizer == "adam"


def test_all_takes_may_be_trained_on(toy_suite):
    usual, all_of_them = (job(training={"selection": "last", "holdout": holdout}).training for holdout in (10, 0))
    assert usual.held_out
    assert not all_of_them.held_out
    assert usual.id != all_of_them.id


def test_a_release_that_is_not_known_is_one_sentence(toy_suite):
    with pytest.raises(InputError, match=r"training\.recipe is published, but how toy was trained is not known"):
        job(training={"recipe": "published"})


def test_another_prediction_of_the_same_weights_is_another_number(toy_suite, monkeypatch):
    chosen, last = job(), job(training={"selection": "last"})
    before, before_last = identities(chosen), identities(last)
    monkeypatch.setattr(Toy, "prediction_version", classmethod(lambda cls, config: 2))
    raised, raised_last = job(), job(training={"selection": "last"})
    assert not set(identities(raised)) & set(before)
    assert raised.training.trajectory_id == chosen.training.trajectory_id
    assert raised_last.training_id == last.training_id
    assert set(identities(raised_last)) & set(before_last) == {last.training_id}


def test_numbers_of_rounded_coordinates_do_not_count_and_those_in_fp32_do(toy_suite, monkeypatch):
    exact, predicted, trained = (
        {}, {"evaluation": {"precision": "bf16"}}, {"training": {"precision": "bf16"}},
    )  # fmt: skip
    now = [identities(job(**changes)) for changes in (exact, predicted, trained)]
    monkeypatch.setattr("bench.job.identities.AUTOCAST_VERSION", 1)
    then = [identities(job(**changes)) for changes in (exact, predicted, trained)]
    assert now[0] == then[0]
    assert set(now[1]) & set(then[1]) == {now[0][1]}, "the training is the same"
    assert set(now[2]) & set(then[2]) == {now[0][3]}, "the cost is the same"
