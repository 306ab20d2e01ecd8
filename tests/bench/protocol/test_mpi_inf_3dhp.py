"""The evaluation of MPI-INF-3DHP on the way that every number takes, against golden vectors of the field's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.data.mpi_inf_3dhp.files import ACTIVITIES
from bench.data.sequence import Sequence
from bench.data.windows import Windows
from bench.protocol import evaluate as evaluate_module
from bench.protocol.evaluate import EvalSetting, evaluate
from bench.protocol.frame_errors import FrameErrors
from bench.protocol.summary import summarise
from bench.results.record import Value
from models.lifter import Batch, Lifter, Sampling
from models.skeleton import MPI_INF_3DHP
from tests.bench.data import golden
from tests.parity.cases.metrics import PCK_GROUPS

FRAMES, INVALID = 4, 5


@pytest.fixture(autouse=True, scope="module")
def recorded_errors_include_the_root() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_module, "ROOT_TOLERANCE", float("inf"))
        yield


class Recorded(Lifter):
    """Gives back what stands in the first coordinate of its input: recorded errors, in metres."""

    title = "Recorded"
    Config = object
    frames = train_frames = FRAMES

    def training_loss(self, batch: Batch) -> Tensor:
        return torch.zeros(())

    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        return torch.nn.functional.pad(batch.pose_2d[..., :1], (0, 2))[:, None, None]


def recorded_sequence(vectors: dict[str, np.ndarray], number: int) -> Sequence:
    """Recorded errors with invalid frames, whose errors are huge, in front, between and behind."""
    errors, activity = vectors[f"err_mm_{number}"], vectors[f"activity_{number}"]
    valid = np.ones(len(errors) + INVALID, dtype=bool)
    valid[[0, 3, 4, 9, -1]] = False
    pose_2d = np.full((len(valid), 17, 2), 1e4, dtype=np.float32)
    pose_2d[valid] = errors[..., None] / 1000
    named = np.array(ACTIVITIES)[np.zeros(len(valid), dtype=int)]
    named[valid] = np.array(ACTIVITIES)[activity - 1]
    return Sequence(
        f"TS{number}", f"TS{number}", "video", 25.0, pose_2d,
        pose_3d=np.zeros((len(valid), 17, 3), dtype=np.float32),
        trajectory=np.zeros((len(valid), 3), dtype=np.float32),
        intrinsics=np.float32([1, 1, 0, 0, 0, 0, 0, 0, 0]),
        width=2048, height=2048, valid=valid, activity=named,
    )  # fmt: skip


@pytest.fixture(scope="module")
def vectors() -> dict[str, np.ndarray]:
    return golden("pck_auc.npz")


def evaluated(sequences: list[Sequence]) -> FrameErrors:
    windows = Windows(sequences, MPI_INF_3DHP, FRAMES, mode="eval")
    (errors,) = evaluate(
        Recorded(None, MPI_INF_3DHP),
        windows,
        np.arange(len(windows)),
        Sampling(flip=False),
        [EvalSetting()],
        "cpu",
    ).values()
    return errors


@pytest.fixture(scope="module")
def errors(vectors: dict[str, np.ndarray]) -> FrameErrors:
    return evaluated([recorded_sequence(vectors, number) for number in range(1, 7)])


def values_of(errors: FrameErrors) -> dict[str, Value]:
    return {value.metric: value for value in summarise(errors)}


@pytest.mark.parametrize(("metric", "tolerance"), [("pck", 1e-3), ("auc", 1e-3), ("mpjpe", 1e-3)])
def test_sequences_and_activities_are_those_of_the_field(
    errors: FrameErrors, vectors: dict[str, np.ndarray], metric: str, tolerance: float
) -> None:
    value = values_of(errors)[metric]
    by_sequence = [value.per_action[f"TS{number}"] for number in range(1, 7)]
    np.testing.assert_allclose(by_sequence, vectors[f"seq_{metric}"][:, -1], atol=tolerance)
    rows = [*(value.per_activity[name] for name in ACTIVITIES), value.frame_mean]
    np.testing.assert_allclose(rows, vectors[f"act_{metric}"][:, -1], atol=tolerance)
    assert value.action_mean == pytest.approx(vectors[f"seq_{metric}"][:, -1].mean(), abs=tolerance)


def test_joints_and_their_groups_are_those_of_the_field(
    errors: FrameErrors, vectors: dict[str, np.ndarray]
) -> None:
    values = values_of(errors)
    np.testing.assert_allclose(values["mpjpe"].per_joint, vectors["act_mpjpe"][-1, :17], atol=1e-3)
    for metric in ("pck", "auc"):
        by_joint = np.array(values[metric].per_joint)
        groups = [by_joint[list(joints)].mean() for joints in PCK_GROUPS.values()]
        np.testing.assert_allclose(groups, vectors[f"act_{metric}"][-1], atol=1e-3)
    assert json.loads(str(vectors["config"]))["what"] == "3DHP PCK and AUC"


def test_errors_without_activities_have_none_in_their_summary(errors: FrameErrors) -> None:
    plain = replace(errors, activity=None)
    assert {tuple(value.per_activity) for value in summarise(plain)} == {()}


def test_one_sequence_without_labels_leaves_no_activities(vectors: dict[str, np.ndarray]) -> None:
    one, other = (recorded_sequence(vectors, number) for number in (1, 2))
    assert evaluated([one, other]).activity is not None
    assert evaluated([one, replace(other, activity=None)]).activity is None
