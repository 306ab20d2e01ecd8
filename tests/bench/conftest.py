import os
import shutil

import pytest

import bench.data
from bench.config.registry import METHODS
from bench.job import pipeline
from bench.results.store import Store
from bench.results.tracking import tracker
from bench.sweep import tasks
from tests import ROOT
from tests.bench import toy


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """MLflow's tables, which take seconds to make, made once."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    tracker.make_database(path)
    return path


@pytest.fixture
def quick_start(monkeypatch, empty_database):
    """MLflow's tables, which take seconds to make, are copied; latency is measured for a moment only."""
    monkeypatch.setattr(pipeline, "TINY_LATENCY_SECONDS", 0.01)
    real = tracker.make_database
    monkeypatch.setattr(
        tracker, "make_database", lambda path: path.exists() or shutil.copy(empty_database, path) or real(path)
    )


@pytest.fixture
def toy_suite(monkeypatch, quick_start):
    """The registry knows the toy methods, and every data set is the toy one."""
    for name in ("toy", "confident", "second"):
        monkeypatch.setitem(METHODS.own, name, f"tests.bench.toy:{name.title()}")
    monkeypatch.setattr(bench.data, "load", toy.dataset)


@pytest.fixture
def toy_everywhere(tmp_path, monkeypatch):
    """Every process that is started from here knows toy method and toy data as those of another package."""
    package = tmp_path / "plugin" / "toys-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    toys = {"methods": "toy = tests.bench.toy:Toy", "datasets": "toy = tests.bench.toy:ToyData"}
    points = "".join(f"[lifting_bench.{group}]\n{point}\n" for group, point in toys.items())
    (package / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(package.parent)
    root = ROOT
    paths = [str(package.parent), str(root), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def toy_store(tmp_path, monkeypatch, toy_suite):
    """An empty store for toy jobs, in which little is measured and nothing is waited for."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(pipeline, "LATENCY_INPUTS", 1)
    monkeypatch.setattr(tasks, "PATIENCE_SECONDS", 0.02)
    return Store(tmp_path / "store")
