"""The same work in this process, in worker processes, and in jobs gives the same numbers, whatever is lost."""

import os
import signal
import threading
import time

import numpy as np
import psutil
import pytest

from bench.config.registry import METHODS
from bench.results.store import Store
from bench.sweep.executors import Local, Processes, executor_for
from bench.sweep.executors.clusters import Slurm
from bench.sweep.run import run
from models.errors import InputError
from tests.bench.experiments import job, numbers, some


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Ids of the experiments → what they give in this process, one after the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS.own, "toy", "tests.bench.toy:Toy")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return numbers(run(some(), Store(tmp_path_factory.mktemp("here")), "cpu").records)


def test_two_workers_in_any_order(toy_everywhere, expected, tmp_path):
    store = Store(tmp_path / "store")
    with Processes(store.root, workers=2) as executor:
        outcome = run(some()[::-1], store, "cpu", executor)
    assert numbers(outcome.records) == expected


def test_a_part_of_them_alone(toy_everywhere, expected, tmp_path):
    wanted = some(seeds=1, hypotheses=(2,), steps=(1,))
    (record,) = run(
        wanted, Store(tmp_path / "store"), "cpu", Local(tmp_path / "store", threads=1)
    ).records.values()
    assert record.values == expected[wanted[0].id][0]


def test_killed_workers(toy_everywhere, expected, tmp_path):
    store = Store(tmp_path / "store")
    with Processes(store.root, workers=2) as executor:
        killed = []

        def kill_each_once():
            while len(killed) < 2:
                for child in psutil.Process().children():
                    if child.pid not in killed and "spawn_main" in " ".join(child.cmdline()):
                        killed.append(child.pid)
                        time.sleep(2)
                        os.kill(child.pid, signal.SIGKILL)
                time.sleep(0.05)

        threading.Thread(target=kill_each_once, daemon=True).start()
        outcome = run(some(), store, "cpu", executor)
    assert len(killed) == 2
    assert not outcome.failures
    assert numbers(outcome.records) == expected


def test_jobs_of_submitit(toy_everywhere, expected, tmp_path):
    wanted = some(seeds=1)
    store = Store(tmp_path / "store")
    with Slurm(store.root, 2, 1, {"cluster": "local", "timeout_min": 5}) as executor:
        outcome = run(wanted, store, "cpu", executor)
    assert not outcome.failures
    for record in outcome.records.values():
        assert record.values == expected[record.id][0]


def test_noise_does_not_depend_on_what_is_evaluated_together(toy_suite, tmp_path, monkeypatch):
    """A diffusion method on some windows and on more of them: the same error in every frame of both."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    described = {"method": {"name": "d3dp"}, "training": {"epochs": 1, "least_steps": 1, "batch_frames": 500}}
    few, many = (
        job(**described, evaluation={"windows": windows, "hypotheses": 3, "steps": 2}) for windows in (10, 35)
    )
    store = Store(tmp_path / "store")
    outcome = run([few, many], store, "cpu", Local(store.root, threads=1))
    assert not outcome.failures
    part, whole = (_by_frame(np.load(store.files.errors_path(wanted.id))) for wanted in (few, many))
    assert set(part) < set(whole)
    for frame, error in part.items():
        assert error == pytest.approx(whole[frame], abs=1e-3)


def _by_frame(errors):
    values, keys = errors["frames/mpjpe/P-Agg"], errors["keys"]
    places = zip(errors["sequence"].tolist(), errors["frame"].tolist(), strict=True)
    return {(keys[sequence], frame): value for (sequence, frame), value in zip(places, values, strict=True)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "rya"}, "--executor rya: is unknown; did you mean 'ray'"),
        ({"name": "local", "workers": 2}, "the executor local is one process"),
        ({"name": "processes", "share": {"gpus": 1}}, "--share: is for the executors ray and slurm"),
        ({"name": "slurm", "share": {"cluster": "local", "gpus": 1}}, "--share: submitit does not take it"),
    ],
)
def test_what_cannot_be_had(tmp_path, arguments, words):
    with pytest.raises(InputError, match=words):
        executor_for(root=tmp_path, device="cpu", **arguments)


def test_the_default_is_a_worker_per_core(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    executor = executor_for(None, tmp_path, "cpu")
    assert (type(executor), executor.slots, executor.threads) == (Processes, 3, 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert isinstance(executor_for(None, tmp_path, "cpu"), Local)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    assert isinstance(executor_for(None, tmp_path, "cpu"), Local)


def test_workers_share_the_gpus(tmp_path):
    executor = Processes(tmp_path, workers=3, threads=2, gpus=["4", "7"])
    shares = [executor._environment(number) for number in range(3)]
    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == ["4", "7", "4"]
    assert {share["OMP_NUM_THREADS"] for share in shares} == {"2"}
