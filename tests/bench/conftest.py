import pytest

import bench.data
from bench import plan, registry
from tests.bench import toy


@pytest.fixture
def toy_suite(monkeypatch):
    """The registry knows the method "toy", and every data set is the toy one."""
    plan._load.cache_clear()
    monkeypatch.setitem(registry.METHODS, "toy", "tests.bench.toy:Toy")
    monkeypatch.setattr(bench.data, "load", toy.dataset)
    yield
    plan._load.cache_clear()
