"""What a sweep would do, how long it should take and what it needs, in words."""

import re
from types import SimpleNamespace

import pytest
import torch

from bench.job.blueprint import Blueprints
from bench.job.pending import PendingWork
from bench.results.store import Seconds
from bench.sweep import dry_run
from bench.sweep.device_speed import Speed
from bench.sweep.dry_run import disk_problems, dry_run_lines, left_out_lines, notes, tasks_of
from bench.sweep.estimates import Estimates
from bench.sweep.run import run
from bench.training import checkpoints, trainer
from tests.bench.toy_jobs import job

SLOW = Speed(per_call=1.0, per_byte=0.0, per_flop=0.0)


@pytest.fixture
def store(toy_store):
    return toy_store


@pytest.fixture
def plan(store):
    """Pending work of some jobs, and its estimates on a device that takes a second for each operation."""

    def of(*jobs):
        pending = PendingWork(jobs, store, "cpu", "here")
        return pending, Estimates(pending, store, Blueprints(torch.device("cpu")), SLOW)

    return of


def test_what_is_alike_stands_together_in_every_round(plan, store):
    first = [job(evaluation={"hypotheses": h, "steps": k}) for h in (1, 2) for k in (1, 2)]
    second = [*first, *(job(training={"seed": 1}, evaluation={"hypotheses": h, "steps": 1}) for h in (1, 2))]
    third = [*second, *(job(training={"seed": 2}, evaluation={"hypotheses": h, "steps": 1}) for h in (1, 2))]
    rounds = [plan(*jobs)[0] for jobs in (first, second, third)]
    lines = list(dry_run_lines(rounds, plan(*third)[1], 2))
    assert lines[0] == "8 experiments share 3 trainings; 0 are finished, 0 failed before, 8 are to be done"
    assert re.fullmatch(r"round 1 of 3: about \d+ min", lines[1])
    assert re.fullmatch(r"  12 measurements of Toy tiny: about \d+ min each", lines[2])
    assert any(re.fullmatch(r"  1 training of Toy tiny: about \d+ (s|min)", line) for line in lines)
    assert "round 3 of 3: the same with another seed" in lines
    needs = r"\d+ MB on the disk, \d+ MB of memory for the largest training step \(Toy tiny .*\)"
    assert re.fullmatch(f"in total, with 2 workers: about .*, {needs}", lines[-1])


def test_what_is_done_is_not_planned_again_and_tells_how_long_the_like_takes(plan, store):
    run([job()], store, "cpu")
    pending, _ = plan(job(), job(training={"seed": 5}))
    (training,) = [task for task in tasks_of(pending) if task.kind == "train"]
    store.times.put(training.duration_key, Seconds(seconds=7200))
    lines = "\n".join(dry_run_lines([pending], plan(job(), job(training={"seed": 5}))[1], 1))
    assert "2 experiments share 2 trainings; 1 are finished, 0 failed before, 1 are to be done" in lines
    assert "1 training of Toy tiny: about 2.0 h" in lines


def test_what_is_left_out_stands_together_by_its_reason(store):
    left_out = [job().missing("too short"), job(training={"seed": 1}).missing("too short"), job().missing("odd")]
    assert list(left_out_lines(left_out)) == [
        "too short: 2 experiments of Toy (2)",
        "odd: 1 experiment of Toy (1)",
    ]


def test_estimates_follow_from_what_is_counted(plan):
    """Twice the epochs take twice the steps; more hypotheses take no more operations of the toy."""
    seconds = {}
    for epochs in (2, 4):
        pending, estimates = plan(job(training={"epochs": epochs, "selection": "last"}))
        (training,) = [task for task in tasks_of(pending) if task.kind == "train"]
        seconds[epochs] = estimates.seconds(training) - 0.5
    assert seconds[4] == pytest.approx(2 * seconds[2])


def test_too_little_room_on_the_disk_is_told_before_the_start(plan, store, monkeypatch):
    pending, estimates = plan(job())
    assert disk_problems(tasks_of(pending), estimates, store.root, 1) == []
    monkeypatch.setattr(dry_run.shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    (told,) = disk_problems(tasks_of(pending), estimates, store.root / "new", 1)
    assert re.fullmatch(r"--store .*/new: needs \d+ MB, and .* has 0 MB free: name another folder", told)


def test_room_on_the_disk_is_also_for_the_states_of_trainings_that_run(plan, store):
    """Two states of each, as large as weights and two moments, and the best weights thrice; for each worker."""
    pending, estimates = plan(job(), job(training={"seed": 1}))
    trainings = [task for task in tasks_of(pending) if task.kind == "train"]
    weights = sum(tensor.nbytes for tensor in job().build().state_dict().values())
    results = 2 * weights
    assert estimates.disk(trainings, 1) == results + (2 * 3 + 3) * weights
    assert estimates.disk(trainings, 2) == estimates.disk(trainings, 8) == results + 2 * (2 * 3 + 3) * weights


def test_a_training_takes_as_much_disk_as_was_told(plan, store, monkeypatch):
    """It saves after every step; its files take the most room after the last one."""
    save, sizes = checkpoints.save_state, []

    def watched(folder, state):
        size = save(folder, state)
        sizes.append(sum(path.stat().st_size for path in folder.iterdir()))
        return size

    monkeypatch.setattr(checkpoints, "save_state", watched)
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    one = job(method={"name": "mixste"})
    pending, estimates = plan(one)
    (training,) = [task for task in tasks_of(pending) if task.kind == "train"]
    weights = sum(tensor.nbytes for tensor in one.build().state_dict().values())
    run([one], store, "cpu")
    assert max(sizes) == pytest.approx(estimates.disk([training], 1) - weights, rel=0.2)


def test_steps_that_do_not_fit_into_free_memory_are_noted(plan, monkeypatch):
    pending, estimates = plan(job())
    assert list(notes(tasks_of(pending), estimates, 2)) == []
    monkeypatch.setattr(Estimates, "free_memory", lambda self: (10, "cuda:0"))
    (told,) = notes(tasks_of(pending), estimates, 2)
    assert "a training step of Toy tiny cpn takes" in told
    assert "2 times at once; cuda:0 has 0 MB free" in told
