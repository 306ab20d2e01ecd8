"""Which executor the command line gets."""

import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from bench.config.registry import EXECUTORS
from bench.results.store import Store
from bench.sweep.executors import executor_for
from bench.sweep.executors.base import Request
from bench.sweep.executors.local import Local
from bench.sweep.executors.processes import Processes
from bench.sweep.run import run
from models.errors import InputError
from tests.bench.toy_jobs import job


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
        executor_for(arguments.pop("name"), Request(tmp_path, "cpu", **arguments))


def test_a_cluster_that_is_not_there_is_one_sentence_and_makes_nothing(tmp_path, monkeypatch):
    def init(**options):
        raise ConnectionError("nobody answers\nat all")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False, init=init))
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("PATH", str(tmp_path))
    request = Request(tmp_path / "store", "cpu")
    with pytest.raises(InputError, match=r"the cluster 127.0.0.1:9 cannot be reached \(nobody answers\); check"):
        executor_for("ray", request)
    with pytest.raises(InputError, match="--executor slurm: .*srun.*; start it on a machine of the cluster"):
        executor_for("slurm", request)
    executor_for("slurm", replace(request, share={"cluster": "local"}))
    assert not list(tmp_path.iterdir())


def test_the_default_is_a_worker_per_core(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    executor = executor_for(None, Request(tmp_path, "cpu"))
    assert (type(executor), executor.slots, executor.threads) == (Processes, 3, 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert isinstance(executor_for(None, Request(tmp_path, "cpu")), Local)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    assert isinstance(executor_for(None, Request(tmp_path, "cpu")), Local)


def test_local_is_one_worker_on_a_machine_of_several_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    executor = executor_for("local", Request(tmp_path, "cpu"))
    assert (type(executor), executor.slots, executor.threads) == (Local, 1, 1)


@pytest.mark.parametrize(("device", "gpus", "kind"), [("cuda", ["0", "1"], Processes), ("cuda:1", [], Local)])
def test_workers_are_as_many_as_gpus(tmp_path, monkeypatch, device, gpus, kind):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    request = Request(tmp_path, device)
    assert request.gpus() == gpus
    assert request.workers_here() == max(1, len(gpus))
    assert isinstance(executor_for(None, request), kind)


def test_a_library_that_is_not_installed_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "submitit", None)
    with pytest.raises(InputError, match=r"submitit is not installed; run `pip install .* -e \"\.\[slurm\]\"`"):
        executor_for("slurm", Request(tmp_path, "cpu"))


class Backwards(Local):
    """An executor of another package: the task that came last is done first."""

    @classmethod
    def from_request(cls, request):
        return cls(request.root, threads=1)

    def submit(self, task, attempt):
        self.waiting = [*getattr(self, "waiting", []), (task, attempt)]

    def collect(self, seconds):
        super().submit(*self.waiting.pop())
        return super().collect(seconds)


def test_an_executor_of_another_package(toy_store, tmp_path, monkeypatch):
    package = tmp_path / "plugin" / "backwards-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: backwards\nVersion: 1.0\n")
    group = "[lifting_bench.executors]"
    (package / "entry_points.txt").write_text(f"{group}\nbackwards = {__name__}:Backwards\n")
    monkeypatch.syspath_prepend(package.parent)
    assert EXECUTORS.names() == ["local", "processes", "ray", "slurm", "backwards"]
    wanted = job()
    with executor_for("backwards", Request(toy_store.root, "cpu")) as executor:
        assert type(executor).__name__ == "Backwards"
        assert set(run([wanted], Store(toy_store.root), "cpu", executor).records) == {wanted.id}
