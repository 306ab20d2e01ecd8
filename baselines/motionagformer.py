"""MotionAGFormer: attention and graph convolutions side by side (Mehraban et al., arXiv:2310.16288, WACV 2024).

Where its parts are:

- this file: graph convolutions over the skeleton and over similar frames, the stages, sizes and schedules.
- ``baselines.layers.streams``: units with layer scales, streams and their fusion, tokens, training.
- ``models.layers.transformer``: attention, blocks within frames.
- ``models.inference``: the detector's confidence as a third coordinate, prediction (mean over mirror images).
- ``models.losses``: the loss.

B batch, F frames, J joints, C channels; inside a unit N rows, L nodes of a graph, M columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from baselines.layers.streams import FusedStreams, ScaledUnit, Stream, StreamsConfig, StreamsLifter
from models.config import check_at_least
from models.errors import InputError
from models.inference import full_precision
from models.layers.linear import Linear
from models.layers.transformer import Attention
from models.lifter import SMALL_RECIPE, TINY_RECIPE, Preset, Recipe
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned

NOT_LISTED = {("Hip", "LHip"), ("Thorax", "LShoulder"), ("Thorax", "RShoulder")}
"""Bones (parent, child) that the released graph of Human3.6M's joints has from the child to the parent only."""

TINY: dict[str, Any] = {
    "frames": 9, "confidence": "one", "channels": 16, "depth": 2, "heads": 2, "mlp_ratio": 2,
    "representation": 32, "layer_scale": 1.0, "input_gain": 5.0, "table_std": 0.5, "velocity": 2.0,
}  # fmt: skip
SMALL = TINY | {"frames": 27, "channels": 32, "depth": 4, "heads": 4, "representation": 64}


@dataclass(frozen=True)
class MotionAGFormerConfig(StreamsConfig):
    """Size of the network, and the weights of its losses.

    Attributes:
        neighbours: frames that a frame is linked to, the most similar ones, itself among them as a rule.
    """

    neighbours: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, 1, "neighbours")
        if self.neighbours > self.frames:
            raise InputError(f"neighbours is {self.neighbours}, but a window has {self.frames} frames: take 2")


def skeleton_links(skeleton: Skeleton) -> Tensor:
    """The released 0/1 graph of joints ``[J, J]``: row i has the joints that i receives from.

    Bones link both ways, but for those of ``NOT_LISTED``; so the matrix is not symmetric for Human3.6M's joints.
    """
    links = torch.zeros(len(skeleton.joints), len(skeleton.joints))
    for parent, child in skeleton.bones:
        links[child, parent] = 1
        links[parent, child] = (skeleton.joints[parent], skeleton.joints[child]) not in NOT_LISTED
    return links


def similar_frames(tokens: Tensor, neighbours: int) -> Tensor:
    """Links 0/1 ``[N, M, L, L]`` of every position of ``[N, L, M, C]`` with those that are most like it.

    Likeness is the dot product. A position is linked with all whose likeness is at least its ``neighbours``-th
    largest, itself among them as a rule. No gradient passes this choice, and it is made in full precision also
    under autocast.
    """
    with torch.no_grad(), full_precision(tokens.device):
        columns = tokens.float().transpose(1, 2)  # [N, L, M, C] → [N, M, L, C]
        likeness = columns @ columns.transpose(-1, -2)  # [N, M, L, L]
        least = likeness.topk(neighbours, dim=-1).values[..., -1:]  # [N, M, L, 1]
        return (likeness >= least).to(tokens.dtype)


def normalised(links: Tensor) -> Tensor:
    """A graph ``[..., L, L]`` divided by the roots of the row sums of both of a link's ends."""
    scale = links.sum(-1).rsqrt()
    return scale[..., :, None] * links * scale[..., None, :]


class GraphConvolution(nn.Module):
    """Features of linked positions among the L of ``[N, L, M, C]``, with a batch norm of the positions.

    The norm has statistics of its own for every position (section 3.3), which ties a network to its window length.
    """

    def __init__(self, channels: int, positions: int) -> None:
        super().__init__()
        self.U = Linear(channels, channels)
        self.V = Linear(channels, channels)
        self.batch_norm = nn.BatchNorm2d(positions)
        for layer in (self.U, self.V):
            nn.init.normal_(layer.weight, std=(2 / channels) ** 0.5)

    def links(self, tokens: Tensor) -> Tensor:
        """The graph of these tokens, 0/1 ``[L, L]`` or ``[N, M, L, L]``."""
        raise NotImplementedError

    def forward(self, tokens: Tensor) -> Tensor:
        values = self.V(tokens).transpose(1, 2)  # [N, L, M, C] → [N, M, L, C]
        received = (normalised(self.links(tokens)) @ values).transpose(1, 2)  # [N, M, L, C] → [N, L, M, C]
        return (tokens + self.batch_norm(received + self.U(tokens))).relu()


class JointGraph(GraphConvolution):
    """A convolution over the skeleton."""

    def __init__(self, channels: int, skeleton: Skeleton) -> None:
        super().__init__(channels, len(skeleton.joints))
        self.register_buffer("skeleton_links", skeleton_links(skeleton), persistent=False)

    def links(self, tokens: Tensor) -> Tensor:
        return self.get_buffer("skeleton_links")


class FrameGraph(GraphConvolution):
    """A convolution over similar frames, which are found anew for every window and joint."""

    def __init__(self, channels: int, frames: int, neighbours: int) -> None:
        super().__init__(channels, frames)
        self.neighbours = neighbours

    def links(self, tokens: Tensor) -> Tensor:
        return similar_frames(tokens, self.neighbours)


def stage(config: MotionAGFormerConfig, skeleton: Skeleton) -> FusedStreams:
    """A stream of attentions and a stream of graph convolutions, both over joints and then over frames."""

    def unit(mixer: nn.Module) -> ScaledUnit:
        return ScaledUnit(config.channels, config.mlp_ratio, mixer, config.layer_scale)

    spatial, temporal = (unit(Attention(config.channels, config.heads, qkv_bias=False)) for _ in range(2))
    joints = unit(JointGraph(config.channels, skeleton))
    frames = unit(FrameGraph(config.channels, config.frames, config.neighbours))
    return FusedStreams(config.channels, attention=Stream(spatial, temporal), graph=Stream(joints, frames))


class MotionAGFormer(StreamsLifter):
    """Sequence to sequence, from 2D poses and the detector's confidence."""

    title = "MotionAGFormer"
    Config = MotionAGFormerConfig
    trains_compiled_part = True
    presets = {
        "tiny": tuned("motionagformer", MotionAGFormerConfig(**TINY), replace(TINY_RECIPE, batch_windows=16)),
        "small": Preset(MotionAGFormerConfig(**SMALL), SMALL_RECIPE),
        "base": Preset(
            MotionAGFormerConfig(frames=81, stride=27, channels=64, depth=8, representation=128),
            Recipe(epochs=60, batch_frames=1296, learning_rate=5e-4, decay=0.99, weight_decay=0.01),
        ),
        "paper": Preset(
            MotionAGFormerConfig(stride=81),
            Recipe(epochs=60, batch_frames=16 * 243, learning_rate=5e-4, decay=0.99, weight_decay=0.01),
        ),
    }

    def __init__(self, config: MotionAGFormerConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.stages = nn.Sequential(*(stage(config, skeleton) for _ in range(config.depth)))

    def pass_stages(self, tokens: Tensor) -> Tensor:
        return self.stages(tokens)
