"""Jobs of submitit on this machine, without SLURM; ``tests/cluster`` has a real one."""

import errno
import signal
import threading
import time
import traceback
from unittest.mock import Mock

import psutil
import pytest
import submitit

from bench.results.store import Store
from bench.results.tracking.journal import journals, read
from bench.sweep.executors import cluster
from bench.sweep.executors.slurm import Slurm
from bench.sweep.run import run
from models.errors import InputError
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
    """SLURM announces it with the signal that submitit asks for. Nothing is saved for another reason."""
    wanted = [job(training={"epochs": 160, "batch_frames": 90}, data={"name": "toy"})]
    undisturbed = run(wanted, Store(tmp_path / "whole"), "cpu")
    executor, saved = Slurm(store.root, 1, 1, {"cluster": "local", "timeout_min": 5}), []

    def take_away():
        ends = time.monotonic() + 300  # so that a training that never begins fails, and does not hang
        while not any(read(path)[0] for path in journals(store.root)) and time.monotonic() < ends:
            time.sleep(0.01)
        (name,) = executor._running
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


def in_submitit(do, *arguments):
    """What a function returns; whatever it raises becomes a traceback in a ``RuntimeError``."""
    try:
        return do(*arguments)
    except Exception:
        raise RuntimeError(traceback.format_exc()) from None


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space"), InputError("the data are not here")])
def test_an_error_of_a_job_is_the_one_that_it_met(tmp_path, monkeypatch, error):
    monkeypatch.setattr(cluster, "run_with_threads", Mock(side_effect=error))
    executor = Slurm(tmp_path, 1, 1, {"cluster": "debug"})
    executor._executor = Mock()
    executor._executor.submit = lambda do, *arguments: Mock(job_id="1", result=lambda: in_submitit(do, *arguments))
    executor.submit(None, 0)
    with pytest.raises(type(error), match=str(error.args[-1])):
        executor.collect(5)


def test_names_of_submitit_that_the_executor_relies_on(tmp_path):
    job = submitit.AutoExecutor(tmp_path, cluster="debug").submit(int)
    assert job.result() == 0
    assert job.done() is True
    assert isinstance(job.job_id, str)
    assert callable(job.cancel)
    assert job.paths.result_pickle.parent == job.paths.folder == tmp_path
