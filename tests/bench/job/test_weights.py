"""Methods that begin from another training."""

import pytest
import torch
from safetensors.torch import load_file

from bench.config.experiment import parse
from bench.job import pipeline, weights
from bench.job.resolve import resolve
from bench.results.store import Store
from bench.sweep.run import run
from bench.training import trainer
from tests.bench.toy import Second, Toy
from tests.bench.training.test_trainer import Killed, kill_after


@pytest.fixture(autouse=True)
def quick(monkeypatch, toy_suite):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(pipeline, "LATENCY_INPUTS", 1)


def job(**changes):
    description = {"method": {"name": "second"}, "evaluation": {"windows": 4}}
    for key, value in changes.items():
        description.setdefault(key, {}).update(value)
    return resolve(parse(description))


def trained_weights(wanted, store):
    """Weights of a training, made if need be, without an evaluation."""
    lifter = wanted.build()
    weights.train_or_load(wanted.training, lifter, store, "cpu")
    return load_file(store.training(wanted.training_id) / "weights.safetensors")


def test_identities_follow_the_first_stage():
    plain = job()
    assert job(method={"options": {"first_gain": 2.0}}).training.first.id != plain.training.first.id
    for changes in ({"method": {"options": {"noise": 0.5}}}, {"training": {"learning_rate": 0.5}}):
        other = job(**changes)
        assert other.training_id != plain.training_id
        assert other.training.first.id == plain.training.first.id
    for changes in ({"training": {"seed": 1}}, {"training": {"epochs": 1}}, {"data": {"detections": "gt"}}):
        other = job(**changes)
        assert other.training_id != plain.training_id
        assert other.training.first.id != plain.training.first.id


def test_another_first_stage_is_another_training(monkeypatch):
    plain = job()
    monkeypatch.setattr(Second, "first_stage", classmethod(lambda cls, config: None))
    assert job().training_id != plain.training_id


def test_a_first_stage_keeps_its_recipe_unless_a_short_training_is_asked_for():
    first = job(training={"learning_rate": 0.5, "selection": "test"}).training.first
    assert (first.recipe.epochs, first.recipe.learning_rate, first.selection) == (2, 0.01, "last")
    assert job(training={"epochs": 1}).training.first.recipe.epochs == 1
    assert job(training={"epochs": 50}).training.first.recipe.epochs == 2


def test_a_first_stage_is_trained_once_for_all_that_begin_from_it(tmp_path, monkeypatch):
    titles, real = [], weights.train
    monkeypatch.setattr(weights, "train", lambda *args, **more: titles.append(args[6]) or real(*args, **more))
    store = Store(tmp_path)
    jobs = [job(), job(method={"options": {"noise": 0.5}}), job(training={"learning_rate": 0.5})]
    outcome = run(jobs, store, "cpu")
    assert outcome.trained == 4
    assert titles == [
        "Toy pre-training tiny cpn", "Toy in two stages tiny cpn", "Toy in two stages [noise=0.5] tiny cpn",
        "Toy in two stages tiny cpn",
    ]  # fmt: skip
    info = outcome.records[jobs[0].id].training
    assert info.first_stage.epochs == 2
    assert info.total_seconds == info.seconds + info.first_stage.seconds
    assert outcome.records[jobs[0].id].conditions.notes == {"first stage": "Toy pre-training, 24 steps"}
    assert run(jobs, store, "cpu").trained == 0


def test_the_second_stage_begins_from_the_first(tmp_path, monkeypatch):
    begun = []
    real = Second.begin_from
    monkeypatch.setattr(Second, "begin_from", lambda self, first: begun.append(first) or real(self, first))
    wanted = job()
    trained_weights(wanted, Store(tmp_path))
    stored = load_file(tmp_path / "trainings" / wanted.training.first.id / "weights.safetensors")
    assert all(torch.equal(stored[key], value) for key, value in begun[0].state_dict().items())


@pytest.mark.parametrize("steps", [7, 24, 31])
def test_a_training_killed_in_either_stage_ends_with_the_same_weights(tmp_path, monkeypatch, steps):
    wanted = job()
    killed = Store(tmp_path / "killed")
    whole = trained_weights(wanted, Store(tmp_path / "whole"))
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        kill_after(patch, steps)
        with pytest.raises(Killed):
            trained_weights(wanted, killed)
    assert (killed.training(wanted.training.first.id) / "training.json").exists() == (steps >= 24)
    resumed = trained_weights(wanted, killed)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.parametrize("labels", ["given", "permuted", "none"])
def test_a_training_sees_the_labels_that_it_asks_for(tmp_path, monkeypatch, labels):
    seen, real = [], Toy.training_loss
    monkeypatch.setattr(Toy, "training_loss", lambda self, batch: seen.extend(batch.actions) or real(self, batch))
    evaluation = {"actions": "empty"} if labels == "none" else {}
    wanted = job(method={"name": "toy"}, training={"labels": labels, "epochs": 1}, evaluation=evaluation)
    trained_weights(wanted, Store(tmp_path))
    true = {one.action_class for one in wanted.train.train}
    assert set(seen) == ({""} if labels == "none" else true)
    assert (
        wanted.variant
        == {
            "given": "",
            "permuted": "labels permuted in training",
            "none": "trained without labels, action label empty",
        }[labels]
    )
