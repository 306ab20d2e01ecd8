import pytest
import torch

from models.errors import InputError
from models.losses import (
    joint_weights,
    mean_joint_distance,
    scaled_joint_distance,
    temporal_consistency,
    velocity,
)
from models.skeleton import HUMAN36M, MPI_INF_3DHP


def test_distance_of_a_shift() -> None:
    target = torch.randn(2, 5, 17, 3)
    shift = torch.tensor([3.0, 4.0, 0.0])
    assert mean_joint_distance(target + shift, target).item() == pytest.approx(5)
    assert velocity(target + shift, target).item() == pytest.approx(0, abs=1e-6)


def test_shapes_must_not_broadcast() -> None:
    with pytest.raises(InputError, match="one shape"):
        mean_joint_distance(torch.zeros(2, 5, 17, 3), torch.zeros(2, 1, 17, 3))


def test_a_still_pose_is_consistent() -> None:
    still = torch.randn(2, 1, 17, 3).expand(-1, 5, -1, -1)
    assert temporal_consistency(still, torch.ones(17)).item() == 0


def test_weights_follow_the_names_of_joints() -> None:
    by_name = {
        skeleton.name: dict(zip(skeleton.joints, joint_weights(skeleton).tolist(), strict=True))
        for skeleton in (HUMAN36M, MPI_INF_3DHP)
    }
    assert by_name["human36m"]["LWrist"] == by_name["mpi_inf_3dhp"]["RWrist"] == 4.0
    assert by_name["human36m"]["RFoot"] == by_name["mpi_inf_3dhp"]["LAnkle"] == 2.5
    assert by_name["mpi_inf_3dhp"]["Pelvis"] == by_name["human36m"]["Hip"] == 1.0


def test_scaled_distance_forgives_the_size_of_every_frame() -> None:
    target = torch.randn(2, 5, 17, 3)
    sizes = torch.rand(2, 5, 1, 1) + 0.5
    assert scaled_joint_distance(sizes * target, target).item() == pytest.approx(0, abs=1e-6)
    predicted = torch.randn(2, 5, 17, 3)
    torch.testing.assert_close(
        scaled_joint_distance(predicted, target), scaled_joint_distance(3 * predicted, target)
    )
    assert scaled_joint_distance(predicted, target) < mean_joint_distance(predicted, target)
