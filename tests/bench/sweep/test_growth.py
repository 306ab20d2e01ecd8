"""A process that goes through many experiments does not grow with their number."""

import ctypes
import gc

import pytest

from bench.config.experiment import parse
from bench.job import data_cache
from bench.job.data_cache import DataCache
from bench.job.resolve import resolve
from bench.sweep.run import run

WARM_UP, MORE = 12, 24
DATA_SETS = 6
MOST_KB = 100
"""Most kB that an experiment may leave: about 15 were measured; a copy of the toy data has 330."""


class _Allocated(ctypes.Structure):
    """What ``mallinfo2`` of the C library returns."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def jobs(number, cache):
    """Experiments on more data sets than a cache keeps, in turns; each is evaluated in many ways."""
    descriptions = [
        {
            "method": {"name": "toy"},
            "data": {"detections": str(n % DATA_SETS)},
            "training": {"epochs": 1},
            "evaluation": {"windows": 2, "steps": 1, "seed": n // DATA_SETS},
        }
        for n in range(number)
    ]
    return [resolve(parse(description), cache) for description in descriptions]


def allocated_kb():
    """What libraries hold (arrays, tensors, databases); resident memory says as much of what they held before."""
    try:
        mallinfo = ctypes.CDLL("libc.so.6").mallinfo2
    except (OSError, AttributeError):
        pytest.skip("the C library does not tell")
    mallinfo.restype = _Allocated
    gc.collect()
    found = mallinfo()
    return (found.uordblks + found.hblkhd) / 1000


def test_memory_of_many_experiments(toy_store, monkeypatch):
    monkeypatch.setattr(data_cache, "MOST_FRAMES", 1)
    cache = DataCache()
    for number in (WARM_UP // 2, WARM_UP):  # the second time with an index to read
        assert len(run(jobs(number, cache), toy_store, "cpu").records) == number
    before = allocated_kb()
    wanted = jobs(WARM_UP + MORE, cache)
    assert len(run(wanted, toy_store, "cpu").records) == len(wanted)
    assert (allocated_kb() - before) / MORE < MOST_KB
