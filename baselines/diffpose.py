"""DiffPose: an estimator's pose, refined frame by frame by diffusion (Gong et al., arXiv:2211.16940, CVPR 2023).

A joint of a frame is five numbers: u, v on the screen, and x, y, z. Both stages have the same kind of network.

Where its parts are:

- this file: the graph network, ``PoseEstimator`` (first stage), ``DiffPose`` (second), schedule, sampler, options.
- ``baselines.layers.annotated_transformer``: attention over joints, residuals, norm.
- ``baselines.layers.graph``: the skeleton's graph and its Chebyshev polynomials.
- ``baselines.layers.graph_convolution``: convolutions over these polynomials and over a learned graph.
- ``models.diffusion.process``: forward process, DDIM step, noise of each window.
- ``models.diffusion.denoiser``: the embedding of the time.
- ``models.inference``: averaging with the mirror image.
- ``models.losses``: ``mean_joint_distance``, the first stage's loss.

N frames, J joints, C channels; in sampling B windows (twice that where plain and mirrored ones run together),
K steps, H hypotheses, F frames of a window. Inner layers keep their published names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from baselines.layers.annotated_transformer import Residual, SeparateAttention
from baselines.layers.graph import chebyshev, neighbours
from baselines.layers.graph_convolution import ChebyshevConvolution, GraphBlock, GraphFeedForward
from models.config import (
    WindowConfig,
    added_option,
    check_at_least,
    check_heads,
    check_one_of,
    check_positive,
    check_probability,
)
from models.diffusion.denoiser import VALUES_AT_ONCE, sinusoid
from models.diffusion.process import ddim_step, q_sample, window_noise
from models.errors import InputError
from models.inference import flip_average, root_at_origin
from models.layers.coordinates import FullPrecision
from models.lifter import SMALL_HALF, TINY_HALF, Batch, FirstStage, Lifter, Preset, Recipe, Sampling
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned

TIMESTEPS = 51
FIRST_BETA, LAST_BETA = 1e-4, 1e-3
UV, XYZ = slice(0, 2), slice(2, 5)

TINY: dict[str, Any] = {"channels": 32, "layers": 2, "dropout": 0.0}
SMALL: dict[str, Any] = {"channels": 64, "layers": 3, "dropout": 0.0}
BASE: dict[str, Any] = {"channels": 64, "layers": 3}
PAPER: dict[str, Any] = {"attention_dropout": 0.1}
BASE_RECIPE = Recipe(40, 1024, learning_rate=1e-3, decay=0.97, weight_decay=0.0, optimizer="adam", clip=1.0)
PAPER_RECIPE = replace(BASE_RECIPE, epochs=80, decay=0.9, schedule="staircase")
PUBLISHED: Mapping[str, Any] = {
    "optimizer": "adam", "clip": 1.0, "rate_per": "epoch", "batches": "full", "mirrored": "none",
}  # fmt: skip


@dataclass(frozen=True)
class GraphConfig(WindowConfig):
    """Size of a graph network.

    Attributes:
        channels: C, even and divisible by ``heads``.
        layers: pairs of an attention layer and a graph block.
        heads: of every attention.
        dropout: of the attention layers; that of the graph blocks is 0.1.
        attention_dropout: of the attention weights; published: 0.1.
    """

    channels: int = 96
    layers: int = 5
    heads: int = 4
    dropout: float = 0.25
    attention_dropout: float = added_option(0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.channels, self.heads)
        check_at_least(self, 1, "layers")
        check_probability(self, "dropout", "attention_dropout")


class AttentionLayer(nn.Module):
    """Pre-norm attention over joints, then the feed-forward part over the learned graph."""

    def __init__(self, config: GraphConfig, joints: int) -> None:
        super().__init__()
        self.self_attn = SeparateAttention(config.channels, config.heads, config.attention_dropout)
        self.feed_forward = GraphFeedForward(config.channels, joints)
        self.sublayer = nn.ModuleList(Residual(config.channels, config.dropout) for _ in range(2))

    def forward(self, features: Tensor) -> Tensor:
        attended = self.sublayer[0](features, self.self_attn)
        return self.sublayer[1](attended, self.feed_forward)


class CoordinateConvolution(FullPrecision, ChebyshevConvolution):
    """``[N, J, C]`` to coordinates."""


class GraphNetwork(nn.Module):
    """Joints ``[N, J, inputs]`` to ``[N, J, outputs]``; ``timed``: on the condition of a time."""

    def __init__(self, config: GraphConfig, skeleton: Skeleton, inputs: int, outputs: int, timed: bool) -> None:
        super().__init__()
        C, joints = config.channels, len(skeleton.joints)
        self.channels = C
        basis = chebyshev(neighbours(skeleton))
        self.gconv_input = ChebyshevConvolution(inputs, C, basis)
        self.atten_layers = nn.ModuleList(AttentionLayer(config, joints) for _ in range(config.layers))
        self.gconv_layers = nn.ModuleList(GraphBlock(C, basis, timed) for _ in range(config.layers))
        self.gconv_output = CoordinateConvolution(C, outputs, basis)
        self.temb = nn.Sequential(nn.Linear(C, 4 * C), nn.SiLU(), nn.Linear(4 * C, 4 * C)) if timed else None

    def forward(self, joints: Tensor, times: Tensor | None = None) -> Tensor:
        """``times``: ``[N]`` or ``[1]`` integers."""
        time = None
        if self.temb is not None and times is not None:
            time = self.temb(sinusoid(times, self.channels))
        features = self.gconv_input(joints)
        for attention, block in zip(self.atten_layers, self.gconv_layers, strict=True):
            features = block(attention(features), time)
        return self.gconv_output(features)

    def windows(self, joints: Tensor) -> Tensor:
        """Frame by frame: ``[B, F, J, inputs]`` to ``[B, F, J, outputs]``."""
        return self(joints.flatten(0, 1)).unflatten(0, joints.shape[:2])  # [B, F, …] → [B·F, …] → [B, F, …]


def linear_betas() -> Tensor:
    """Noise variances ``[51]``, float32."""
    return torch.linspace(FIRST_BETA, LAST_BETA, TIMESTEPS, dtype=torch.float64).float()


def linear_schedule() -> Tensor:
    """Share of signal left at each time, ``[51]``: a float32 product, as published, in float64."""
    return (1 - linear_betas()).cumprod(0).double()


def refine(
    predict_noise: Callable[[Tensor, int], Tensor], start: Tensor, times: list[int], signal: Tensor
) -> Tensor:
    """Clean estimates ``[K, *shape]`` of every step, to which no noise is added (eta 0).

    Args:
        predict_noise: noisy joints and their time to the noise in them.
        start: joints ``[*shape]`` at the first time.
        times: K times, descending.
        signal: the schedule.
    """
    current, estimates = start, []
    for now, then in pairwise([*times, -1]):
        clean = clean_joints(current, predict_noise(current, now), now, signal)
        estimates.append(clean)
        if then >= 0:
            current = ddim_step(current, clean, start.new_zeros(1), now, then, signal, eta=0.0)
    return torch.stack(estimates)  # K times [*shape] → [K, *shape]


def clean_joints(noisy: Tensor, noise: Tensor, time: int, signal: Tensor) -> Tensor:
    """Joints without the noise that is in them at a time of the schedule ``signal``; any shape."""
    share = float(signal[time])
    return (noisy - (1 - share) ** 0.5 * noise) / share**0.5


def times_and_mirrors(count: int) -> Tensor:
    """Random times ``[count]``, to every t also 50 - t, so that early and late ones balance."""
    times = torch.randint(0, TIMESTEPS, (-(-count // 2),))
    return torch.cat([times, TIMESTEPS - 1 - times])[:count]


@dataclass(frozen=True)
class DiffPoseConfig(GraphConfig):
    """Size of both networks, and how the diffusion runs.

    Attributes:
        behaviour: ``described``: the chain starts at noisy joints, as the paper says, and hypotheses differ;
            ``released``: it starts at the estimator's answer itself, and all hypotheses are equal.
        spread: of u and v (screen units) in noise of variance 1, the same for all joints; the original takes each
            joint's from the detector's heat map.
        earliest: sampling starts below this time: the paper's 24 for detections, 12 for ground-truth 2D.
    """

    behaviour: str = "described"
    spread: float = 0.05
    earliest: int = 24

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of(self, ("described", "released"), "behaviour")
        check_positive(self, "spread")
        if not 1 <= self.earliest <= TIMESTEPS:
            raise InputError(f"earliest is {self.earliest}, but times are below {TIMESTEPS}: take 24")


class PoseEstimator(Lifter):
    """DiffPose's first stage; how the published one was trained is not known."""

    title = "DiffPose's pose estimator"
    Config = GraphConfig
    presets = {
        "tiny": Preset(GraphConfig(frames=9, **TINY), TINY_HALF),
        "small": Preset(GraphConfig(frames=27, **SMALL), SMALL_HALF),
        "base": Preset(GraphConfig(frames=81, **BASE), BASE_RECIPE),
        "paper": Preset(GraphConfig(**PAPER), PAPER_RECIPE),
    }
    published = PUBLISHED

    def __init__(self, config: GraphConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames, self.train_frames = config.frames, 1
        self.network = GraphNetwork(config, skeleton, inputs=2, outputs=3, timed=False)

    def training_loss(self, batch: Batch) -> Tensor:
        """Mean joint distance; the root is trained towards 0."""
        assert batch.pose_3d is not None
        return mean_joint_distance(self.network.windows(batch.pose_2d), batch.pose_3d)

    @torch.no_grad()
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        poses = flip_average(self.network.windows, batch.pose_2d, self.skeleton, sampling.flip)
        return about_root(poses, self.skeleton)[:, None, None]  # [B, F, J, 3] → [B, 1, 1, F, J, 3]


class DiffPose(Lifter):
    """The denoiser, and the pose estimator, trained before and frozen, from whose answer it starts."""

    title = "DiffPose"
    timed_stages = {"2D": "start", "denoise": "sample"}
    Config = DiffPoseConfig
    probabilistic = True
    begins_alike = False  # K = 1 starts at the last of the times, more steps at an earlier one
    compiled_part = "denoiser"
    trains_compiled_part = True
    presets = {
        "tiny": tuned("diffpose", DiffPoseConfig(frames=9, **TINY), TINY_HALF),
        "small": Preset(DiffPoseConfig(frames=27, **SMALL), SMALL_HALF),
        "base": Preset(DiffPoseConfig(frames=81, **BASE), BASE_RECIPE),
        "paper": Preset(DiffPoseConfig(**PAPER), PAPER_RECIPE, config_on_gt={"earliest": 12}),
    }
    published = PUBLISHED

    @classmethod
    def prediction_version(cls, config: DiffPoseConfig) -> int:
        """2: before, K = 1 could be read off the first of several steps, which begin at another time."""
        return 2

    def __init__(self, config: DiffPoseConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames, self.train_frames = config.frames, 1
        self.estimator = GraphNetwork(config, skeleton, inputs=2, outputs=3, timed=False).requires_grad_(False)
        self.denoiser = GraphNetwork(config, skeleton, inputs=5, outputs=5, timed=True)
        self.signal = linear_schedule()

    @property
    def input_frames(self) -> int:
        return 1

    @classmethod
    def first_stage(cls, config: DiffPoseConfig) -> FirstStage:
        shared = {entry.name: getattr(config, entry.name) for entry in fields(GraphConfig)}
        return FirstStage(PoseEstimator, GraphConfig(**shared), selection="validation")

    def begin_from(self, first: Lifter) -> None:
        self.estimator.load_state_dict(first.get_submodule("network").state_dict())

    @property
    def notes(self) -> dict[str, str]:
        return {
            "behaviour": self.config.behaviour,
            "heat maps": f"none, one kernel of spread {self.config.spread}",
        }

    def training_loss(self, batch: Batch) -> Tensor:
        """Squared error of the noise in true joints, summed over a frame's joints and numbers."""
        assert batch.pose_3d is not None
        joints = torch.cat([batch.pose_2d, batch.pose_3d], dim=-1).flatten(0, 1)  # [B, F, J, 5] → [N, J, 5]
        times = times_and_mirrors(len(joints))
        noise = self._scaled(torch.randn_like(joints))
        noisy = q_sample(joints, noise, times, self.signal)
        estimate = self.denoiser(noisy, times.to(joints.device, non_blocking=True))
        return noise_loss(estimate, noise)

    @torch.no_grad()
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        times = visited_times(sampling.steps, self.config.earliest)
        noise = self._noise(batch, sampling)

        def lift(pose_2d: Tensor) -> Tensor:
            joints = self.start(pose_2d)[:, None]  # [B, F, J, 5] → [B, 1, F, J, 5]
            if noise is not None:
                mirrored = len(pose_2d) > len(noise)
                drawn = torch.cat([noise, self._mirror(noise)]) if mirrored else noise
                joints = joints.expand(-1, sampling.hypotheses, -1, -1, -1)  # [B, 1, F, J, 5] → [B, H, F, J, 5]
                joints = q_sample(joints, drawn, torch.tensor(times[:1]), self.signal)
            return self.sample(joints, times)

        poses = flip_average(lift, batch.pose_2d, self.skeleton, sampling.flip)
        # [B, K, 1 or H, F, J, 3] → [B, K, H, F, J, 3]
        return root_at_origin(poses.expand(-1, -1, sampling.hypotheses, -1, -1, -1), self.skeleton)

    def start(self, pose_2d: Tensor) -> Tensor:
        """Joints ``[B, F, J, 5]``: windows ``[B, F, J, 2]`` and what the pose estimator makes of them."""
        pose_3d = about_root(self.estimator.windows(pose_2d), self.skeleton)
        return torch.cat([pose_2d, pose_3d], dim=-1)

    def sample(self, joints: Tensor, times: list[int]) -> Tensor:
        """Poses ``[B, K, H, F, J, 3]`` from joints ``[B, H, F, J, 5]`` at the first of K descending times.

        Hypotheses run in chunks that bound memory and do not change the result.
        """

        def predict_noise(noisy: Tensor, time: int) -> Tensor:
            at = torch.full((1,), time, device=noisy.device)
            frames = self.denoiser(noisy.flatten(0, 2), at)  # [B, H, F, J, 5] → [B·H·F, J, 5]
            return frames.unflatten(0, noisy.shape[:3])  # [B·H·F, J, 5] → [B, H, F, J, 5]

        values = joints[:, 0, ..., 0].numel() * 2 * self.config.channels
        chunks = joints.split(max(1, VALUES_AT_ONCE // values), dim=1)
        refined = torch.cat([refine(predict_noise, chunk, times, self.signal) for chunk in chunks], dim=2)
        # [K, B, H, F, J, 3] → [B, K, H, F, J, 3]
        return about_root(refined[..., XYZ], self.skeleton).transpose(0, 1)

    def _noise(self, batch: Batch, sampling: Sampling) -> Tensor | None:
        """Noise that is added to the start, ``[B, H, F, J, 5]``; None as released, where none is added."""
        if self.config.behaviour == "released":
            return None
        shape = (self.frames, len(self.skeleton.joints), 5)
        (noise,) = window_noise(batch.window_keys, sampling.seed, sampling.hypotheses, 1, shape)
        return self._scaled(noise.to(batch.pose_2d.device))

    def _scaled(self, noise: Tensor) -> Tensor:
        return torch.cat([noise[..., UV] * self.config.spread, noise[..., XYZ]], dim=-1)

    def _mirror(self, joints: Tensor) -> Tensor:
        return torch.cat([self.skeleton.mirror(joints[..., part]) for part in (UV, XYZ)], dim=-1)


def visited_times(steps: int, earliest: int) -> list[int]:
    """K times, descending to 0, evenly spaced below ``earliest``; ``InputError`` if there are fewer than K."""
    if not 1 <= steps <= earliest:
        raise InputError(f"steps is {steps}, but DiffPose takes 1 to {earliest} of them")
    return [step * earliest // steps for step in reversed(range(steps))]


def noise_loss(estimate: Tensor, noise: Tensor) -> Tensor:
    """Squared error of noise ``[N, J, 5]``, summed over a frame."""
    return (estimate - noise).square().sum((1, 2)).mean()


def about_root(poses: Tensor, skeleton: Skeleton) -> Tensor:
    """Poses ``[..., J, 3]`` relative to their root joint."""
    return poses - poses[..., skeleton.root : skeleton.root + 1, :]
