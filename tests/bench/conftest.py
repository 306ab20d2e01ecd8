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
