"""RPEA: which hypotheses count how much, and that it is computed and timed where it is named alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench.config.experiment import parse
from bench.data.cameras.camera import project
from bench.job.resolve import resolve
from bench.protocol.aggregation import fitted_root
from bench.protocol.rpea import RPEA, RPEA_FIT, rpea, rpea_fit, weighted
from models.lifter import Batch
from tests.bench.protocol import tensors

VECTORS = tensors("metrics.npz")
TARGET = VECTORS["target"]


def truth(target: torch.Tensor = TARGET) -> Batch:
    """Ground truth whose 2D poses are its exact projection."""
    root, camera = VECTORS["root_traj"][:, :, 0], VECTORS["camera"].expand(2, 9)
    seen = project(target + root[:, :, None], camera)
    return Batch(seen, ("", ""), torch.arange(2), target, trajectory=root, camera=camera)


def off_by(*centimetres: float) -> torch.Tensor:
    """Hypotheses ``[2, 1, H, F, 17, 3]`` that are off to the side by so much, all joints but the root."""
    shifts = torch.tensor(centimetres)[:, None, None, None] / 100 * torch.tensor([1.0, 0, 0])
    pred = TARGET[:, None, None] + shifts
    pred[..., 0, :] = 0
    return pred


def test_near_hypotheses_count_more() -> None:
    mean = rpea(off_by(0, 2, 4, 8), truth())
    error = 100 * (mean[:, 0] - TARGET)[..., 1:, 0]
    assert (error > 0).all()
    assert error.max() < 2, "the plain mean is off by 3.5 cm"


def test_equal_hypotheses_count_alike_and_the_root_stays() -> None:
    torch.testing.assert_close(rpea(off_by(3, 3, 3), truth())[:, 0], off_by(3)[:, 0, 0])
    assert not rpea(off_by(1, 2), truth())[..., 0, :].any()


def test_far_hypotheses_count_alike() -> None:
    far = off_by(60, 80)
    torch.testing.assert_close(rpea(far, truth()), far.mean(2))


def test_only_the_nearest_count() -> None:
    root = truth().trajectory[:, None]
    both = weighted(off_by(90, 0, 1), root, truth(), nearest=2)
    torch.testing.assert_close(both, weighted(off_by(0, 1), root, truth()))


def test_the_fitted_root_replaces_the_true_one() -> None:
    pred, blind = off_by(-1, 0, 2), replace(truth(), trajectory=None, pose_3d=None)
    root = fitted_root(pred.mean(2), blind.pose_2d, blind.camera)
    torch.testing.assert_close(rpea_fit(pred, blind), weighted(pred, root, blind))
    exact = torch.cat([pred[:, :, 1:2]] * 3, dim=2)
    torch.testing.assert_close(rpea_fit(exact, blind), rpea(exact, truth()))
    assert (RPEA.kind, RPEA_FIT.kind) == ("assisted", "deployable")


@pytest.mark.parametrize(("name", "timed"), [("RPEA", False), ("RPEA-Fit", True)])
def test_it_names_the_evaluation_that_asks_for_it(toy_suite: object, name: str, timed: bool) -> None:
    def job(**evaluation):
        return resolve(parse({"method": {"name": "toy"}, "data": {"name": "toy"}, "evaluation": evaluation}))

    usual, asked = job(), job(aggregations=["P-Agg", name])
    assert name not in usual.experiment.evaluation.aggregations
    assert usual.id != asked.id != job(aggregations=["P-Agg"]).id
    assert usual.sampling_id == asked.sampling_id
    assert (usual.cost_id != asked.cost_id) == timed
