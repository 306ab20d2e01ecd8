"""A process that goes through many experiments does not grow with their number."""

import ctypes
import gc
from contextlib import suppress

import psutil

from bench.config.experiment import parse
from bench.job.data_cache import MOST_DATA_SETS, DataCache
from bench.job.resolve import resolve
from bench.sweep.run import run

WARM_UP, MORE = 12, 36
MOST_KB = 200
"""Of resident memory that an experiment may leave: about 10 were measured; a copy of the toy data has 330."""


def jobs(number, cache):
    """Experiments on more data sets than a cache keeps, in turns; each is evaluated in many ways."""
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
    cache = DataCache()
    for number in (WARM_UP // 2, WARM_UP):  # the second time with an index to read
        assert len(run(jobs(number, cache), toy_store, "cpu").records) == number
    before = resident_kb()
    wanted = jobs(WARM_UP + MORE, cache)
    assert len(run(wanted, toy_store, "cpu").records) == len(wanted)
    assert (resident_kb() - before) / MORE < MOST_KB
