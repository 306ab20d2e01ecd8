"""The toys of the tests of ``bench``."""

from tests.bench.conftest import empty_database, quick_start, toy_suite

__all__ = ["empty_database", "quick_start", "toy_suite"]
