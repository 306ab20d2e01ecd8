"""What lifters after MotionBERT share: two streams and their fusion, units with layer scales, tokens, the loss.

B batch, F frames, J joints, C channels; inside a unit N rows, L mixed positions, M columns that are mixed
separately, as in ``models.layers.transformer``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.config import ConfidenceConfig, WindowConfig, check_at_least, check_heads, check_positive
from models.errors import InputError
from models.inference import DeterministicLifter
from models.layers.coordinates import CoordinateLinear
from models.layers.transformer import Mlp, within_frames
from models.lifter import Batch
from models.losses import sequence_loss
from models.skeleton import HUMAN36M, Skeleton


class Stream(nn.Module):
    """A spatial and a temporal part over ``[B, F, J, C]``, in one order or the other."""

    def __init__(self, spatial: nn.Module, temporal: nn.Module, spatial_first: bool = True) -> None:
        super().__init__()
        self.spatial_first = spatial_first
        self.spatial = spatial
        self.temporal = temporal

    def forward(self, tokens: Tensor) -> Tensor:
        if self.spatial_first:
            return self.temporal(within_frames(self.spatial, tokens))
        return within_frames(self.spatial, self.temporal(tokens))


class FusedStreams(nn.Module):
    """Two streams of the same tokens ``[B, F, J, C]``, and for every token a weighted mean of the two.

    The weights are learned and start at one half (Zhu et al., arXiv:2210.06551, section 3.3).
    """

    def __init__(self, channels: int, **streams: nn.Module) -> None:
        """``streams``: the two of them, by the names that their weights are stored under."""
        super().__init__()
        self.names = tuple(streams)
        for name, stream in streams.items():
            self.add_module(name, stream)
        self.fusion = nn.Linear(2 * channels, 2)
        self.start_as_equals()

    def start_as_equals(self) -> None:
        """Give both streams the weight one half."""
        nn.init.zeros_(self.fusion.weight)
        nn.init.constant_(self.fusion.bias, 0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        first, second = (self.get_submodule(name)(tokens) for name in self.names)
        weights = self.fusion(torch.cat([first, second], dim=-1)).softmax(dim=-1)  # [B, F, J, 2·C] → [B, F, J, 2]
        return weights[..., :1] * first + weights[..., 1:] * second


class ScaledUnit(nn.Module):
    """Mixing of positions and an MLP over ``[N, L, M, C]``, each a residual with a factor for every channel.

    The mixer is given the normed tokens. The factors start small, so that a deep network starts near the
    identity; with ``learned=False`` they stay what they are and are not stored.
    """

    layer_scale_1: Tensor
    layer_scale_2: Tensor

    def __init__(
        self, channels: int, mlp_ratio: float, mixer: nn.Module, layer_scale: float, learned: bool = True
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.mixer = mixer
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, int(channels * mlp_ratio))
        for name in ("layer_scale_1", "layer_scale_2"):
            scale = torch.full((channels,), layer_scale)
            if learned:
                self.register_parameter(name, nn.Parameter(scale))
            else:
                self.register_buffer(name, scale, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.add(tokens, self.mixer(self.norm1(tokens)))

    def add(self, tokens: Tensor, mixed: Tensor) -> Tensor:
        """The tokens with what the mixer made of them, and what the MLP makes of the result."""
        tokens = tokens + self.layer_scale_1 * mixed
        return tokens + self.layer_scale_2 * self.mlp(self.norm2(tokens))


@dataclass(frozen=True)
class StreamsConfig(WindowConfig, ConfidenceConfig):
    """Size of a network of two streams, and the weights of its losses.

    Attributes:
        frames: F of a window, 3 or more.
        stride: frames from one training window to the next; None for ``frames``, without overlap.
        channels: C, an even multiple of ``heads``.
        depth: stages.
        heads: of every attention.
        mlp_ratio: hidden width of an MLP over C.
        representation: width of the features before the last layer.
        layer_scale: initial factors of all residuals. The published 1e-5 takes many steps to leave the identity.
        input_gain: factor on the initial weights of the 2D coordinates, as in ``models.layers.transformer``.
        table_std: standard deviation of the initial joint table; 0 as published.
        scaled, velocity: weights of the losses on scaled poses and on velocity, beside 1 for the position.
    """

    stride: int | None = None
    channels: int = 128
    depth: int = 16
    heads: int = 8
    mlp_ratio: float = 4.0
    representation: int = 512
    layer_scale: float = 1e-5
    input_gain: float = 1.0
    table_std: float = 0.0
    scaled: float = 0.5
    velocity: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames < 3:
            raise InputError(f"frames is {self.frames}, but the loss compares frames: take 3 or more")
        check_at_least(self, 1, "stride", "depth", "representation")
        check_heads(self.channels, self.heads)
        if self.mlp_ratio * self.channels < 1:
            raise InputError(f"mlp_ratio is {self.mlp_ratio}, but the hidden layer must not be empty: take 4")
        check_positive(self, "layer_scale", "input_gain")
        check_at_least(self, 0, "table_std", "scaled", "velocity")


class StreamsLifter(DeterministicLifter):
    """Tokens of joints with the detector's confidence, sequence to sequence; a subclass has the stages.

    There is a joint table and no frame table. Before the last layer the features pass a tanh.
    """

    needs_confidence = True
    published = {"rate_per": "epoch", "batches": "full", "mirrored": "half"}

    def __init__(self, config: StreamsConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames = self.train_frames = config.frames
        self.train_stride = config.stride
        C = config.channels
        self.embedding = nn.Linear(3, C)
        self.embedding.weight.data[:, :2] *= config.input_gain
        self.joint_table = nn.Parameter(torch.randn(1, len(skeleton.joints), C) * config.table_std)
        self.norm = nn.LayerNorm(C)
        self.represent = nn.Linear(C, config.representation)
        self.head = CoordinateLinear(config.representation, 3)

    def pass_stages(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, F, J, C]`` through all stages."""
        raise NotImplementedError

    def lift_windows(self, seen: Tensor) -> Tensor:
        """Poses with confidence ``[B, F, J, 3]`` to ``[B, F, J, 3]``."""
        tokens = self.pass_stages(self.embedding(seen) + self.joint_table)
        return self.head(self.represent(self.norm(tokens)).tanh())

    def training_loss(self, batch: Batch) -> Tensor:
        """Weighted position, scaled position and velocity of all frames of the windows."""
        assert batch.pose_3d is not None
        lifted = self.lift_windows(self.seen(batch))
        return sequence_loss(lifted, batch.pose_3d, self.config.scaled, self.config.velocity)
