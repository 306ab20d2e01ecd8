"""Sweeps: what is done, what is shared, what fails, and how it goes on."""

import threading

import pytest
import torch
from filelock import FileLock

from bench.job import pipeline, weights
from bench.job.pending import PendingWork
from bench.job.task import run_task
from bench.results import locks
from bench.results.locks import Holder, Watch
from bench.results.store import Store
from bench.results.tracking.tracker import Tracker
from bench.sweep.executors.local import Local
from bench.sweep.run import run
from bench.sweep.tasks import MOST_TRIES
from models.errors import DivergedError, InputError
from tests.bench.toy import Toy
from tests.bench.toy_jobs import illegal_address, job, names_broken_devices, out_of_memory


@pytest.fixture
def store(toy_store):
    return toy_store


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "out of memory", "CUDA out of memory"),
        (DivergedError("Toy: the loss of epoch 1 is nan"), "diverged", "the loss of epoch 1 is nan"),
        (InputError("data do not fit"), "bad input", "data do not fit"),
        (ZeroDivisionError("division by zero"), "error", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_failure_is_an_outcome(store, monkeypatch, error, kind, words):
    def fails(training, *rest):
        if training.recipe.seed == 1:
            raise error
        return real(training, *rest)

    real = weights.train_or_load
    monkeypatch.setattr(weights, "train_or_load", fails)
    good, bad = job(), job(training={"seed": 1})
    outcome = run([bad, good], store, "cpu")
    assert outcome.records.keys() == {good.id}
    failure = outcome.failures[bad.id]
    assert (failure.kind, failure.title) == (kind, bad.name)
    assert words in failure.reason
    again = run([bad, good], store, "cpu")
    assert (again.trained, again.evaluated, again.failures) == (0, 0, outcome.failures)
    monkeypatch.setattr(weights, "train_or_load", real)
    assert run([bad, good], store, "cpu").failures, "it is not tried again unasked"
    retried = run([bad, good], store, "cpu", retry_failed=True)
    assert (retried.trained, retried.failures) == (1, {})
    assert retried.records.keys() == {good.id, bad.id}


def test_an_experiment_that_fails_does_not_take_its_group_with_it(store, monkeypatch):
    few, many = job(evaluation={"hypotheses": 2}), job(evaluation={"hypotheses": 64})
    real = Toy.predict

    def predict(self, batch, sampling):
        return out_of_memory() if sampling.hypotheses > 8 else real(self, batch, sampling)

    monkeypatch.setattr(Toy, "predict", predict)
    outcome = run([few, many], store, "cpu")
    assert outcome.records.keys() == {few.id}
    assert outcome.failures[many.id].kind == "out of memory"


def test_out_of_memory_halves_the_batch_and_changes_no_number(store, tmp_path, monkeypatch):
    wanted = job(evaluation={"windows": 16})
    expected = run([wanted], Store(tmp_path / "plenty"), "cpu").records[wanted.id]
    sizes, real = [], Toy.predict

    def predict(self, batch, sampling):
        sizes.append(len(batch))
        return real(self, batch, sampling) if len(batch) <= 3 else out_of_memory()

    monkeypatch.setattr(Toy, "predict", predict)
    monkeypatch.setattr(pipeline, "windows_per_call", lambda frames, device: 16)
    record = run([wanted], store, "cpu").records[wanted.id]
    assert {16, 8, 4} <= set(sizes)
    assert record.values == expected.values


def test_out_of_memory_in_training_makes_smaller_parts_of_a_step(store, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    wanted = job(training={"selection": "last"})
    expected = run([wanted], Store(tmp_path / "plenty"), "cpu").records[wanted.id]
    real = Toy.training_loss

    def training_loss(self, batch):
        return real(self, batch) if len(batch) <= 4 else out_of_memory()

    monkeypatch.setattr(Toy, "training_loss", training_loss)
    record = run([wanted], store, "cpu").records[wanted.id]
    assert record.training.micro_batches == 4
    assert record.training.loss == pytest.approx(expected.training.loss, rel=1e-6)
    assert record.conditions.notes["training batches"] == "in 4 parts, because memory ran out"
    means = [r.value("mpjpe", "P-Agg").action_mean for r in (record, expected)]
    assert means[0] == pytest.approx(means[1], rel=1e-5)


def test_a_process_that_is_always_lost_is_a_failure(store):
    class Lossy(Local):
        begun = 0

        def submit(self, task, attempt):
            self.lost = task if task.kind == "evaluate" else None
            if self.lost is None:
                super().submit(task, attempt)

        def collect(self, seconds):
            if self.lost is None:
                return super().collect(seconds)
            self.begun += 1
            return [(self.lost, "crashed")]

    executor, wanted = Lossy(store.root), job()
    outcome = run([wanted], store, "cpu", executor)
    assert executor.begun == MOST_TRIES
    assert outcome.failures[wanted.id].kind == "crashed"


@names_broken_devices
def test_a_device_that_breaks_in_this_process_ends_the_sweep_after_why_is_recorded(store, monkeypatch):
    """Every further task would fail on it, and be recorded as a failure of its own."""
    breaking, other = (job(training={"seed": seed}) for seed in (0, 1))
    tried, real = [], weights.train_or_load

    def train(training, *rest):
        tried.append(training.id)
        return illegal_address() if training.id == breaking.training_id else real(training, *rest)

    monkeypatch.setattr(weights, "train_or_load", train)
    with pytest.raises(InputError, match="its device cannot be used by this process any more"):
        run([breaking, other], store, "cpu")
    assert tried == [breaking.training_id]
    outcome = run([breaking, other], store, "cpu")
    assert outcome.records.keys() == {other.id}
    assert outcome.failures[breaking.id].kind == "error"
    assert tried == [breaking.training_id, other.training_id]


@pytest.fixture
def busy(store):
    """A job whose training another program is doing, and the lock of that."""
    wanted = job()
    (training,) = [task for task in PendingWork([wanted], store, "cpu", "here").tasks() if task.kind == "train"]
    return wanted, store.lock(training.name)


def test_what_another_program_is_doing_is_waited_for(store, busy, monkeypatch, capsys):
    monkeypatch.setattr(locks, "SAY_SECONDS", 0.1)
    (wanted, lock), begun, real, sentence = busy, [], weights.train_or_load, Watch.sentence
    lock.acquire()
    holder = lock.holder()
    monkeypatch.setattr(
        weights, "train_or_load", lambda *args: begun.append(lock.holder() == holder) or real(*args)
    )

    def say(watch, more=""):
        said = sentence(watch, more)
        if watch.title == wanted.training.title:  # on a busy machine another lock may be waited for, too
            lock.release()
        return said

    monkeypatch.setattr(Watch, "sentence", say)
    otherwise = threading.Timer(60, lock.release)  # so that a sweep that says nothing fails, and does not hang
    otherwise.start()
    assert run([wanted], store, "cpu").records
    otherwise.cancel()
    assert begun == [False]
    waited = f"waiting for {wanted.training.title}, held by "
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith(waited)]
    assert f"{waited}process {holder.pid} on {holder.host} since" in line


def test_a_program_without_a_sign_of_life_is_passed_over(store, busy, monkeypatch, capsys):
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.3)
    wanted, lock = busy
    lock.lock_file.parent.mkdir(parents=True)
    stopped = FileLock(lock.lock_file, thread_local=False)
    stopped.acquire()
    holder = Holder(pid=123, host="elsewhere", since="2026-11-28T10:00:00Z", token="0")
    lock.holder_file.write_text(holder.model_dump_json())
    assert run([wanted], store, "cpu").trained == 1
    told = capsys.readouterr().err
    assert "process 123 on elsewhere since" in told
    assert "has given no sign of life" in told
    stopped.release()


def test_what_another_program_has_trained_meanwhile_is_not_counted(store):
    class Late(Local):
        def submit(self, task, attempt):
            run_task(task, store.root)  # by another program
            super().submit(task, attempt)

    outcome = run([job()], store, "cpu", Late(store.root))
    assert (outcome.trained, outcome.evaluated) == (0, 1)


def test_what_a_killed_call_left_is_moved_into_the_index(store, capsys, monkeypatch):
    wanted = job()
    (record,) = run([wanted], store, "cpu").records.values()
    store.index.unlink()
    store.add(record)

    def fold(self):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "fold", fold)
        assert run([wanted], store, "cpu").records == {wanted.id: record}
    assert "new records are kept, but not in the index yet" in capsys.readouterr().err
    assert run([wanted], store, "cpu").records == {wanted.id: record}
    assert store.index.exists()
    assert not list((store.root / "records").glob("*.json"))


def test_a_record_names_the_machine_that_trained_it(store):
    (record,) = run([job()], store, "cpu", Local(store.root, threads=1)).records.values()
    assert (record.training.threads, record.training.cpu) == (1, record.environment.cpu)


def test_a_cost_is_measured_once_for_all_that_share_it(store, monkeypatch):
    calls, real = [], pipeline.measure_cost
    monkeypatch.setattr(pipeline, "measure_cost", lambda *args, **more: calls.append(1) or real(*args, **more))
    jobs = [job(training={"seed": seed}, evaluation={"seed": noise}) for seed in (0, 1) for noise in (0, 1)]
    assert len(run(jobs, store, "cpu").records) == 4
    assert len(calls) == 1


def test_numbers_read_off_other_samples_say_so(store):
    jobs = [job(evaluation={"hypotheses": h, "steps": k}) for h in (2, 4) for k in (1, 3)]
    records = run(jobs, store, "cpu").records
    samples = [records[j.id].conditions.samples for j in jobs]
    assert samples == ["drawn with H = 4, K = 3", "drawn with H = 4, K = 3", "drawn with H = 4, K = 3", ""]


def test_the_store_is_read_once_for_a_whole_run(store, monkeypatch):
    read, real = [], Store.finished
    monkeypatch.setattr(Store, "finished", lambda self: read.append(1) or real(self))
    jobs = [job(training={"seed": seed}, evaluation={"hypotheses": h}) for seed in (0, 1) for h in (1, 2)]
    assert len(run(jobs, store, "cpu").records) == 4
    assert len(read) == 1


def test_what_fails_while_its_cost_is_measured_fails_alone(store, monkeypatch):
    real = pipeline.measure_cost

    def measure_cost(prediction):
        return out_of_memory() if prediction.sampling.hypotheses == 2 else real(prediction)

    monkeypatch.setattr(pipeline, "measure_cost", measure_cost)
    one, two = (job(evaluation={"hypotheses": h}) for h in (1, 2))
    outcome = run([one, two], store, "cpu")
    assert outcome.records.keys() == {one.id}
    assert outcome.failures[two.id].kind == "out of memory"
    monkeypatch.setattr(pipeline, "measure_cost", real)
    again = run([one, two], store, "cpu", retry_failed=True)
    assert (again.trained, again.evaluated, again.failures) == (0, 1, {}), "its evaluation is kept"


def test_an_experiment_is_logged_before_the_next_is_trained(store, monkeypatch):
    jobs = [job(training={"seed": seed}) for seed in (0, 1)]
    finished, real = [], weights.train_or_load
    monkeypatch.setattr(weights, "train_or_load", lambda *args: finished.append(store.finished()) or real(*args))
    assert len(run(jobs, store, "cpu").records) == 2
    assert finished == [set(), {jobs[0].id}]


def test_costs_are_measured_before_anything_is_trained(store, monkeypatch):
    measured, real = [], weights.train_or_load
    monkeypatch.setattr(
        weights, "train_or_load", lambda *args: measured.append(len(store.measurements.ids())) or real(*args)
    )
    run([job(evaluation={"hypotheses": h}) for h in (1, 2)], store, "cpu")
    assert measured == [2]


def test_while_mlflow_is_away_work_goes_on_and_is_logged_at_the_end(store, monkeypatch, capsys):
    jobs = [job(training={"seed": seed}) for seed in (0, 1, 2)]
    real, tried = Tracker.log, []

    def log(self, record, files):
        tried.append(record.id)
        if len(tried) == 1:
            raise InputError("MLflow store: away")
        return real(self, record, files)

    monkeypatch.setattr(Tracker, "log", log)
    outcome = run(jobs, store, "cpu")
    assert (outcome.trained, outcome.evaluated, len(outcome.records)) == (3, 3, 3)
    assert tried == [jobs[0].id, *(one.id for one in jobs)], "it is left alone for a while"
    assert "warning: MLflow store: away. Work goes on" in capsys.readouterr().err


def test_what_waits_for_mlflow_at_the_end_is_logged_by_a_later_call(store, monkeypatch):
    """Which needs no MLflow before it begins either."""
    wanted, more = job(), job(training={"seed": 1})

    def away(*arguments):
        raise InputError("MLflow store: away")

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "log", away)
        first = run([wanted], store, "cpu", later=True)
        assert (first.records, first.failures, first.waiting) == ({}, {}, {wanted.id})
        patch.setattr("bench.sweep.run.Tracker", away)
        patch.setattr("bench.sweep.run._add_logged", away)
        second = run([wanted, more], store, "cpu", tracker=first.tracker, later=True)
        assert (second.trained, second.waiting) == (1, {wanted.id, more.id})
        with pytest.raises(InputError, match="away"):
            run([wanted, more], store, "cpu", tracker=second.tracker)
    last = run([wanted, more], store, "cpu", tracker=second.tracker)
    assert (last.trained, last.evaluated, last.records.keys()) == (0, 2, {wanted.id, more.id})


def test_what_failed_is_tried_again_once_the_code_of_its_method_has_changed(store, monkeypatch, capsys):
    wanted = job()
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "measure_cost", out_of_memory)
        assert run([wanted], store, "cpu").failures
    assert run([wanted], store, "cpu").failures, "of the same code it is not tried again"
    monkeypatch.setattr("bench.job.pending.method_digest", lambda lifter: "another")
    assert run([wanted], store, "cpu").records
    assert f"tried again, as its code has changed since it failed: {wanted.title}" in capsys.readouterr().out
    assert not store.failures.ids()


def test_parts_of_a_step_are_never_empty_or_smaller_than_the_method_needs(store, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    wanted = job(training={"selection": "last", "batch_windows": 6})
    expected = run([wanted], Store(tmp_path / "plenty"), "cpu").records[wanted.id]
    sizes, real = set(), Toy.training_loss

    def training_loss(self, batch):
        sizes.add(len(batch))
        return real(self, batch) if len(batch) <= 2 else out_of_memory()

    monkeypatch.setattr(Toy, "training_loss", training_loss)
    monkeypatch.setattr(Toy, "least_windows", 2)
    record = run([wanted], store, "cpu").records[wanted.id]
    assert sizes == {6, 3, 2}, "six windows are three parts of two, not four parts"
    assert record.training.loss == pytest.approx(expected.training.loss, rel=1e-5)
