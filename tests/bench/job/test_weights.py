"""Methods that begin from another training."""

from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import load_file

from bench.config.experiment import parse
from bench.job import pipeline, weights
from bench.job.pending import PendingWork
from bench.job.resolve import resolve
from bench.job.task import run_task
from bench.results.store import Store
from bench.sweep.run import run
from bench.training import checkpoints, trainer
from models.errors import InputError
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


def test_fp16_is_not_trained_on_a_cpu_but_its_weights_are_read_there(tmp_path, monkeypatch):
    wanted, store = job(training={"precision": "fp16"}), Store(tmp_path)
    with pytest.raises(InputError, match="^training.precision is fp16, in which a CPU does not train: set"):
        trained_weights(wanted, store)
    monkeypatch.setattr(weights, "check_precision", lambda device, precision: None)  # as on a machine with a GPU
    trained_weights(wanted, store)
    monkeypatch.undo()
    trained_weights(wanted, store)


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


def of_selections(*selections):
    return [job(method={"name": "toy"}, training={"selection": name}) for name in selections]


def train_all(jobs, store):
    """Do what is left to train of these jobs; returns the steps that it took."""
    begun = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Toy, "on_progress", lambda self, done: begun.append(done))
        assert run_task(training_task(jobs, store), store.root) == "done"
    return len(begun)


def training_task(jobs, store):
    (task,) = [task for task in PendingWork(jobs, store, "cpu", "here").tasks() if task.kind == "train"]
    return task


def stored_weights(jobs, store):
    return [(store.training(one.training_id) / "weights.safetensors").read_bytes() for one in jobs]


@pytest.fixture
def whole(tmp_path):
    """A store with the trainings of one trajectory, undisturbed; and the steps of that trajectory."""
    store = Store(tmp_path / "whole")
    return store, train_all(of_selections("validation", "test", "last"), store)


def test_selections_that_a_kill_left_unfinished_are_taken_from_the_common_state(tmp_path, monkeypatch, whole):
    store, jobs = Store(tmp_path / "killed"), of_selections("validation", "test")
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    finish = checkpoints.finish

    def killed(folder, *rest):
        if folder == store.training(jobs[1].training_id):
            raise Killed
        finish(folder, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "finish", killed)
        with pytest.raises(Killed):
            train_all(jobs, store)
    assert [store.is_trained(one.training_id) for one in jobs] == [True, False]
    first = store.training(jobs[0].training_id) / "weights.safetensors"
    written = first.stat().st_mtime_ns
    assert train_all(jobs, store) == 0
    assert stored_weights(jobs, store) == stored_weights(jobs, whole[0])
    assert first.stat().st_mtime_ns == written, "it may have been evaluated"
    assert {path.name for path in store.root.glob("trainings/*")} == {one.training_id for one in jobs}


def test_no_selection_is_finished_before_the_weights_of_all_are_there(tmp_path, monkeypatch):
    store, jobs = Store(tmp_path), of_selections("validation", "test")
    write = checkpoints.write_weights

    def full(folder, weights):
        if folder == store.training(jobs[1].training_id):
            raise Killed
        return write(folder, weights)

    monkeypatch.setattr(checkpoints, "write_weights", full)
    with pytest.raises(Killed):
        train_all(jobs, store)
    assert not any(store.is_trained(one.training_id) for one in jobs)


@pytest.mark.parametrize("asked", [["validation"], ["test"], ["last"], ["test", "validation"]])
def test_a_command_that_asks_for_fewer_selections_goes_on_with_all(tmp_path, monkeypatch, whole, asked):
    store, jobs = Store(tmp_path / "killed"), of_selections("validation", "test", "last")
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        kill_after(patch, 7)
        with pytest.raises(Killed):
            run_task(training_task(jobs, store), store.root)
    assert train_all(of_selections(*asked), store) == whole[1] - 7
    assert stored_weights(jobs, store) == stored_weights(jobs, whole[0])
    assert {path.name for path in store.root.glob("trainings/*")} == {one.training_id for one in jobs}


def test_a_state_that_appears_while_a_lock_is_waited_for_is_gone_on_with(tmp_path, monkeypatch, whole):
    """Another program begins more selections, and is killed, while this one waits."""
    store, jobs = Store(tmp_path / "killed"), of_selections("validation", "test")
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    real, begun = weights._locked, []

    @contextmanager
    def locked(*arguments):
        if not begun:
            begun.append(True)
            with pytest.MonkeyPatch.context() as patch:
                kill_after(patch, 7)
                with pytest.raises(Killed):
                    run_task(training_task(jobs, store), store.root)
        with real(*arguments):
            yield

    monkeypatch.setattr(weights, "_locked", locked)
    assert train_all(jobs[:1], store) == whole[1] - 7
    assert stored_weights(jobs, store) == stored_weights(jobs, whole[0])


def test_a_command_that_asks_for_more_selections_begins_anew(tmp_path, monkeypatch, whole):
    store = Store(tmp_path / "killed")
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        kill_after(patch, 7)
        with pytest.raises(Killed):
            run_task(training_task(of_selections("validation", "test"), store), store.root)
    jobs = of_selections("validation", "test", "last")
    assert train_all(jobs, store) == whole[1]
    assert stored_weights(jobs, store) == stored_weights(jobs, whole[0])
