"""What is left to do, and how that changes as tasks end."""

import pytest

from bench.job.pending import PendingWork, StoreContents
from bench.job.task import record_failure
from bench.results.cost import PASSES
from bench.sweep.executors.local import Local
from bench.sweep.run import run
from bench.sweep.tasks import run_tasks
from tests.bench.toy_jobs import job


@pytest.fixture
def store(toy_store):
    return toy_store


def jobs_of_two_trainings():
    return [job(training={"seed": seed}, evaluation={"hypotheses": h}) for seed in (0, 1) for h in (1, 2)]


def do(tasks, store, pending):
    return run_tasks(tasks, Local(store.root), store, 1, pending.end_task)


def test_everything_is_left_of_an_empty_store(store):
    jobs = jobs_of_two_trainings()
    pending = PendingWork([*jobs, *jobs], store, "cpu", "here")
    assert list(pending.jobs) == [one.id for one in jobs]
    assert pending.left == jobs
    kinds = [task.kind for task in pending.tasks()]
    assert kinds == ["train", "evaluate", "train", "evaluate"], "in the order of the jobs"
    passes = [(task.id[:16], task.number) for task in pending.measurements(jobs)]
    assert [number for _, number in passes] == [1, 1, 2, 2, 3, 3], "the passes of one cost lie apart"
    assert len({cost_id for cost_id, _ in passes}) == 2, "the seed of a training changes no cost"


def test_evaluations_wait_for_their_training(store):
    trainings = {}
    for task in PendingWork(jobs_of_two_trainings(), store, "cpu", "here").tasks():
        if task.kind == "train":
            trainings[task.name] = task
        else:
            assert len(task.needs) == 1
            assert task.needs <= trainings.keys()


def test_it_is_what_the_store_says_after_every_task(store):
    """Kept up to date, it tells the same as a store that is read anew."""
    jobs = jobs_of_two_trainings()
    pending = PendingWork(jobs, store, "cpu", "here")
    for task in (*pending.tasks(), *pending.measurements(jobs)):
        do([task], store, pending)
        anew = PendingWork(jobs, store, "cpu", "here")
        assert pending.evaluated == anew.evaluated
        assert pending.left == anew.left
        assert pending.tasks() == anew.tasks()
        assert pending.measurements(jobs) == anew.measurements(jobs)
    assert pending.evaluated == jobs


def test_a_cost_counts_when_all_its_passes_are_done(store):
    """The cost of methods that keep data is measured last; an interruption leaves some of the passes."""
    jobs = [job()]
    pending = PendingWork(jobs, store, "cpu", "here")
    first, *others = pending.measurements(jobs)
    do([*pending.tasks(), first], store, pending)
    interrupted = PendingWork(jobs, store, "cpu", "here")
    assert (len(others), len(interrupted.ready)) == (PASSES - 1, 0)
    do(others, store, interrupted)
    assert list(interrupted.ready) == list(PendingWork(jobs, store, "cpu", "here").ready) == jobs
    assert pending.tasks() == []
    latency = store.measurements.get(pending.cost_id(jobs[0])).cost.latency
    assert len(latency.passes) == PASSES
    assert sum(latency.passes) == len(latency.samples_ms)


def test_a_failure_concerns_all_that_need_it_until_it_is_forgotten(store):
    jobs = jobs_of_two_trainings()
    pending = PendingWork(jobs, store, "cpu", "here")
    first = next(task for task in pending.tasks() if task.kind == "train")
    record_failure(store, first.ids, first.title, "error", "the disk is on fire", jobs[0].portable)
    pending.end_task(first, "failed")
    told = store.failures.get(first.ids[0])
    assert (told.method, told.preset, told.data, told.seed) == ("toy", "tiny", "population", 0)
    assert list(pending.failures) == [one.id for one in jobs[:2]]
    assert pending.left == jobs[2:]
    assert first.name not in {task.name for task in pending.tasks()}
    assert PendingWork(jobs, store, "cpu", "here").failures == pending.failures
    pending.forget_failures()
    assert pending.left == jobs
    assert not store.failures.ids()


def test_of_a_task_that_failed_what_was_evaluated_counts(store):
    one, two = (job(evaluation={"hypotheses": h}) for h in (1, 2))
    run([one], store, "cpu")
    pending = PendingWork([one, two], store, "cpu", "here")
    assert pending.finished == {one.id}
    (task,) = pending.tasks()
    assert task.ids == (two.id,)
    pending.end_task(task, "failed")
    assert pending.evaluated == [two], "there is no failure of it in the store"


def test_contents_are_shared_by_those_who_hand_them_on(store, monkeypatch):
    contents = StoreContents(store)
    monkeypatch.setattr(type(store), "finished", lambda self: pytest.fail("the store is read again"))
    wanted = job()
    PendingWork([wanted], store, "cpu", "here", contents).add_finished([wanted.id])
    assert PendingWork([wanted], store, "cpu", "here", contents).left == []
