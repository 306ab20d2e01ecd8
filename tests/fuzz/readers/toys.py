"""A method and a data set that cost nothing, known to this process under the name ``toy``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import bench.data
from bench.config.experiment import parse
from bench.config.registry import DATASETS, METHODS
from bench.job import pipeline
from bench.job.data_cache import DataCache
from bench.job.jobs import Job
from bench.job.resolve import resolve
from tests.bench import toy

DESCRIPTION: dict[str, Any] = {
    "method": {"name": "toy"},
    "data": {"name": "toy"},
    "training": {"epochs": 2, "seed": 0},
    "evaluation": {"windows": 4, "hypotheses": 2, "steps": 2},
}


@cache
def know_the_toys() -> None:
    """Register the toy method and the toy data; every other data set stays what it is."""
    METHODS.own["toy"] = "tests.bench.toy:Toy"
    DATASETS.own["toy"] = "tests.bench.toy:dataset"
    pipeline.TINY_LATENCY_SECONDS = 0.001
    pipeline.LATENCY_INPUTS = 1
    real = bench.data.load

    def load(name: str, root: Path | None = None, detections: str = "gt", options: Any = None) -> Any:
        return (
            toy.dataset(name, root, detections, options)
            if name == "toy"
            else real(name, root, detections, options)
        )

    bench.data.load = load


@cache
def toy_job() -> Job:
    """One experiment with the toys."""
    know_the_toys()
    return resolve(parse(DESCRIPTION), DataCache())
