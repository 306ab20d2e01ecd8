import os
from pathlib import Path

import pytest

import bench.data
from bench import plan, registry
from tests.bench import toy


@pytest.fixture
def toy_suite(monkeypatch):
    """The registry knows the toy methods, and every data set is the toy one."""
    plan._load.cache_clear()
    for name in ("toy", "confident", "second"):
        monkeypatch.setitem(registry.METHODS, name, f"tests.bench.toy:{name.title()}")
    monkeypatch.setattr(bench.data, "load", toy.dataset)
    yield
    plan._load.cache_clear()


@pytest.fixture
def toy_everywhere(tmp_path, monkeypatch):
    """Every process that is started from here knows the toy methods too, as those of another package."""
    package = tmp_path / "plugin" / "toys-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[lifting_bench.methods]\ntoy = tests.bench.toy:Toy\n")
    monkeypatch.syspath_prepend(package.parent)
    root = Path(__file__).parent.parent.parent
    paths = [str(package.parent), str(root), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
