"""One task: done once, by whoever comes first."""

import errno
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from bench.job import pipeline, weights
from bench.job import task as task_module
from bench.job.pending import PendingWork
from bench.job.task import is_continued, run_task
from bench.measure import memory
from bench.results.store import Store
from bench.training import trainer
from models.errors import InputError
from tests.bench.toy_jobs import illegal_address, job, names_broken_devices, out_of_memory


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


def test_the_time_of_a_training_is_that_of_all_its_parts(toy_store, tasks, monkeypatch):
    progress = trainer._Run._note_progress

    def of_two_hours(run):  # as after an interruption, from whose state the time goes on
        run.started = time.monotonic() - 7200
        progress(run)

    monkeypatch.setattr(trainer._Run, "_note_progress", of_two_hours)
    assert run_task(tasks["train"], toy_store.root) == "done"
    assert toy_store.times.get(tasks["train"].duration_key).seconds == pytest.approx(7200, abs=1)


def test_a_training_that_was_interrupted_is_continued(toy_store, tasks, monkeypatch):
    assert not is_continued(tasks["train"], toy_store)
    step, steps = trainer._Run.step, []

    def killed(run):
        step(run)
        steps.append(1)
        if len(steps) == 2:
            run.save(at_once=True)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer._Run, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            run_task(tasks["train"], toy_store.root)
    assert is_continued(tasks["train"], toy_store)
    assert not is_continued(tasks["evaluate"], toy_store)
    folder = toy_store.training(*tasks["train"].ids)
    folder.rename(folder.with_name(f"{folder.name}+{'1' * 16}"))
    assert is_continued(tasks["train"], toy_store), "with another selection"
    folder.with_name(f"{folder.name}+{'1' * 16}").rename(folder)
    assert run_task(tasks["train"], toy_store.root) == "done"
    assert not is_continued(tasks["train"], toy_store)


def test_the_time_of_the_rest_of_an_evaluation_is_not_taken_for_that_of_the_whole(toy_store):
    jobs = [job(evaluation={"hypotheses": hypotheses}) for hypotheses in (1, 2)]
    pending = PendingWork(jobs, toy_store, "cpu", "here")
    train, evaluate = pending.tasks()
    assert set(evaluate.ids) == {one.id for one in jobs}
    assert run_task(train, toy_store.root) == "done"
    pipeline.evaluate_together(jobs[:1], toy_store, torch.device("cpu"), 0)
    assert run_task(evaluate, toy_store.root) == "done"
    assert toy_store.times.get(evaluate.duration_key) is None


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


@names_broken_devices
@pytest.mark.parametrize(
    ("fail", "name"), [(illegal_address, "AcceleratorError"), (out_of_memory, "OutOfMemoryError")]
)
def test_why_a_device_is_broken_is_kept_before_its_memory_is_freed(toy_store, tasks, monkeypatch, fail, name):
    tried = []
    monkeypatch.setattr(weights, "train_or_load", lambda *_: tried.append(1) or fail())
    monkeypatch.setattr(memory, "release", illegal_address)
    assert [run_task(tasks["train"], toy_store.root) for _ in range(2)] == ["crashed", "failed"]
    assert len(tried) == 1
    assert toy_store.failures.get(tasks["train"].ids[0]).reason.startswith(f"{name}: CUDA")


@pytest.fixture
def evaluation(toy_store):
    """An evaluation of three jobs that are trained."""
    pending = PendingWork([job(evaluation={"hypotheses": h}) for h in (1, 2, 3)], toy_store, "cpu", "here")
    train, evaluate = pending.tasks()
    assert run_task(train, toy_store.root) == "done"
    assert len(evaluate.ids) == 3
    return evaluate


@names_broken_devices
def test_a_device_that_breaks_while_several_are_evaluated_together_fails_them_all(
    toy_store, evaluation, monkeypatch
):
    monkeypatch.setattr(pipeline, "evaluate_together", illegal_address)
    assert run_task(evaluation, toy_store.root) == "crashed"
    assert toy_store.failures.ids() == set(evaluation.ids)


@names_broken_devices
def test_a_device_that_one_evaluation_breaks_takes_no_other_with_it(toy_store, evaluation, monkeypatch):
    real, breaking = pipeline.evaluate_together, evaluation.ids[1]

    def evaluate(jobs, *rest):
        names = [one.id for one in jobs]
        if names == [breaking]:
            illegal_address()
        return out_of_memory() if breaking in names else real(jobs, *rest)

    monkeypatch.setattr(pipeline, "evaluate_together", evaluate)
    assert [run_task(evaluation, toy_store.root) for _ in range(2)] == ["crashed", "failed"]
    assert toy_store.failures.ids() == {breaking}
    assert toy_store.evaluated() == set(evaluation.ids) - {breaking}


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


@pytest.mark.parametrize("kind", ["train", "measure"])
def test_memory_of_a_gpu_is_given_back_after_a_task(toy_store, tasks, monkeypatch, kind):
    """Once, and while its lock is held."""
    done, real = [], Store.device

    @contextmanager
    def device(store, name, alone):
        with real(store, name, alone):
            yield
        done.append(f"left {name}")

    monkeypatch.setattr(task_module, "use_device", lambda name: torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="ab-12"))
    monkeypatch.setattr(Store, "device", device)
    monkeypatch.setattr(memory, "release", lambda: done.append("released"))
    measure, cpu = pipeline.measure, torch.device("cpu")
    monkeypatch.setattr(pipeline, "measure", lambda one, store, _, known: measure(one, store, cpu, known))
    assert run_task(tasks[kind], toy_store.root) == "done"
    assert done == ["released", "left cuda-ab-12"]


@names_broken_devices
def test_a_device_that_is_found_broken_after_a_task_ends_its_process(toy_store, tasks, monkeypatch):
    monkeypatch.setattr(task_module, "use_device", lambda name: torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="ab-12"))
    monkeypatch.setattr(memory, "release", illegal_address)
    assert [run_task(tasks["train"], toy_store.root) for _ in range(2)] == ["crashed", "found"]
