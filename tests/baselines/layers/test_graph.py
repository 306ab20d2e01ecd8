import numpy as np
import pytest

from baselines.glagcn import GLAGCN, GLAGCNConfig
from baselines.layers.graph import chebyshev, neighbours, partitions
from models.skeleton import HUMAN36M, HUMANEVA15, MPI_INF_3DHP, Skeleton
from tests import SHARED

PARITY = SHARED / "parity"


@pytest.mark.skipif(not PARITY.is_dir(), reason="no shared golden vectors here")
def test_matrices_equal_the_recorded_ones() -> None:
    with np.load(PARITY / "glagcn_small.npz") as file:
        np.testing.assert_array_equal(partitions(HUMAN36M).numpy(), file["adjacency"])
    with np.load(PARITY / "diffpose_pose_small.npz") as file:
        np.testing.assert_allclose(neighbours(HUMAN36M).numpy(), file["adjacency"], atol=1e-7)
        np.testing.assert_allclose(chebyshev(neighbours(HUMAN36M)).numpy(), file["chebyshev"], atol=1e-6)


def test_humaneva_s_graph_is_that_of_the_released_list_of_pairs() -> None:
    pairs = (
        (14, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 0), (0, 11), (11, 12), (12, 13), (0, 8),
        (8, 9), (9, 10),
    )  # fmt: skip
    inward = np.zeros((15, 15))
    for one, other in pairs:
        inward[other, one] = 1
    expected = [graph / np.maximum(graph.sum(0), 1) for graph in (np.eye(15), inward, inward.T)]
    network = GLAGCN(GLAGCNConfig(frames=9, filter_widths=(3,), channels=4), HUMANEVA15).network
    np.testing.assert_allclose(network.expand.gcn1.get_buffer("graph"), np.stack(expected))


@pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP], ids=lambda skeleton: skeleton.name)
def test_sources_of_a_joint_have_sum_one(skeleton: Skeleton) -> None:
    own, inward, outward = partitions(skeleton)
    assert own.sum() == len(skeleton.joints)
    assert (inward.sum(0) == 1).sum() == len(skeleton.joints) - 1
    assert inward.sum(0)[skeleton.root] == 0
    parents = {parent for parent, _ in skeleton.bones}
    np.testing.assert_allclose(outward.sum(0), [float(joint in parents) for joint in range(17)], atol=1e-6)
    np.testing.assert_allclose(neighbours(skeleton).sum(1), 1, atol=1e-6)
