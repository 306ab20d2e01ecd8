"""GLA-GCN: adaptive graph convolutions over joints and frames (Yu et al., arXiv:2307.05853, ICCV 2023).

Where its parts are:

- this file: the graph and temporal layers, the network, its options.
- ``baselines.layers.graph``: the skeleton's three graphs.
- ``models.optim.norm_momentum``: the schedule of the norms' momentum.
- ``baselines.tcn``: ``FilterConfig``. ``models.optim.ranger``: the optimiser of its published recipe.
- ``models.inference``: every frame lifted from its own window, prediction (mean over mirror images).
- ``models.losses``: ``mean_joint_distance``, the loss.

B batch, T frames of input (the product of the filter widths), J joints, C channels, S = 3 subsets of the graph.
Inner layers keep their published names (``gcn1``, ``conv_a``, ``PA``, …).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.layers.graph import partitions
from baselines.tcn import FilterConfig
from models.errors import InputError
from models.inference import DeterministicLifter, centre_frames, full_precision
from models.lifter import SMALL_CENTRE_RECIPE, TINY_CENTRE_RECIPE, Batch, Preset, Recipe
from models.losses import mean_joint_distance
from models.optim.norm_momentum import decay_norm_momentum
from models.skeleton import HUMAN36M, HUMANEVA15, Skeleton
from models.tuned import tuned

ALMOST_ZERO = 1e-6
FRAMES_SEEN = 9
"""Width of the convolution of a temporal layer."""
HUMANEVA_SWAPPED = range(2, 14)
"""Joints of arms and legs, whose parents the released list of HumanEva-I's pairs has in the place of children."""
PAPER_RECIPE = Recipe(80, 512, 1e-2, decay=1e-3, weight_decay=0.0, optimizer="ranger", schedule="cosine")


@dataclass(frozen=True)
class GLAGCNConfig(FilterConfig):
    """Size of the network: a stage for each width, and channels in multiples of 4."""

    channels: int = 96
    dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels % 4:
            raise InputError(f"channels is {self.channels}, but must be a multiple of 4: take 96")


class GraphLayer(nn.Module):
    """Joints exchange features ``[B, J, T, C]`` over a graph that is partly given, learned and inferred from them.

    The matrix of each subset is the skeleton's, plus a learned offset ``PA``, plus an affinity of the joints over
    all frames; it says how much each joint (row) gives to each (column).
    """

    def __init__(self, inputs: int, outputs: int, graph: Tensor, dropout: float) -> None:
        super().__init__()
        self.register_buffer("graph", graph, persistent=False)
        self.PA = nn.Parameter(torch.full_like(graph, ALMOST_ZERO))
        self.conv_a = nn.ModuleList(nn.Conv2d(inputs, outputs // 4, 1) for _ in graph)
        self.conv_b = nn.ModuleList(nn.Conv2d(inputs, outputs // 4, 1) for _ in graph)
        self.conv_d = nn.ModuleList(nn.Conv2d(inputs, outputs, 1) for _ in graph)
        self.bn = nn.BatchNorm2d(outputs)
        self.dropout = nn.Dropout(dropout)
        self.down = nn.ModuleList()
        if inputs != outputs:
            self.down.extend((nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs)))
        self.apply(_initialise)
        for branch in self.conv_d:
            nn.init.normal_(branch.get_parameter("weight"), std=math.sqrt(2 / (outputs * inputs * len(graph))))
        nn.init.constant_(self.bn.weight, ALMOST_ZERO)

    def forward(self, features: Tensor) -> Tensor:
        mixed = torch.zeros((), device=features.device)
        for number, layer in enumerate(self.conv_d):
            matrix = self._affinity(features, number) + self.get_buffer("graph")[number] + self.PA[number]
            received = matrix.transpose(1, 2) @ features.flatten(2)  # [B, J, J] @ [B, J, T·C] → [B, J, T·C]
            received = received.view_as(features)  # [B, J, T·C] → [B, J, T, C]
            mixed = mixed + convolve(received, layer)
        skipped = over_channels(convolve(features, self.down[0]), self.down[1]) if self.down else features
        return (self.dropout(over_channels(mixed, self.bn)) + skipped).relu()

    def _affinity(self, features: Tensor, number: int) -> Tensor:
        """How alike joints are in a subset, ``[B, J, J]``; each column (receiving joint) sums to 1."""
        layers = (self.conv_a[number], self.conv_b[number])
        # [B, J, T, C] → [B, J, T, c] → [B, J, T·c]
        giving, receiving = (convolve(features, layer).flatten(2) for layer in layers)
        affinity = giving @ receiving.transpose(1, 2)  # [B, J, T·c] @ [B, T·c, J] → [B, J, J]
        return (affinity / giving.shape[2]).softmax(dim=1)


def convolve(features: Tensor, conv: nn.Module) -> Tensor:
    """A convolution over the frames: ``[B, J, T, C]`` → ``[B, J, T', C']``; its filters are ``[C', C, w, 1]``."""
    assert isinstance(conv, nn.Conv2d)
    if conv.kernel_size == (1, 1):
        return functional.linear(features, conv.weight.flatten(1), conv.bias)  # weight [C', C, 1, 1] → [C', C]
    filters = conv.weight.transpose(2, 3)  # [C', C, w, 1] → [C', C, 1, w]
    stride, padding = (1, conv.stride[0]), (0, conv.kernel_size[0] // 2)
    channels_first = features.permute(0, 3, 1, 2)  # [B, J, T, C] → [B, C, J, T]
    out = functional.conv2d(channels_first, filters, conv.bias, stride, padding)
    return out.permute(0, 2, 3, 1)  # [B, C', J, T'] → [B, J, T', C']


def over_channels(features: Tensor, norm: nn.Module) -> Tensor:
    """A batch norm over the channels of ``[B, J, T, C]``."""
    channels_first = features.permute(0, 3, 1, 2)  # [B, J, T, C] → [B, C, J, T]
    return norm(channels_first).permute(0, 2, 3, 1)  # [B, C, J, T] → [B, J, T, C]


class TemporalLayer(nn.Module):
    """A convolution over the frames of ``[B, J, T, C]``, padded with zeros, and a norm."""

    def __init__(self, inputs: int, outputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, (width, 1), (stride, 1), (width // 2, 0))
        self.bn = nn.BatchNorm2d(outputs)
        self.apply(_initialise)

    def forward(self, features: Tensor) -> Tensor:
        return over_channels(convolve(features, self.conv), self.bn)


class Unit(nn.Module):
    """A graph layer, then a temporal one: ``[B, J, T, C]`` to ``[B, J, T / stride, C']``."""

    def __init__(self, inputs: int, graph: Tensor, config: GLAGCNConfig, stride: int, residual: bool) -> None:
        super().__init__()
        outputs = config.channels
        self.gcn1 = GraphLayer(inputs, outputs, graph, config.dropout)
        self.tcn1 = TemporalLayer(outputs, outputs, FRAMES_SEEN, stride)
        self.skips = residual
        self.residual = nn.Identity() if inputs == outputs else TemporalLayer(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        out = self.tcn1(self.gcn1(features))
        return (out + self.residual(features) if self.skips else out).relu()


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out")
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)


class GraphNetwork(nn.Module):
    """Poses ``[B, T, J, 2]`` to the pose of the centre frame, ``[B, J, 3]``."""

    def __init__(self, config: GLAGCNConfig, skeleton: Skeleton) -> None:
        super().__init__()
        swapped = HUMANEVA_SWAPPED if skeleton == HUMANEVA15 else ()
        graph, C = partitions(skeleton, swapped), config.channels
        self.widths = config.filter_widths
        self.data_bn = nn.BatchNorm1d(2 * len(skeleton.joints))
        self.expand = Unit(2, graph, config, stride=1, residual=True)
        self.units = nn.ModuleList(
            Unit(C, graph, config, stride, residual)
            for width in self.widths
            for stride, residual in ((1, True), (width, False))
        )
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Conv1d(C, 3, 1)

    def forward(self, pose_2d: Tensor) -> Tensor:
        features, weight = self.joint_features(pose_2d), self.fc.weight[..., 0]
        with full_precision(features.device):
            return functional.linear(features.to(weight.dtype), weight, self.fc.bias)

    def joint_features(self, pose_2d: Tensor) -> Tensor:
        """Features ``[B, J, C]`` of the joints in the centre frame."""
        rows = self.data_bn(pose_2d.flatten(2).transpose(1, 2))  # [B, T, J, 2] → [B, T, J·2] → [B, J·2, T]
        joints = rows.unflatten(1, pose_2d.shape[2:])  # [B, J·2, T] → [B, J, 2, T]
        features = self.expand(joints.transpose(2, 3))  # [B, J, 2, T] → [B, J, T, 2] → [B, J, T, C]
        for stage, width in enumerate(self.widths):
            kept = features[:, :, width // 2 :: width]  # [B, J, T, C] → [B, J, T / width, C]
            for unit in self.units[2 * stage : 2 * stage + 2]:
                features = self.dropout(unit(features))
            features = kept + features
        return features.mean(2)  # [B, J, 1, C] → [B, J, C]


class GLAGCN(DeterministicLifter):
    """GLA-GCN; trains on single frames, and evaluates every frame of a window from the frames around it."""

    title = "GLA-GCN"
    Config = GLAGCNConfig
    compiled_part = "network"
    presets = {
        "tiny": tuned(
            "glagcn", GLAGCNConfig(frames=9, filter_widths=(5,), channels=16, dropout=0.0), TINY_CENTRE_RECIPE
        ),
        "small": Preset(
            GLAGCNConfig(frames=27, filter_widths=(3, 3, 3), channels=32, dropout=0.0), SMALL_CENTRE_RECIPE
        ),
        "base": Preset(
            GLAGCNConfig(frames=81, filter_widths=(3, 3, 3), channels=48), replace(PAPER_RECIPE, epochs=40)
        ),
        "paper": Preset(GLAGCNConfig(), PAPER_RECIPE),
    }
    published = {"optimizer": "ranger", "rate_per": "epoch", "batches": "full", "norm_momentum": "falling"}

    def __init__(self, config: GLAGCNConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames, self.train_frames = config.frames, 1
        reach = config.receptive_field // 2
        self.context = (reach, reach)
        self.network = GraphNetwork(config, skeleton)

    def on_progress(self, done: float) -> None:
        decay_norm_momentum(self.network, done)

    def training_loss(self, batch: Batch) -> Tensor:
        """Mean joint distance of the one output frame; the root is trained towards 0."""
        assert batch.pose_3d is not None
        centre = self.network(batch.pose_2d)[:, None]  # [B, J, 3] → [B, 1, J, 3]
        return mean_joint_distance(centre, batch.pose_3d)

    def lift_windows(self, seen: Tensor) -> Tensor:
        return centre_frames(self.network, seen, self.config.receptive_field, self.frames)
