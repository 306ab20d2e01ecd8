"""Sweeps: what is done, what is shared, what fails, and how it goes on."""

import threading

import pytest
import torch
from filelock import FileLock

from bench.config.experiment import parse
from bench.job import pipeline, weights
from bench.job.pending import pending_work
from bench.job.resolve import resolve
from bench.results import tracking
from bench.results.store import Store
from bench.results.tracking import Tracker
from bench.sweep import run as sweep
from bench.sweep.dry_run import plan_lines
from bench.sweep.executors.local import Local
from bench.sweep.run import run
from models.errors import DivergedError, InputError
from tests.bench.toy import Toy


@pytest.fixture
def store(tmp_path, monkeypatch, toy_suite):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(pipeline, "LATENCY_INPUTS", 1)
    monkeypatch.setattr(sweep, "PATIENCE_SECONDS", 0.02)
    return Store(tmp_path / "store")


def job(**changes):
    description = {"method": {"name": "toy"}, "training": {"epochs": 1}, "evaluation": {"windows": 4}}
    for key, value in changes.items():
        description.setdefault(key, {}).update(value)
    return resolve(parse(description))


def out_of_memory(*arguments, **more):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB")


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
        if training.spec.seed == 1:
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
    assert record.conditions.notes["training batches"] == "in 4 parts, for want of memory"
    means = [r.value("mpjpe", "P-Agg").action_mean for r in (record, expected)]
    assert means[0] == pytest.approx(means[1], rel=1e-5)


def test_a_process_that_is_always_lost_is_a_failure(store):
    class Lossy(Local):
        begun = 0

        def collect(self, seconds):
            if self._next[0][0].kind != "evaluate":
                return super().collect(seconds)
            self.begun += 1
            return [(self._next.popleft()[0], "crashed")]

    executor, wanted = Lossy(store.root), job()
    outcome = run([wanted], store, "cpu", executor)
    assert executor.begun == sweep.MOST_TRIES
    assert outcome.failures[wanted.id].kind == "crashed"


def test_what_another_program_is_doing_is_waited_for(store, monkeypatch):
    wanted = job()
    (training,) = [item for item in pending_work([wanted], store, "cpu", "here").work if item.kind == "train"]
    lock = FileLock(store.lock(training.name).lock_file, thread_local=False)
    lock.acquire()
    begun, real = [], weights.train_or_load
    monkeypatch.setattr(weights, "train_or_load", lambda *args: begun.append(lock.is_locked) or real(*args))
    threading.Timer(0.3, lock.release).start()
    assert run([wanted], store, "cpu").records
    assert begun == [False]


def test_a_price_is_measured_once_for_all_that_share_it(store, monkeypatch):
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


def test_an_mlflow_store_that_is_away_for_a_moment(store, monkeypatch):
    monkeypatch.setattr(tracking, "WAITS_SECONDS", (0.0, 0.0))
    calls, real = [], Tracker._log

    def flaky(self, record, errors):
        calls.append(record.id)
        if len(calls) <= 2:
            raise OSError("database is locked")
        return real(self, record, errors)

    monkeypatch.setattr(Tracker, "_log", flaky)
    wanted = job()
    assert run([wanted], store, "cpu").records.keys() == {wanted.id}
    assert len(calls) == 3


def test_an_mlflow_store_that_stays_away_loses_nothing(store, monkeypatch):
    monkeypatch.setattr(tracking, "WAITS_SECONDS", ())
    wanted = job()
    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "_log", lambda *arguments: (_ for _ in ()).throw(OSError("gone")))
        with pytest.raises(InputError, match="what is finished is kept and logged then"):
            run([wanted], store, "cpu")
    outcome = run([wanted], store, "cpu")
    assert (outcome.trained, outcome.evaluated) == (0, 1)


def test_an_interrupted_log_leaves_one_run(store, monkeypatch):
    wanted = job()
    with monkeypatch.context() as patch:
        patch.setattr("mlflow.MlflowClient.set_terminated", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run([wanted], store, "cpu")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "add", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run([wanted], store, "cpu")
    record = run([wanted], store, "cpu").records[wanted.id]
    tracker = Tracker(store.root)
    runs = tracker._search(f"tags.`bench.id` = '{wanted.id}'")
    assert [(found.info.run_id, found.info.status) for found in runs] == [(record.mlflow_run_id, "FINISHED")]


def test_the_index_holds_what_was_added_whenever_it_is_read(store):
    wanted = [job(training={"seed": seed}) for seed in (0, 1)]
    records = list(run(wanted, store, "cpu").records.values())
    assert not list((store.root / "records").glob("*.json"))
    store.index.unlink()
    store.add(records[0])
    store.fold()
    store.add(records[1])
    assert store.finished() == {record.id for record in records}
    assert store.records([records[1].id]) == {records[1].id: records[1]}
    assert store.records() == {record.id: record for record in records}


def test_a_plan_says_what_is_shared_done_and_expected(store):
    jobs = [job(evaluation={"hypotheses": h, "steps": k}) for h in (1, 2) for k in (1, 2)]
    before = "\n".join(plan_lines(pending_work(jobs, store, "cpu", "here"), store, 1))
    assert "4 experiments share 1 trainings; 0 are finished, 0 failed before, 4 are to be done" in before
    assert "1 evaluations: time unknown" in before
    assert "(4 experiments)" in before
    run(jobs, store, "cpu")
    more = [*jobs, job(training={"seed": 5})]
    after = "\n".join(plan_lines(pending_work(more, store, "cpu", "here"), store, 2))
    assert "5 experiments share 2 trainings; 4 are finished, 0 failed before, 1 are to be done" in after
    assert "Toy tiny cpn seed 5: 0 s" in after


def test_a_device_is_used_together_or_alone(store):
    order, inside = [], threading.Event()

    def measure():
        with store.device("cpu", alone=True):
            order.append("alone")

    def work():
        with store.device("cpu", alone=False):
            order.append("later")

    with store.device("cpu", alone=False), store.device("cpu", alone=False):
        first = threading.Thread(target=measure)
        first.start()
        inside.wait(0.2)
        second = threading.Thread(target=work)
        second.start()
        inside.wait(0.2)
        order.append("together")
    first.join()
    second.join()
    assert order == ["together", "alone", "later"]
