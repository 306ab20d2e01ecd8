"""One task: done once, by whoever comes first."""

import errno
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bench.job import weights
from bench.job.pending import PendingWork
from bench.job.task import run_task
from bench.results.store import Store
from models.errors import InputError
from tests.bench.toy_jobs import job, out_of_memory


@pytest.fixture
def tasks(toy_store):
    """Train, evaluate and measure of one job, by kind."""
    pending = PendingWork([job()], toy_store, "cpu", "here")
    return {task.kind: task for task in (*pending.tasks(), *pending.measurements(pending.left))}


def test_a_task_that_is_done_is_found_done(toy_store, tasks, monkeypatch):
    for kind in ("train", "evaluate", "measure"):
        assert run_task(tasks[kind], toy_store.root) == "done"
    took = {name: toy_store.times.get(name) for name in toy_store.times.ids()}
    assert took.keys() == {task.duration_key for task in tasks.values()}
    monkeypatch.setattr(weights, "train_or_load", out_of_memory)
    assert [run_task(tasks[kind], toy_store.root) for kind in ("train", "evaluate")] == ["found", "found"]
    assert {name: toy_store.times.get(name) for name in took} == took, "which says nothing of how long it takes"


def test_one_that_another_program_is_doing_is_busy(toy_store, tasks):
    with toy_store.lock(tasks["train"].name):
        assert run_task(tasks["train"], toy_store.root) == "busy"


def test_a_failure_is_kept_and_not_tried_again(toy_store, tasks, monkeypatch):
    tried = []
    monkeypatch.setattr(weights, "train_or_load", lambda *_: tried.append(1) or out_of_memory())
    assert [run_task(tasks["train"], toy_store.root) for _ in range(2)] == ["failed", "failed"]
    assert len(tried) == 1
    (name,) = tasks["train"].ids
    assert toy_store.failures.get(name).kind == "out of memory"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_is_full_or_broken_is_no_failure_of_the_experiment(toy_store, tasks, monkeypatch, number):
    def fail(*arguments):
        try:
            raise OSError(number, "of the disk")
        except OSError as error:
            raise InputError("a sentence about it") from error

    monkeypatch.setattr(weights, "train_or_load", fail)
    with pytest.raises(InputError, match="a sentence about it"):
        run_task(tasks["train"], toy_store.root)
    assert toy_store.failures.ids() == set()


def test_what_another_program_trained_meanwhile_is_found_and_no_failure(toy_store, tasks, monkeypatch):
    train = weights.train_or_load

    def passed_over(*arguments):
        train(*arguments)
        raise InputError("what it saved on the way is gone")

    monkeypatch.setattr(weights, "train_or_load", passed_over)
    assert run_task(tasks["train"], toy_store.root) == "found"
    assert toy_store.failures.ids() == set()


def test_what_another_program_trained_while_this_one_waited_for_the_device_is_found(toy_store, tasks, monkeypatch):
    @contextmanager
    def wait(*_, **more):
        weights.train_or_load(job().training, job().training.build(), toy_store, "cpu")
        yield

    monkeypatch.setattr(Store, "device", wait)
    assert run_task(tasks["train"], toy_store.root) == "found"
    assert toy_store.failures.ids() == set()


def test_a_training_that_means_something_else_here_is_one_sentence(toy_store, tasks):
    asked = replace(tasks["train"], ids=("0123456789abcdef",))
    assert run_task(asked, toy_store.root) == "failed"
    failure = toy_store.failures.get("0123456789abcdef")
    assert failure.kind == "bad input"
    assert "but 0123456789abcdef was asked for" in failure.reason
    assert "\n" not in failure.reason
