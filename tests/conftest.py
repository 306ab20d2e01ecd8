"""What every test process does."""

import gc
import os
import sys

import pytest

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # small tensors gain nothing from more, and a busy machine loses much

MANY_MODULES = 50


class Frozen:
    """What is imported stays to the end: it is not looked through for garbage, as each measured cost asks for.

    With torch, MLflow and all tests that takes a third of a second each time.
    """

    modules = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        if len(sys.modules) > self.modules + MANY_MODULES:
            self.modules = len(sys.modules)
            gc.collect()
            gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Frozen())
