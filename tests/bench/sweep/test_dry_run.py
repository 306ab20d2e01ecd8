"""What a sweep would do, in words."""

import re

import pytest

from bench.job.pending import PendingWork
from bench.results.cost import PASSES
from bench.results.store import Seconds
from bench.sweep.dry_run import dry_run_lines, expected
from bench.sweep.run import run
from tests.bench.toy_jobs import job


@pytest.fixture
def store(toy_store):
    return toy_store


def test_it_says_what_is_shared_done_and_expected(store):
    jobs = [job(evaluation={"hypotheses": h, "steps": k}) for h in (1, 2) for k in (1, 2)]
    before = "\n".join(dry_run_lines(PendingWork(jobs, store, "cpu", "here"), store, 1))
    assert "4 experiments share 1 trainings; 0 are finished, 0 failed before, 4 are to be done" in before
    assert "1 evaluations: time unknown" in before
    assert "(4 experiments)" in before
    run(jobs, store, "cpu")
    more = [*jobs, job(training={"seed": 5})]
    after = "\n".join(dry_run_lines(PendingWork(more, store, "cpu", "here"), store, 2))
    assert "5 experiments share 2 trainings; 4 are finished, 0 failed before, 1 are to be done" in after
    assert re.search(r"Toy tiny cpn seed 5: \d+ s", after), "as long as the other one took"


def test_costs_are_measured_one_at_a_time_whatever_the_number_of_workers(store):
    pending = PendingWork([job()], store, "cpu", "here")
    tasks = [*pending.tasks(), *pending.measurements(pending.left)]
    assert [task.kind for task in tasks] == ["train", "evaluate", *["measure"] * PASSES]
    assert expected([], store, 4) == "nothing to do"
    assert expected(tasks, store, 4) == "time unknown, nothing like it was done before"
    for task in tasks[1:]:
        store.times.put(task.duration_key, Seconds(seconds=40))
    assert expected(tasks, store, 4) == "2 min and 1 of unknown length"
