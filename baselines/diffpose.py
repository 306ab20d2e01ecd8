"""DiffPose: a pose estimator's answer, refined frame by frame by diffusion (Gong et al., arXiv:2211.16940, CVPR 2023).

A joint of a frame is five numbers: u, v on the screen, and x, y, z. Both stages are one graph network.

N frames, J joints, C channels; in sampling B windows (twice that where mirrored ones run along), K steps,
H hypotheses, F frames of a window. Inner layers keep their published names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.annotated import Residual, SeparateAttention
from models.denoiser import VALUES_AT_ONCE, sinusoid
from models.diffusion import ddim_step, q_sample, window_noise
from models.errors import InputError
from models.graph import chebyshev, undirected
from models.lifter import TINY_RECIPE, Batch, Lifter, Preset, Recipe, Sampling
from models.losses import mean_joint_distance
from models.prediction import WindowConfig, flip_average, root_at_origin
from models.skeleton import HUMAN36M, Skeleton

BLOCK_DROPOUT = 0.1
ORDER = 3
TIMESTEPS = 51
FIRST_BETA, LAST_BETA = 1e-4, 1e-3
BEHAVIOURS = ("described", "released")


@dataclass(frozen=True)
class GraphConfig(WindowConfig):
    """Size of a graph network.

    Attributes:
        channels: C, even and divisible by ``heads``.
        layers: pairs of an attention layer and a graph block.
        heads: of every attention.
        dropout: of the attention layers; that of the graph blocks is 0.1.

    Raises:
        InputError: a value out of its range.
    """

    channels: int = 96
    layers: int = 5
    heads: int = 4
    dropout: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels < 4 or self.channels % 2 or self.heads < 1 or self.channels % self.heads:
            raise InputError(
                f"channels is {self.channels} with {self.heads} heads: take an even multiple of heads, 4 or more"
            )
        if self.layers < 1:
            raise InputError(f"layers is {self.layers}, but the network needs at least 1")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout}, but it is a probability below 1: take 0.25")


class ChebyshevConvolution(nn.Module):
    """A graph convolution of ``[N, J, C]`` with one weight for each Chebyshev polynomial of the graph."""

    def __init__(self, inputs: int, outputs: int, basis: Tensor) -> None:
        super().__init__()
        self.register_buffer("basis", basis, persistent=False)
        self.weight = nn.Parameter(torch.randn(len(basis), 1, inputs, outputs) / (2 * inputs * outputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(1, 1, outputs))

    def forward(self, features: Tensor) -> Tensor:
        received = self.get_buffer("basis") @ features[:, None]
        return received.transpose(1, 2).flatten(2) @ self.weight.flatten(0, 2) + self.bias


class ActiveConvolution(nn.Module):
    """A Chebyshev convolution, ReLU and dropout."""

    def __init__(self, channels: int, basis: Tensor) -> None:
        super().__init__()
        self.gconv = ChebyshevConvolution(channels, channels, basis)
        self.dropout = nn.Dropout(BLOCK_DROPOUT)

    def forward(self, features: Tensor) -> Tensor:
        return self.dropout(self.gconv(features).relu())


class GraphBlock(nn.Module):
    """Two convolutions and a residual; between them, the embedded time ``[N, 4 * C]`` is added to all joints."""

    def __init__(self, channels: int, basis: Tensor, timed: bool) -> None:
        super().__init__()
        self.gconv1 = ActiveConvolution(channels, basis)
        self.gconv2 = ActiveConvolution(channels, basis)
        self.temb_proj = nn.Linear(4 * channels, channels) if timed else None

    def forward(self, features: Tensor, time: Tensor | None) -> Tensor:
        hidden = self.gconv1(features)
        if self.temb_proj is not None:
            hidden = hidden + self.temb_proj(functional.silu(time))[:, None]
        return features + self.gconv2(hidden)


class GraphFeedForward(nn.Module):
    """Two linear layers of the joints, mixed by one learned graph ``[J, J]``, which starts as no mixing."""

    def __init__(self, channels: int, joints: int) -> None:
        super().__init__()
        self.A_hat = nn.Parameter(torch.eye(joints))
        self.gconv1 = MixedLinear(channels, 2 * channels)
        self.gconv2 = MixedLinear(2 * channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        scale = (self.A_hat.sum(0) + 1e-5) ** -0.5
        graph = scale[:, None] * self.A_hat * scale
        return self.gconv2(self.gconv1(features, graph).relu(), graph)


class MixedLinear(nn.Module):
    """A linear layer after mixing joints ``[N, J, C]``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fc = nn.Linear(inputs, outputs)

    def forward(self, features: Tensor, graph: Tensor) -> Tensor:
        return self.fc(graph @ features)


class AttentionLayer(nn.Module):
    """Pre-norm attention over joints, then the feed-forward part over the learned graph."""

    def __init__(self, config: GraphConfig, joints: int) -> None:
        super().__init__()
        self.self_attn = SeparateAttention(config.channels, config.heads)
        self.feed_forward = GraphFeedForward(config.channels, joints)
        self.sublayer = nn.ModuleList(Residual(config.channels, config.dropout) for _ in range(2))

    def forward(self, features: Tensor) -> Tensor:
        attended = self.sublayer[0](features, self.self_attn)
        return self.sublayer[1](attended, self.feed_forward)


class GraphNetwork(nn.Module):
    """Joints ``[N, J, inputs]`` to ``[N, J, outputs]``; ``timed``: on the condition of a time."""

    def __init__(self, config: GraphConfig, skeleton: Skeleton, inputs: int, outputs: int, timed: bool) -> None:
        super().__init__()
        C, joints = config.channels, len(skeleton.joints)
        basis = chebyshev(undirected(skeleton), ORDER)
        self.gconv_input = ChebyshevConvolution(inputs, C, basis)
        self.atten_layers = nn.ModuleList(AttentionLayer(config, joints) for _ in range(config.layers))
        self.gconv_layers = nn.ModuleList(GraphBlock(C, basis, timed) for _ in range(config.layers))
        self.gconv_output = ChebyshevConvolution(C, outputs, basis)
        self.temb = nn.Sequential(nn.Linear(C, 4 * C), nn.SiLU(), nn.Linear(4 * C, 4 * C)) if timed else None

    def forward(self, joints: Tensor, times: Tensor | None = None) -> Tensor:
        """``times``: ``[N]`` or ``[1]`` integers."""
        time = None if self.temb is None else self.temb(sinusoid(times, self.temb[0].in_features))
        features = self.gconv_input(joints)
        for attention, block in zip(self.atten_layers, self.gconv_layers, strict=True):
            features = block(attention(features), time)
        return self.gconv_output(features)


def linear_schedule() -> Tensor:
    """Share of signal left at each time, ``[51]``; a float32 product, as published, in float64."""
    betas = torch.linspace(FIRST_BETA, LAST_BETA, TIMESTEPS, dtype=torch.float64).float()
    return (1 - betas).cumprod(0).double()


def refine(
    predict_noise: Callable[[Tensor, int], Tensor],
    start: Tensor,
    times: list[int],
    signal: Tensor,
    noise: Tensor | None = None,
) -> Tensor:
    """Clean estimates ``[K, *shape]`` of every step from ``start`` ``[*shape]`` on.

    Args:
        predict_noise: noisy joints and their time to the noise in them.
        start: joints at the first time.
        times: K times, descending.
        signal: the schedule.
        noise: ``[K, *shape]``, added after each step (eta 1); without it (eta 0) nothing is added.
    """
    current, estimates = start, []
    eta, added = (0.0, torch.zeros(len(times), 1)) if noise is None else (1.0, noise)
    for number, (now, then) in enumerate(pairwise([*times, -1])):
        share = float(signal[now])
        clean = (current - (1 - share) ** 0.5 * predict_noise(current, now)) / share**0.5
        estimates.append(clean)
        if then >= 0:
            current = ddim_step(current, clean, added[number].to(current.device), now, then, signal, eta)
    return torch.stack(estimates)
