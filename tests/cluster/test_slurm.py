"""A real SLURM on this machine; `nox -s slurm` runs it."""

import subprocess

import pytest

from bench.results.store import Store
from bench.sweep.executors.slurm import Slurm
from bench.sweep.run import run
from tests.bench.experiments import job, numbers, some
from tests.cluster import one_machine

pytest.importorskip("submitit")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(one_machine.missing()), reason=one_machine.missing()),
]


@pytest.fixture
def cluster(tmp_path):
    with one_machine.slurm(tmp_path):
        yield


def test_jobs_give_the_same_numbers_as_this_process(toy_everywhere, cluster, tmp_path):
    jobs = some()
    here = run(jobs, Store(tmp_path / "here"), "cpu")
    with Slurm(tmp_path / "there", 2, 1, {"timeout_min": 10}) as executor:
        there = run(jobs, Store(tmp_path / "there"), "cpu", executor)
    assert not there.failures
    assert numbers(there.records) == numbers(here.records)


def test_a_job_that_is_killed_is_begun_again(toy_everywhere, cluster, tmp_path):
    wanted = job(training={"epochs": 60})
    store = Store(tmp_path / "there")
    with Slurm(store.root, 1, 1, {"timeout_min": 10}) as executor:
        submitted = []

        class Watched(Slurm):
            def submit(self, task, attempt):
                super().submit(task, attempt)
                submitted.append(attempt)
                if len(submitted) == 1:
                    (name,) = self._running
                    subprocess.run(["scancel", "--signal=KILL", "--full", name], check=False)
                    subprocess.run(["scancel", name], check=True)

        executor.__class__ = Watched
        outcome = run([wanted], store, "cpu", executor)
    assert set(outcome.records) == {wanted.id}
    assert submitted[:2] == [0, 1]
