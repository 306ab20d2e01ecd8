"""FMPose3D: poses generated frame by frame by flow matching (CVPR 2026).

Where its parts are:

- this file: the velocity network, its graphs, the flow and its Euler steps, loss, mirror images, options.
- ``models.layers.transformer``: attention and MLP. ``models.diffusion.process``: the noise of each window.

The aggregation that was published with it, RPEA, is ``bench.protocol.rpea``. N frames, J joints, C
channels, D channels of the embedded time; in sampling B windows, K steps, H hypotheses, F frames of a window.
Inner layers keep their published names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.config import WindowConfig, check_at_least, check_heads, check_one_of, check_probability
from models.diffusion.denoiser import VALUES_AT_ONCE
from models.diffusion.process import window_noise
from models.errors import InputError
from models.inference import root_at_origin
from models.layers.coordinates import CoordinateLinear
from models.layers.transformer import BLOCK_EPS, CACHED_VALUES, Attention, DropPathRates, Mlp, StochasticDepth
from models.lifter import SMALL_CENTRE_RECIPE, TINY_CENTRE_RECIPE, Batch, Lifter, Preset, Recipe, Sampling
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned

GRAPHS = 4
TIME_CHANNELS = 32
TIME_HIDDEN = 64
CENTRE = "Spine"
"""The joint from which distances along the skeleton are counted."""
MOST_STEPS = 1000

TINY: dict[str, Any] = {"channels": 32, "layers": 2, "heads": 2, "hidden": 64}
SMALL: dict[str, Any] = {"channels": 64, "layers": 3, "heads": 4, "hidden": 128}
NO_DROPOUT: dict[str, Any] = {"mlp_dropout": 0.0, "weight_dropout": 0.0, "dropout": 0.0, "drop_path": 0.0}
PAPER_RECIPE = Recipe(79, 256, 1e-3, decay=0.98, weight_decay=0.0, optimizer="amsgrad", schedule="fifths")


@dataclass(frozen=True)
class FMPose3DConfig(WindowConfig):
    """Size of the velocity network, and what mirror images are.

    Attributes:
        frames: F of an evaluated window; it changes no number, only how many are sampled per call.
        channels: C, even and divisible by ``heads``.
        layers: blocks.
        heads: of every attention.
        hidden: width of the MLPs.
        mlp_dropout, weight_dropout, dropout: of the MLPs, of attention weights, of an attention's result.
        drop_path: stochastic depth of the last block; it grows linearly from 0 at the first.
        mirror: where mirrored input is used, every hypothesis is the mean of a plain and a mirrored sample
            ("averaged"), or every second one is a mirrored sample ("hypotheses", as released, where H hypotheses
            are 2 H samples).
    """

    channels: int = 512
    layers: int = 5
    heads: int = 8
    hidden: int = 1024
    mlp_dropout: float = 0.1
    weight_dropout: float = 0.2
    dropout: float = 0.25
    drop_path: float = 0.2
    mirror: Literal["averaged", "hypotheses"] = "averaged"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.channels, self.heads)
        check_at_least(self, 1, "layers", "hidden")
        check_probability(self, "mlp_dropout", "weight_dropout", "dropout", "drop_path")
        check_one_of(self, ("averaged", "hypotheses"), "mirror")


def graphs(skeleton: Skeleton) -> Tensor:
    """Four graphs ``[4, J, J]``, indexed [source, destination], whose sum has columns of sum 1.

    A joint receives from itself; from linked joints farther from the spine than it is; from nearer ones; and from
    its mirror image.
    """
    joints = len(skeleton.joints)
    bones, mirrored = torch.zeros(joints, joints), torch.zeros(joints, joints)
    for links, pairs in ((bones, skeleton.bones), (mirrored, zip(skeleton.left, skeleton.right, strict=True))):
        for first, second in pairs:
            links[first, second] = links[second, first] = 1
    own, distance = torch.eye(joints), torch.tensor(distances(skeleton))
    farther = (distance[:, None] > distance) * bones
    kinds = torch.stack([own, farther, bones - farther, mirrored])
    return kinds / kinds.sum((0, 1))


def distances(skeleton: Skeleton) -> list[int]:
    """Bones between each of the J joints and the spine, or the root where there is no spine."""
    found = {skeleton.joints.index(CENTRE) if CENTRE in skeleton.joints else skeleton.root: 0}
    while len(found) < len(skeleton.joints):
        for bone in skeleton.bones:
            for near, far in (bone, bone[::-1]):
                if near in found:
                    found.setdefault(far, found[near] + 1)
    return [found[joint] for joint in range(len(skeleton.joints))]


class GraphConvolution(nn.Module):
    """Channels ``[N, C, J]`` mixed for each of the graphs, then joints mixed along it; the sum over graphs."""

    def __init__(self, channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.conv1d = nn.Conv1d(channels, GRAPHS * channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        mixed = self.conv1d(features).unflatten(1, (GRAPHS, -1))  # [N, 4·C, J] → [N, 4, C, J]
        return (mixed @ self.get_buffer("adjacency")).sum(1)  # [N, 4, C, J] @ [4, J, J] → [N, C, J]


class FlowBlock(nn.Module):
    """A graph convolution and an attention side by side, then an MLP, on tokens ``[N, J, C]``."""

    def __init__(self, config: FMPose3DConfig, adjacency: Tensor, drop_path: float) -> None:
        super().__init__()
        C = config.channels
        self.norm1 = nn.LayerNorm(adjacency.shape[-1], eps=BLOCK_EPS)  # over the joints of a channel
        self.gcn1 = GraphConvolution(C, adjacency)
        self.norm_att1 = nn.LayerNorm(C, eps=BLOCK_EPS)
        self.attn = Attention(C, config.heads, config.dropout, config.weight_dropout)
        self.norm_mlp = nn.LayerNorm(C, eps=BLOCK_EPS)
        self.mlp = Mlp(C, config.hidden, config.mlp_dropout)
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        received = self.gcn1(self.norm1(tokens.transpose(1, 2))).transpose(1, 2)  # [N, J, C] → [N, C, J] → back
        attended = self.attn(self.norm_att1(tokens)[:, :, None])[:, :, 0]  # [N, J, C] → [N, J, 1, C] → [N, J, C]
        tokens = tokens + self._dropped(received + attended)
        return tokens + self._dropped(self.mlp(self.norm_mlp(tokens)))

    def _dropped(self, branch: Tensor) -> Tensor:
        return self.drop_path(branch[:, :, None])[:, :, 0]


class TwoLayers(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, inputs: int, hidden: int, outputs: int, last: type[nn.Linear] = nn.Linear) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.fc2 = last(hidden, outputs)

    def forward(self, values: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(values)))


class VelocityNetwork(nn.Module):
    """The velocity ``[N, J, 3]`` of poses at a time of the flow, on the condition of 2D poses."""

    def __init__(self, config: FMPose3DConfig, skeleton: Skeleton) -> None:
        super().__init__()
        C, D = config.channels, TIME_CHANNELS
        adjacency = graphs(skeleton)
        self.register_buffer("frequencies", torch.randn(D // 2))
        self.time = nn.Sequential(nn.Linear(D, TIME_HIDDEN), nn.GELU(), nn.Linear(TIME_HIDDEN, D))
        self.encoder = TwoLayers(2 + 3 + D, C // 2, C)
        rates = DropPathRates(config.drop_path, config.layers)
        self.blocks = nn.Sequential(*(FlowBlock(config, adjacency, rate) for rate in rates))
        self.norm = nn.LayerNorm(C, eps=BLOCK_EPS)
        self.head = TwoLayers(C, C // 2, 3, CoordinateLinear)

    def forward(self, pose_2d: Tensor, poses: Tensor, times: Tensor) -> Tensor:
        """Velocity ``[N, J, 3]`` of ``poses`` ``[N, J, 3]`` at ``times`` ``[N]`` or ``[1]``, from 0 to 1.

        ``pose_2d``: ``[N, J, 2]``.
        """
        time = self.embed_time(times)[:, None].expand(*poses.shape[:2], -1)  # [N or 1, D] → [N, J, D]
        tokens = self.encoder(torch.cat([pose_2d, poses, time], dim=-1))
        return self.head(self.norm(self.blocks(tokens)))

    def embed_time(self, times: Tensor) -> Tensor:
        """``[N]`` to ``[N, D]``."""
        angles = 2 * math.pi * times[:, None] * self.get_buffer("frequencies")
        return self.time(torch.cat([angles.sin(), angles.cos()], dim=-1))


class FMPose3D(Lifter):
    """Flow matching: poses move from noise along a learned velocity.

    What it generates in the root's row is the root's position in camera space; a prediction has 0 there.
    """

    title = "FMPose3D"
    Config = FMPose3DConfig
    probabilistic = True
    compiled_part = "network"
    trains_compiled_part = True
    presets = {
        "tiny": tuned("fmpose3d", FMPose3DConfig(frames=9, **TINY, **NO_DROPOUT), TINY_CENTRE_RECIPE),
        "small": Preset(FMPose3DConfig(frames=27, **SMALL, **NO_DROPOUT), SMALL_CENTRE_RECIPE),
        "base": Preset(FMPose3DConfig(frames=81, channels=128, layers=3, hidden=256), PAPER_RECIPE),
        "paper": Preset(FMPose3DConfig(), PAPER_RECIPE),
    }
    published = {"optimizer": "amsgrad", "schedule": "fifths", "rate_per": "epoch", "batches": "full"}

    def __init__(self, config: FMPose3DConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames, self.train_frames = config.frames, 1
        self.network = VelocityNetwork(config, skeleton)

    @property
    def input_frames(self) -> int:
        return 1

    @property
    def notes(self) -> dict[str, str]:
        return {"mirror images": "averaged" if self.config.mirror == "averaged" else "every second hypothesis"}

    def training_loss(self, batch: Batch) -> Tensor:
        """``flow_loss`` at random times."""
        target = self.target(batch)
        times, noise = self.draw(target)
        return self.flow_loss(batch.pose_2d, target, noise, times)

    def draw(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """The time of every window ``[B]`` (on the CPU), and noise like poses ``[B, F, J, 3]``."""
        return torch.rand(len(target)), torch.randn_like(target)

    def target(self, batch: Batch) -> Tensor:
        """Poses ``[B, F, J, 3]`` whose root's row holds its position in camera space, as released."""
        assert batch.pose_3d is not None
        assert batch.trajectory is not None
        target = batch.pose_3d.clone()
        target[:, :, self.skeleton.root] = batch.trajectory
        return target

    def flow_loss(self, pose_2d: Tensor, target: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Mean squared error of the velocity on the straight way from noise to target, at ``times`` ``[B]``.

        Windows ``[B, F, J, 2]``; ``target`` and ``noise`` are ``[B, F, J, 3]``.
        """
        times = times.to(target.device, non_blocking=True)
        poses = between(noise, target, times)
        each = times.repeat_interleave(target.shape[1])  # [B] → [B·F]
        velocity = self.network(pose_2d.flatten(0, 1), poses.flatten(0, 1), each)
        return functional.mse_loss(velocity, (target - noise).flatten(0, 1))

    @torch.no_grad()
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        """Estimates ``[B, K, H, F, J, 3]``; see ``flow`` for what the estimate of a step is."""
        shape = (self.frames, len(self.skeleton.joints), 3)
        noise = window_noise(batch.window_keys, sampling.seed, sampling.hypotheses, 1 + sampling.flip, shape)
        noise, H = noise.to(batch.pose_2d.device), sampling.hypotheses
        if not sampling.flip:
            poses = self.sample(batch.pose_2d, noise[0], sampling.steps)
        elif self.config.mirror == "averaged":
            plain = self.sample(batch.pose_2d, noise[0], sampling.steps)
            poses = (plain + self._mirrored(batch, noise[1], sampling)) / 2
        else:
            poses = noise.new_empty(len(batch), sampling.steps, H, *shape)
            poses[:, :, ::2] = self.sample(batch.pose_2d, noise[0, :, : H - H // 2], sampling.steps)
            poses[:, :, 1::2] = self._mirrored(batch, noise[1, :, : H // 2], sampling)
        return root_at_origin(poses, self.skeleton)

    def sample(self, pose_2d: Tensor, noise: Tensor, steps: int) -> Tensor:
        """Poses ``[B, K, H, F, J, 3]`` of windows ``[B, F, J, 2]`` from noise ``[B, H, F, J, 3]``.

        Frames run in chunks that bound memory and do not change the result.
        """
        if not 1 <= steps <= MOST_STEPS:
            raise InputError(f"steps is {steps}, but a flow takes 1 to {MOST_STEPS} steps")
        seen = pose_2d[:, None].expand(*noise.shape[:2], -1, -1, -1).flatten(0, 2)  # [B, H, F, J, 2] → [N, J, 2]
        values = VALUES_AT_ONCE if noise.is_cuda else CACHED_VALUES
        size = max(1, values // (GRAPHS * self.config.channels * noise.shape[-2]))
        estimates = [
            flow(partial(self._velocity, some), start, steps)
            for some, start in zip(seen.split(size), noise.flatten(0, 2).split(size), strict=True)
        ]
        # K times [N, J, 3] → [K, B, H, F, J, 3] → [B, K, H, F, J, 3]
        return torch.cat(estimates, dim=1).unflatten(1, noise.shape[:3]).transpose(0, 1)

    def _velocity(self, pose_2d: Tensor, poses: Tensor, time: float) -> Tensor:
        return self.network(pose_2d, poses, torch.full((1,), time, device=poses.device))

    def _mirrored(self, batch: Batch, noise: Tensor, sampling: Sampling) -> Tensor:
        """Samples of the mirrored windows, mirrored back."""
        return self.skeleton.mirror(self.sample(self.skeleton.mirror(batch.pose_2d), noise, sampling.steps))


def between(noise: Tensor, target: Tensor, times: Tensor) -> Tensor:
    """The pose at ``times`` ``[B]`` (0: noise, 1: target) on the straight way between them; both ``[B, ...]``."""
    share = times.view(-1, *[1] * (target.dim() - 1))  # [B] → [B, 1, …, 1]
    return (1 - share) * noise + share * target


def flow(velocity: Callable[[Tensor, float], Tensor], start: Tensor, steps: int) -> Tensor:
    """Follow a velocity from time 0 to 1 in K Euler steps.

    The estimate of a step is where the flow would end if it went straight on with the velocity of that step. So
    the last one is the sample itself, and the first one is that of a flow of one step.

    Args:
        velocity: poses and their time to their velocity.
        start: ``[...]``, noise.
        steps: K.

    Returns:
        ``[K, ...]``.
    """
    current, estimates = start, []
    for step in range(steps):
        now = velocity(current, step / steps)
        estimates.append(current + now * ((steps - step) / steps))
        current = current + now / steps
    return torch.stack(estimates)
