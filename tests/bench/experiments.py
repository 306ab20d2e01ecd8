"""Cheap experiments with the toy method, on the synthetic data or the toy data, for the processes of executors."""

from bench.config.experiment import parse
from bench.job.data_cache import DataCache
from bench.job.resolve import resolve


def job(cache=None, **changes):
    description = {
        "method": {"name": "toy"},
        "training": {"epochs": 1, "batch_frames": 20_000},
        "evaluation": {"windows": 8, "hypotheses": 2, "steps": 2},
    }
    for key, value in changes.items():
        description.setdefault(key, {}).update(value)
    return resolve(parse(description), cache)


def some(seeds=2, hypotheses=(1, 2), steps=(1, 2), epochs=1, **changes):
    """Several trainings, and several evaluations that are read off each."""
    cache = DataCache()
    return [
        job(cache, training={"seed": seed, "epochs": epochs}, evaluation={"hypotheses": h, "steps": k}, **changes)
        for seed in range(seeds)
        for h in hypotheses
        for k in steps
    ]


def numbers(records):
    """What must be equal however records came to be."""
    return {
        name: (record.values, record.data, record.conditions, record.training.loss)
        for name, record in records.items()
    }
