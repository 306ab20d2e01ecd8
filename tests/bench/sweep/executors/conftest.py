import pytest

from bench.config.registry import METHODS
from bench.results.store import Store
from bench.sweep.run import run
from tests.bench.experiments import numbers, some


@pytest.fixture(scope="package")
def expected(tmp_path_factory):
    """Ids of the experiments → what they give in this process, one after the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS.own, "toy", "tests.bench.toy:Toy")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return numbers(run(some(), Store(tmp_path_factory.mktemp("here")), "cpu").records)
