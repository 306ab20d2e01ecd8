"""A sweep of cheap experiments that is disturbed: ``python -m tests.chaos.disturbed STORE EXPERIMENTS``.

Two workers do what the toy method on toy data asks for. While the file ``$CHAOS_FULL`` is there, nothing can be
written, as on a full disk.
"""

import errno
import os
import sys
from pathlib import Path

import bench.data
from bench.config.experiment import parse
from bench.config.registry import METHODS
from bench.job import pipeline
from bench.job.data_cache import DataCache
from bench.job.resolve import resolve
from bench.results.store import Store
from bench.results.tracking import connection
from bench.sweep import run as sweep
from bench.sweep.executors.processes import Processes
from tests.bench import toy

OF_A_TRAINING = 8
"""Experiments that share a training; four of them share a prediction."""


def jobs(number):
    """Different experiments, ``number`` of them."""
    descriptions = [
        {
            "method": {"name": "toy"},
            "training": {"epochs": 1, "seed": n // OF_A_TRAINING},
            "evaluation": {"windows": 4, "hypotheses": 1 + n % 4, "steps": 2, "seed": n // 4 % 2},
        }
        for n in range(number)
    ]
    cache = DataCache()
    return [resolve(parse(description), cache) for description in descriptions]


def fsync(handle, real=os.fsync):
    """Flush to a disk that is full while the file at ``CHAOS_FULL`` exists."""
    if Path(os.environ["CHAOS_FULL"]).exists():
        raise OSError(errno.ENOSPC, "No space left on device")
    real(handle)


if __name__ in ("__main__", "__mp_main__"):  # the program, and its workers
    METHODS.own["toy"] = "tests.bench.toy:Toy"
    bench.data.load = toy.dataset
    pipeline.TINY_LATENCY_SECONDS = 0.001
    connection.PATIENCE_SECONDS = 10.0
    sweep.MOST_TRIES = 50
    os.fsync = fsync

if __name__ == "__main__":
    store = Store(Path(sys.argv[1]))
    with Processes(store.root, workers=2) as executor:
        outcome = sweep.run(jobs(int(sys.argv[2])), store, "cpu", executor, retry_failed=True)
    sys.exit(1 if outcome.failures else 0)
