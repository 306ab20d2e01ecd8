"""The same work in this process, in worker processes, and in jobs gives the same numbers, whatever is lost."""

import os
import subprocess
import sys

import psutil

from bench.sweep.executors.processes import Processes
from bench.sweep.run import run
from tests import ROOT
from tests.bench.experiments import job, numbers, some
from tests.bench.toy import BREAKS
from tests.bench.toy_jobs import names_broken_devices


class Killed(Processes):
    """While it is told to, kills both workers as soon as each of them has a task."""

    kills, given, killed = False, 0, 0

    def submit(self, task, attempt):
        super().submit(task, attempt)
        self.given += 1
        if self.kills and self.given == 2:
            for child in psutil.Process().children():
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()
                    self.killed += 1


def test_two_workers_in_any_order_that_are_killed_then(store, expected):
    """One test, as each worker takes seconds to start."""
    jobs = some(data={"name": "toy"})[::-1]
    first = [job for job in jobs if job.experiment.evaluation.steps == 2]
    with Killed(store.root, workers=2) as executor:
        outcome = run(first, store, "cpu", executor)
        assert numbers(outcome.records) == {job.id: expected[job.id] for job in first}
        executor.kills, executor.given = True, 0
        outcome = run(jobs, store, "cpu", executor)
    assert executor.killed == 2
    assert not outcome.failures
    values = {name: record.values for name, record in outcome.records.items()}
    assert values == {name: found[0] for name, found in expected.items()}


class Counting(Processes):
    """Counts how often each task is submitted."""

    def submit(self, task, attempt):
        super().submit(task, attempt)
        self.submitted = [*getattr(self, "submitted", []), task.name]


@names_broken_devices
def test_a_worker_whose_device_is_broken_takes_no_further_task(store):
    breaking = job(method={"options": {"noise": BREAKS}}, data={"name": "toy"})
    others = [job(training={"seed": seed}, data={"name": "toy"}) for seed in (1, 2)]
    with Counting(store.root, workers=1) as executor:
        outcome = run([breaking, *others], store, "cpu", executor)
    assert outcome.records.keys() == {other.id for other in others}
    (failure,) = outcome.failures.values()
    assert failure.reason == "AcceleratorError: CUDA error: an illegal memory access was encountered"
    assert "training_loss" in failure.details
    assert len(executor.submitted) == len(set(executor.submitted)) == 5, "what is recorded is not tried again"


UNGUARDED = """
import sys
from pathlib import Path
from bench.job.task import Task
from bench.sweep.executors.processes import Processes
with Processes(Path(sys.argv[1]), workers=2) as executor:
    executor.submit(Task("train", "0", ("0",), (), frozenset(), "nothing", 0, "", "cpu"), 0)
    while True:
        executor.collect(10)
"""


def test_a_script_without_a_main_guard_is_one_sentence(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, script, tmp_path], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"models.errors.InputError: {script}: workers import it again")
    assert 'put what it runs under `if __name__ == "__main__":`' in last
    assert done.stderr.count("Traceback") == 1


def test_workers_share_the_gpus(tmp_path):
    executor = Processes(tmp_path, workers=3, threads=2, gpus=["4", "7"])
    shares = [executor.environment_of(number) for number in range(3)]
    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == ["4", "7", "4"]
    assert {share["OMP_NUM_THREADS"] for share in shares} == {"2"}
