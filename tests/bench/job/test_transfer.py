"""Trained on one data set, tested on another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import bench.data
from bench.config.experiment import parse
from bench.data.sequence import Dataset
from bench.job.resolve import resolve
from bench.results.store import Store
from bench.sweep.run import run
from models.errors import InputError
from models.skeleton import MPI_INF_3DHP
from tests.bench import toy
from tests.bench.toy_jobs import job

OTHER = {"name": "other", "root": "somewhere", "leave_out": ["S9/Eating"]}


def two_sets(name: str, root: Path | None, detections: str, options: dict[str, object]) -> Dataset:
    """The toy data, and an "other" set at half the frame rate with one take less."""
    known = toy.dataset(name, root, detections)
    if name != "other":
        return known
    assert options == {"leave_out": ("S9/Eating",)}
    test = tuple(replace(sequence, fps=25.0) for sequence in known.test if sequence.take != "S9/Eating")
    return replace(known, name=name, label="other motion", test=test, fingerprint="f" * 16)


@pytest.fixture
def two(toy_store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(bench.data, "load", two_sets)
    return toy_store


def test_the_weights_are_those_of_the_training_set_and_the_numbers_name_both(two: Store) -> None:
    usual, moved = job(), job(evaluation={"data": OTHER, "windows": 4})
    assert moved.training_id == usual.training_id
    assert moved.id != usual.id
    outcome = run([usual, moved], two, "cpu")
    assert outcome.trained == 1
    record = outcome.records[moved.id]
    assert record.data.label == "other motion, trained on toy motion"
    assert record.conditions.notes["trained on other data"] == "toy motion; frames per second 50, tested at 25"
    assert {take.name for take in record.data.takes} <= {"S9/Eating 1", "S9/Walking", "S9/Walking 1"}
    assert "trained on other data" not in outcome.records[usual.id].conditions.notes


def test_where_the_files_are_is_in_no_identity(two: Store) -> None:
    here, there = (
        resolve(parse({"method": {"name": "toy"}, "evaluation": {"data": OTHER | {"root": root}}}))
        for root in ("a", "b")
    )
    assert (here.id, here.sampling_id, here.cost_id) == (there.id, there.sampling_id, there.cost_id)
    assert here.portable.evaluation.data is not None
    assert here.portable.evaluation.data.root == Path("a").absolute()


def test_another_skeleton_is_refused(two: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        bench.data,
        "load",
        lambda name, *asked: replace(
            toy.dataset(name, *asked), skeleton=MPI_INF_3DHP if name == "other" else toy.HUMAN36M
        ),
    )
    with pytest.raises(InputError, match="joints of human36m, evaluation.data 'toy' those of mpi_inf_3dhp"):
        job(evaluation={"data": OTHER})
