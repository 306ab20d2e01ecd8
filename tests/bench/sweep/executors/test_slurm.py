"""Jobs of submitit on this machine, without SLURM; ``tests/cluster`` has a real one."""

import signal
import threading
import time

import psutil
import submitit

from bench.results.store import Store
from bench.results.tracking.journal import journals, read
from bench.sweep.executors.slurm import Slurm
from bench.sweep.run import run
from tests.bench.experiments import job, numbers, some
from tests.bench.mlflow_runs import search_runs


def test_jobs_of_submitit(store, expected):
    wanted = some(seeds=1, hypotheses=(2,), steps=(1,), data={"name": "toy"})  # each job starts an interpreter
    with Slurm(store.root, 2, 1, {"cluster": "local", "timeout_min": 5}) as executor:
        outcome = run(wanted, store, "cpu", executor)
    assert not outcome.failures
    (record,) = outcome.records.values()
    assert record.values == expected[wanted[0].id][0]


def test_a_training_that_loses_its_machine_saves_and_goes_on(store, tmp_path):
    """As SLURM announces it: with the signal that submitit asks for. Nothing is saved for another reason."""
    wanted = [job(training={"epochs": 160, "batch_frames": 90}, data={"name": "toy"})]
    undisturbed = run(wanted, Store(tmp_path / "whole"), "cpu")
    executor, saved = Slurm(store.root, 1, 1, {"cluster": "local", "timeout_min": 5}), []

    def take_away():
        ends = time.monotonic() + 300  # so that a training that never begins fails, and does not hang
        while not any(read(path)[0] for path in journals(store.root)) and time.monotonic() < ends:
            time.sleep(0.01)
        (name,) = executor.job_ids()
        (child,) = psutil.Process(int(name)).children()
        child.send_signal(signal.SIGUSR2)
        child.wait(60)
        saved.extend(store.root.glob("trainings/*/state.pt"))

    thread = threading.Thread(target=take_away, daemon=True)
    thread.start()
    with executor:
        outcome = run(wanted, store, "cpu", executor)
    thread.join()
    assert len(saved) == 1
    assert [path for path in store.root.glob("slurm/*.out") if "Requeued job" in path.read_text()]
    assert numbers(outcome.records) == numbers(undisturbed.records)
    (training,) = search_runs(store, "tags.`bench.kind` = 'training'")
    assert training.info.status == "FINISHED"


def test_names_of_submitit_that_the_executor_relies_on(tmp_path):
    job = submitit.AutoExecutor(tmp_path, cluster="debug").submit(int)
    assert job.result() == 0
    assert job.done() is True
    assert isinstance(job.job_id, str)
    assert callable(job.cancel)
    assert job.paths.result_pickle.parent == job.paths.folder == tmp_path
