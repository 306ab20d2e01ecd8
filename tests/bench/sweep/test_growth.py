"""A process that goes through many experiments does not grow with their number."""

import ctypes
import gc
from contextlib import suppress

import psutil

from bench.config.experiment import parse
from bench.job.data_cache import MOST_DATA_SETS, DataCache
from bench.job.resolve import resolve
from bench.sweep.run import run

WARM_UP, MORE = 18, 48
MOST_KB = 150
"""Of resident memory that an experiment may leave: about 10 were measured; a copy of the toy data has 330."""


def jobs(number):
    """Experiments on more data sets than a cache keeps, in turns; each is evaluated in many ways."""
    cache = DataCache()
    descriptions = [
        {
            "method": {"name": "toy"},
            "data": {"detections": str(n % (MOST_DATA_SETS + 2))},
            "training": {"epochs": 1},
            "evaluation": {"windows": 2, "steps": 1, "seed": n // (MOST_DATA_SETS + 2)},
        }
        for n in range(number)
    ]
    return [resolve(parse(description), cache) for description in descriptions]


def resident_kb():
    gc.collect()
    with suppress(OSError, AttributeError):  # not with other C libraries than GNU's
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return psutil.Process().memory_info().rss / 1000


def test_memory_of_many_experiments(toy_store):
    assert len(run(jobs(WARM_UP), toy_store, "cpu").records) == WARM_UP
    before = resident_kb()
    wanted = jobs(WARM_UP + MORE)
    assert len(run(wanted, toy_store, "cpu").records) == WARM_UP + MORE
    assert (resident_kb() - before) / MORE < MOST_KB
