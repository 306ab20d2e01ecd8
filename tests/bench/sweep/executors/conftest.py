import shutil

import pytest

from bench.config.registry import DATASETS, METHODS
from bench.results.store import Store
from bench.sweep.run import run
from tests.bench.experiments import numbers, some


@pytest.fixture
def store(toy_everywhere, quick_start, tmp_path):
    """An empty store for the toys of every process."""
    return Store(tmp_path / "store")


@pytest.fixture(scope="package")
def expected(tmp_path_factory, empty_database):
    """Ids of the experiments on the toy data → what they give in this process, one after the other."""
    root = tmp_path_factory.mktemp("here")
    shutil.copy(empty_database, root / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS.own, "toy", "tests.bench.toy:Toy")
        patch.setitem(DATASETS.own, "toy", "tests.bench.toy:ToyData")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return numbers(run(some(data={"name": "toy"}), Store(root), "cpu").records)
