"""The training form of the TCN (arXiv:1811.11742) as it was published: strided convolutions of ``[B, C, L]``."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from baselines.tcn import TCN
from models.lifter import Batch
from models.losses import mean_joint_distance


class StridedTCN(nn.Module):
    """With the weights of a TCN."""

    def __init__(self, lifter: TCN) -> None:
        super().__init__()
        self.network = lifter.network

    def training_loss(self, batch: Batch) -> Tensor:
        assert batch.pose_3d is not None
        return mean_joint_distance(self.lift(batch.pose_2d), batch.pose_3d)

    def lift(self, pose_2d: Tensor) -> Tensor:
        """Poses ``[B, receptive field, J, 2]`` to ``[B, 1, J, 3]``."""
        network = self.network
        features = pose_2d.flatten(2).transpose(1, 2)  # [B, L, J, 2] → [B, L, J·2] → [B, J·2, L]
        features = functional.conv1d(features, network.expand_conv.weight, stride=network.widths[0])
        features = network.dropout(network.expand_norm(features).relu())
        for block, width in enumerate(network.widths[1:]):
            (wide, point), (wide_norm, point_norm) = (
                layers[2 * block : 2 * block + 2] for layers in (network.convs, network.norms)
            )
            hidden = functional.conv1d(features, wide.weight, stride=width)
            hidden = network.dropout(wide_norm(hidden).relu())
            hidden = network.dropout(point_norm(functional.conv1d(hidden, point.weight)).relu())
            features = features[:, :, width // 2 :: width] + hidden
        return network.shrink(features).transpose(1, 2).unflatten(2, (-1, 3))  # [B, J·3, 1] → [B, 1, J, 3]
