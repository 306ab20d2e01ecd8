"""Data with another number of joints than 17, from the checks to the record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bench.data
from bench.data.inspect.checks import check
from bench.data.sequence import Dataset, Sequence
from bench.results.store import Store
from bench.sweep.run import run
from models.skeleton import HUMAN36M, HUMANEVA15
from tests.bench import toy
from tests.bench.toy_jobs import job

COUNTERPARTS = [0, 8, 11, 12, 13, 14, 15, 16, 4, 5, 6, 1, 2, 3, 10]
"""Places of HumanEva-I's joints among Human3.6M's."""


def humaneva(name: str, root: Path | None, detections: str, options: object) -> Dataset:
    def of(sequence: Sequence) -> Sequence:
        return replace(
            sequence, pose_2d=sequence.pose_2d[:, COUNTERPARTS], pose_3d=sequence.pose_3d[:, COUNTERPARTS]
        )

    known = toy.dataset(name, root, detections)
    train, test = (tuple(map(of, part)) for part in (known.train, known.test))
    return replace(known, skeleton=HUMANEVA15, train=train, test=test, fingerprint="e" * 16)


def test_counterparts_have_the_same_sides() -> None:
    for side in ("left", "right"):
        assert {COUNTERPARTS[joint] for joint in getattr(HUMANEVA15, side)} == set(getattr(HUMAN36M, side))


def test_fifteen_joints_are_checked_trained_on_and_measured(toy_store: Store, monkeypatch) -> None:
    monkeypatch.setattr(bench.data, "load", humaneva)
    lines = {line.split(":")[0] for _, line in check(humaneva("toy", None, "gt", {}))}
    assert {"upright", "facing", "stature", "symmetric"} <= lines
    jobs = [job(), job(method={"name": "mean_pose"})]
    outcome = run(jobs, toy_store, "cpu")
    for wanted in jobs:
        record = outcome.records[wanted.id]
        assert record.data.joints == HUMANEVA15.joints
        assert {len(value.per_joint) for value in record.values if value.per_joint} == {15}
