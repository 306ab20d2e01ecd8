"""TCN: temporal convolutions over 2D poses, known as VideoPose3D (Pavllo et al., arXiv:1811.11742, CVPR 2019).

Where its parts are:

- this file: the network, its options, which frames it trains on and lifts.
- ``models.inference``: prediction (mean over mirror images).
- ``baselines.layers.convolutions``: the convolutions and residual blocks, which Anatomy3D shares.
- ``models.losses``: ``mean_joint_distance``, the loss.

GLA-GCN takes ``FilterConfig`` from here, Anatomy3D ``TCNConfig``.

B batch, L frames of input, F frames of output, J joints, C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

from torch import Tensor, nn

from baselines.layers.convolutions import TimeConvolution, activate, pairs, residual_block, strided_block
from models.config import WindowConfig, check_at_least, check_probability
from models.errors import InputError
from models.inference import DeterministicLifter
from models.layers.coordinates import CoordinateConv1d
from models.lifter import SMALL_CENTRE_RECIPE, TINY_CENTRE_RECIPE, Batch, Preset, Recipe
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned


@dataclass(frozen=True)
class FilterConfig(WindowConfig):
    """Size of a network of filters over time; ``frames`` is F of evaluated windows, in training F is 1.

    Attributes:
        filter_widths: of the convolutions over time, odd; their product is the receptive field.
        channels: C.
        dropout: after every activation.
    """

    filter_widths: tuple[int, ...] = (3, 3, 3, 3, 3)
    channels: int = 1024
    dropout: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.filter_widths or any(width < 1 or width % 2 == 0 for width in self.filter_widths):
            raise InputError(f"filter_widths is {self.filter_widths}, but needs odd positive widths: take 3,3,3")
        check_at_least(self, 1, "channels")
        check_probability(self, "dropout")

    @property
    def receptive_field(self) -> int:
        """Input frames that one output frame follows from."""
        return math.prod(self.filter_widths)


@dataclass(frozen=True)
class TCNConfig(FilterConfig):
    """``causal``: see past frames only."""

    causal: bool = False

    @property
    def context(self) -> tuple[int, int]:
        """Input frames that an output frame needs on its left and right."""
        reach = self.receptive_field - 1
        return (reach, 0) if self.causal else (reach // 2, reach // 2)


class TemporalConvolutions(nn.Module):
    """The network, in two forms with the same weights.

    ``dilated`` gives an output for every position of the receptive field in the input; ``strided`` gives the one
    output of an input as long as the receptive field, without the work that a single output does not need.
    """

    def __init__(self, config: TCNConfig, joints_in: int, joints_out: int) -> None:
        super().__init__()
        widths, C = config.filter_widths, config.channels
        self.widths = widths
        self.causal = config.causal
        self.expand_conv = TimeConvolution(2 * joints_in, C, widths[0], bias=False)
        self.expand_norm = nn.BatchNorm1d(C)
        kernels = [kernel for width in widths[1:] for kernel in (width, 1)]
        self.convs = nn.ModuleList(TimeConvolution(C, C, kernel, bias=False) for kernel in kernels)
        self.norms = nn.ModuleList(nn.BatchNorm1d(C) for _ in kernels)
        self.shrink = CoordinateConv1d(C, 3 * joints_out, 1)
        self.dropout = nn.Dropout(config.dropout)

    def dilated(self, pose_2d: Tensor) -> Tensor:
        """Poses ``[B, L, J, 2]`` to ``[B, L - receptive field + 1, J, 3]``."""
        features = pose_2d.flatten(2).transpose(1, 2)  # [B, L, J, 2] → [B, L, J·2] → [B, J·2, L]
        features = self.dropout(self.expand_norm(self.expand_conv(features)).relu())
        dilations = accumulate(self.widths[:-1], mul)
        for convs, norms, dilation in zip(pairs(self.convs), pairs(self.norms), dilations, strict=True):
            features = residual_block(features, convs, norms, self.dropout, dilation, self.causal)
        return self._poses(features)

    def strided(self, pose_2d: Tensor) -> Tensor:
        """Poses ``[B, receptive field, J, 2]`` to ``[B, 1, J, 3]``."""
        rows = activate(self.expand_conv.strided(pose_2d.flatten(2)), self.expand_norm, self.dropout)
        for convs, norms in zip(pairs(self.convs), pairs(self.norms), strict=True):
            rows = strided_block(rows, convs, norms, self.dropout, self.causal)
        return self._poses(rows.transpose(1, 2))  # [B, 1, C] → [B, C, 1]

    def _poses(self, features: Tensor) -> Tensor:
        # [B, C, F] → [B, J·3, F] → [B, F, J·3] → [B, F, J, 3]
        return self.shrink(features).transpose(1, 2).unflatten(2, (-1, 3))


class TCN(DeterministicLifter):
    """VideoPose3D; trains on single frames and evaluates whole windows, with the context it needs on each side."""

    title = "TCN"
    least_windows = 2
    Config = TCNConfig
    compiled_part = "network.dilated"
    convolutional = True
    presets = {
        "tiny": tuned(
            "tcn", TCNConfig(frames=9, filter_widths=(3, 3, 3), channels=128, dropout=0.1), TINY_CENTRE_RECIPE
        ),
        "small": Preset(
            TCNConfig(frames=27, filter_widths=(3, 3, 3), channels=256, dropout=0.1), SMALL_CENTRE_RECIPE
        ),
        "base": Preset(
            TCNConfig(frames=81, filter_widths=(3, 3, 3, 3), channels=512),
            Recipe(epochs=40, batch_frames=1024, learning_rate=1e-3, decay=0.95, weight_decay=0.0),
        ),
        "paper": Preset(
            TCNConfig(), Recipe(epochs=80, batch_frames=1024, learning_rate=1e-3, decay=0.95, weight_decay=0.0)
        ),
    }
    published = {"optimizer": "amsgrad", "rate_per": "epoch", "batches": "full", "norm_momentum": "falling"}

    def __init__(self, config: TCNConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames = config.frames
        self.train_frames = 1
        self.context = config.context
        self.network = TemporalConvolutions(config, len(skeleton.joints), len(skeleton.joints))

    def training_loss(self, batch: Batch) -> Tensor:
        """Mean joint distance of the one output frame."""
        assert batch.pose_3d is not None
        return mean_joint_distance(self.network.strided(batch.pose_2d), batch.pose_3d)

    def lift_windows(self, seen: Tensor) -> Tensor:
        return self.network.dilated(seen)
