"""Tasks in this process; and that what is evaluated together does not matter."""

import numpy as np
import pytest

from bench.config.experiment import parse
from bench.job.resolve import resolve
from bench.results.store import Store
from bench.sweep.executors.local import Local
from bench.sweep.run import run
from tests.bench.experiments import some


def test_a_part_of_them_alone(store, expected):
    wanted = some(seeds=1, hypotheses=(2,), steps=(1,), data={"name": "toy"})
    (record,) = run(wanted, store, "cpu", Local(store.root, threads=1)).records.values()
    assert record.values == expected[wanted[0].id][0]


def test_noise_does_not_depend_on_what_is_evaluated_together(toy_suite, tmp_path, monkeypatch):
    """A diffusion method on some windows and on more of them: the same error in every frame of both."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    described = {"method": {"name": "d3dp"}, "training": {"epochs": 1, "least_steps": 1, "batch_frames": 500}}
    few, many = (
        resolve(parse(described | {"evaluation": {"windows": windows, "hypotheses": 3, "steps": 2}}))
        for windows in (10, 35)
    )
    store = Store(tmp_path / "store")
    outcome = run([few, many], store, "cpu", Local(store.root, threads=1))
    assert not outcome.failures
    part, whole = (_by_frame(np.load(store.files.errors_path(wanted.id))) for wanted in (few, many))
    assert set(part) < set(whole)
    for frame, error in part.items():
        assert error == pytest.approx(whole[frame], abs=1e-3)


def _by_frame(errors):
    values, keys = errors["frames/mpjpe/P-Agg"], errors["keys"]
    places = zip(errors["sequence"].tolist(), errors["frame"].tolist(), strict=True)
    return {(keys[sequence], frame): value for (sequence, frame), value in zip(places, values, strict=True)}
