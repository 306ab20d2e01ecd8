"""P-STMO: masked pose modelling, then many 2D frames to one pose (Shan et al., arXiv:2203.07628, ECCV 2022).

Where its parts are:

- this file: ``MaskedPoses`` (first stage), ``PSTMO`` (second stage), their shared and own networks, the options.
- ``baselines.layers.annotated_transformer``: attention, residuals and norm in the manner of the released code.
- ``models.inference``: every frame lifted from its own window, prediction (mean over mirror images).
- ``models.losses``: ``mean_joint_distance``, in the losses of both stages.

B batch, T frames seen by the network, V of them visible, F frames of a window, J joints, C channels, L frames
after some strides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from baselines.layers.annotated_transformer import Residual, SeparateAttention, UnbiasedNorm
from models.config import WindowConfig, added_option, check_at_least, check_probability
from models.errors import InputError
from models.inference import DeterministicLifter, centre_frames
from models.layers.coordinates import CoordinateConv1d
from models.lifter import SMALL_HALF, TINY_HALF, Batch, FirstStage, Lifter, Preset, Recipe
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned

LEAK = 0.2
STRIDED_TABLES = 3
NEVER_MASKED = 1
"""The released code draws masked joints from all but the last."""


@dataclass(frozen=True)
class PSTMOConfig(WindowConfig):
    """Size of the network; ``frames`` is the length of evaluated windows.

    Attributes:
        strides: of the strided layers; their product T is the number of frames that the network sees.
        every: it sees one in ``every`` frames of the video, so a window spans ``(T - 1) · every + 1`` frames.
        channels: C, an even multiple of ``heads``.
        hidden: width of the feed-forward layers.
        layers: of the transformer at full length; the decoder of the first stage has one less.
        heads: of every attention.
        dropout: after the activations of the frame encoder and on the residual branches of the transformers.
        stride: frames from one training window to the next.
        pretrain: whether there is a first stage, masked pose modelling.
        masked_frames: share of frames that it hides.
        masked_joints: joints that it hides in every frame.
        inner_dropout: of attention weights and inside the feed-forward layers; published: 0.1.
        padded: train on a window around every frame, end frames repeated, as released; else on those that lie
            within the sequence.
    """

    strides: tuple[int, ...] = (3, 3, 3, 3, 3)
    every: int = 2
    channels: int = 256
    hidden: int = 512
    layers: int = 3
    heads: int = 8
    dropout: float = 0.1
    stride: int = 1
    pretrain: bool = True
    masked_frames: float = 0.8
    masked_joints: int = 2
    inner_dropout: float = added_option(0.0)
    padded: bool = added_option(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.strides or any(stride < 1 or stride % 2 == 0 for stride in self.strides):
            raise InputError(f"strides is {self.strides}, but needs odd positive strides: take 3,3,3")
        if self.channels < 2 or self.heads < 1 or self.channels % (2 * self.heads):
            raise InputError(
                f"channels is {self.channels} with {self.heads} heads: take an even multiple of heads"
            )
        check_at_least(self, 0, "masked_joints")
        check_at_least(self, 1, "every", "stride")
        check_at_least(self, 2, "hidden", "layers")
        check_probability(self, "dropout", "masked_frames", "inner_dropout")

    @property
    def seen(self) -> int:
        """T."""
        return math.prod(self.strides)

    @property
    def span(self) -> int:
        """Frames of the video from the first to the last that is seen."""
        return (self.seen - 1) * self.every + 1

    @property
    def beyond(self) -> int:
        """Repeated end frames that training windows cover."""
        return self.span // 2 if self.padded else 0


SIZES: dict[str, tuple[PSTMOConfig, Recipe, Recipe]] = {
    "tiny": (
        PSTMOConfig(9, (3, 3), every=1, channels=32, hidden=64, layers=2, heads=2, dropout=0.0, stride=9),
        TINY_HALF,
        TINY_HALF,
    ),
    "small": (
        PSTMOConfig(27, (3, 3, 3), every=1, channels=64, hidden=128, layers=3, heads=4, dropout=0.0, stride=27),
        SMALL_HALF,
        SMALL_HALF,
    ),
    "base": (
        PSTMOConfig(81, (3, 3, 3, 3), channels=128, hidden=256),
        Recipe(40, 160 * 161, 1e-4, 0.95, 0.0, optimizer="amsgrad"),
        Recipe(40, 160 * 161, 7e-4, 0.95, 0.0, optimizer="amsgrad"),
    ),
    "paper": (
        PSTMOConfig(inner_dropout=0.1, padded=True),
        Recipe(79, None, 1e-4, 0.97, 0.0, optimizer="amsgrad", batch_windows=160),
        Recipe(79, None, 7e-4, 0.97, 0.0, optimizer="amsgrad", batch_windows=160),
    ),
}
"""Configuration, schedule of the first stage, schedule of the second; "paper" is the smaller published one (S)."""
ON_GT: dict[str, Any] = {"paper": {"on_gt": {"learning_rate": 1e-3}, "config_on_gt": {"masked_joints": 7}}}
"""Other published values on ground-truth 2D."""
PUBLISHED: Mapping[str, Any] = {"optimizer": "amsgrad", "rate_per": "epoch", "batches": "full"}


class FrameEncoder(nn.Module):
    """Every frame on its own: two coordinates of J joints, ``[B, T, J, 2]``, to C channels, ``[B, T, C]``."""

    def __init__(self, joints: int, channels: int, dropout: float) -> None:
        super().__init__()
        wide = 2 * channels
        self.expand = nn.Conv1d(2 * joints, wide, 1)
        self.expand_norm = nn.BatchNorm1d(wide)
        self.convs = nn.ModuleList(nn.Conv1d(wide, wide, 1) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm1d(wide) for _ in range(2))
        self.shrink = nn.Conv1d(wide, channels, 1)
        self.activate = nn.Sequential(nn.LeakyReLU(LEAK), nn.Dropout(dropout))

    def forward(self, pose_2d: Tensor) -> Tensor:
        rows = pose_2d.flatten(2).transpose(1, 2)  # [B, T, J, 2] → [B, T, J·2] → [B, J·2, T]
        wide = self.activate(self.expand_norm(self.expand(rows)))
        features = wide
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = self.activate(norm(conv(features)))
        return self.shrink(wide + features).transpose(1, 2)  # [B, 2·C, T] → [B, C, T] → [B, T, C]


class FeedForward(nn.Module):
    """Two linear layers over ``[B, L, C]`` with a ReLU between them."""

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.w_1 = nn.Linear(channels, hidden)
        self.w_2 = nn.Linear(hidden, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.w_2(self.dropout(self.w_1(tokens).relu()))


class StridedFeedForward(nn.Module):
    """The same by convolutions, the second over three frames with stride s: ``[B, L, C]`` to ``[B, L / s, C]``."""

    def __init__(self, channels: int, hidden: int, dropout: float, stride: int) -> None:
        super().__init__()
        self.w_1 = nn.Conv1d(channels, hidden, 1)
        self.w_2 = nn.Conv1d(hidden, channels, 3, stride=stride, padding=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        channels = tokens.transpose(1, 2)  # [B, L, C] → [B, C, L]
        return self.w_2(self.dropout(self.w_1(channels).relu())).transpose(1, 2)  # [B, C, L / s] → [B, L / s, C]


class Layer(nn.Module):
    """Pre-norm transformer layer over L of ``[B, L, C]``; a stride keeps the first frame of every group."""

    def __init__(self, config: PSTMOConfig, channels: int, hidden: int, stride: int | None = None) -> None:
        super().__init__()
        self.stride = stride or 1
        inner = config.inner_dropout
        self.self_attn = SeparateAttention(channels, config.heads, inner)
        self.feed_forward = (
            FeedForward(channels, hidden, inner)
            if stride is None
            else StridedFeedForward(channels, hidden, inner, stride)
        )
        self.sublayer = nn.ModuleList(Residual(channels, config.dropout) for _ in range(2))

    def forward(self, tokens: Tensor) -> Tensor:
        attended, forwarded = self.sublayer
        return forwarded(attended(tokens, self.self_attn), self.feed_forward, self.stride)


class StridedTransformer(nn.Module):
    """Layers whose strides bring T frames down to one; the first three add a table of positions to their input."""

    def __init__(self, config: PSTMOConfig) -> None:
        super().__init__()
        C = config.channels
        self.layers = nn.ModuleList(Layer(config, C, config.hidden, stride) for stride in config.strides)
        self.tables = nn.ParameterList(
            nn.Parameter(torch.randn(1, config.seen, C)) for _ in config.strides[:STRIDED_TABLES]
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, T, C]`` to ``[B, 1, C]``."""
        for number, layer in enumerate(self.layers):
            if number < len(self.tables):
                tokens = tokens + self.tables[number][:, : tokens.shape[1]]
            tokens = layer(tokens)
        return tokens


class FrameTransformer(nn.Module):
    """What both stages have: an encoder of single frames, a table of positions, attention between frames."""

    def __init__(self, config: PSTMOConfig, joints: int) -> None:
        super().__init__()
        C = config.channels
        self.encoder = FrameEncoder(joints, C, config.dropout)
        self.table = nn.Parameter(torch.randn(1, config.seen, C))
        self.layers = nn.Sequential(*(Layer(config, C, config.hidden) for _ in range(config.layers)))

    def forward(self, pose_2d: Tensor, visible: Tensor | None = None) -> Tensor:
        """Poses ``[B, T, J, 2]`` to tokens ``[B, T, C]``, or of the ``visible`` frames only, ``[B, V, C]``."""
        tokens = self.encoder(pose_2d) + self.table
        return self.layers(tokens if visible is None else tokens[:, visible])


def head(channels: int, values: int) -> nn.Sequential:
    """BatchNorm and one linear layer, for ``[B, C, L]``."""
    return nn.Sequential(nn.BatchNorm1d(channels), CoordinateConv1d(channels, values, 1))


def poses_of(layers: nn.Module, tokens: Tensor, coordinates: int) -> Tensor:
    """Tokens ``[B, L, C]`` through a head to poses of c coordinates, ``[B, L, J, c]``."""
    values = layers(tokens.transpose(1, 2))  # [B, L, C] → [B, C, L] → [B, J·c, L]
    return values.transpose(1, 2).unflatten(2, (-1, coordinates))  # [B, J·c, L] → [B, L, J·c] → [B, L, J, c]


class MaskedPoses(Lifter):
    """The first stage: hide frames and joints of 2D poses, and restore them (section 3.2)."""

    title = "Masked pose modelling"
    Config = PSTMOConfig
    presets = {name: Preset(config, recipe) for name, (config, recipe, _) in SIZES.items()}
    published = PUBLISHED

    def __init__(self, config: PSTMOConfig, skeleton: Skeleton = HUMAN36M) -> None:
        """Raises ``InputError`` where ``masked_joints`` are more than may be hidden."""
        super().__init__(config, skeleton)
        C, half, J = config.channels, config.channels // 2, len(skeleton.joints)
        if config.masked_joints > J - NEVER_MASKED:
            raise InputError(
                f"masked_joints is {config.masked_joints}, but at most {J - NEVER_MASKED} can be hidden"
            )
        self.frames, self.train_frames, self.train_stride = config.frames, config.span, config.stride
        self.train_beyond = config.beyond
        self.trunk = FrameTransformer(config, J)
        self.joint_token = nn.Parameter(torch.randn(1, 1, 2))
        self.frame_token = nn.Parameter(torch.randn(1, 1, half))
        self.norm = UnbiasedNorm(C)
        self.narrow = nn.Linear(C, half, bias=False)
        self.decoder_table = nn.Parameter(torch.randn(1, config.seen, half))
        self.decoder = nn.Sequential(*(Layer(config, half, config.hidden // 2) for _ in range(config.layers - 1)))
        self.decoder_head = head(half, 2 * J)

    @property
    def hidden(self) -> int:
        """How many of the frames that are seen the configuration hides."""
        return int(self.config.masked_frames * self.config.seen)

    def restore(
        self, pose_2d: Tensor, hidden_frames: Tensor, hidden_joints: Tensor, hidden: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Restore poses from a part of them.

        Args:
            pose_2d: ``[B, T, J, 2]``.
            hidden_frames: ``[T]`` bool, the same for all windows.
            hidden_joints: ``[T, J]`` bool, the same for all windows.
            hidden: how many frames are hidden; None asks the device.

        Returns:
            Restored poses and given ones, ``[B, T, J, 2]``, visible frames first, then hidden ones.
        """
        hidden = int(hidden_frames.sum()) if hidden is None else hidden
        order = hidden_frames.byte().argsort(stable=True)  # visible frames first, each kind as in time
        visible = order[: len(order) - hidden]
        shown = torch.where(hidden_joints[:, :, None], self.joint_token, pose_2d)  # [B, T, J, 2]
        seen = self.narrow(self.norm(self.trunk(shown, visible)))  # [B, V, C / 2]
        blank = self.frame_token.expand(len(pose_2d), hidden, -1)  # [1, 1, C / 2] → [B, T - V, C / 2]
        tokens = self.decoder(torch.cat([seen, blank], dim=1) + self.decoder_table[:, order])
        return poses_of(self.decoder_head, tokens, 2), pose_2d[:, order]

    def draw_masks(self) -> tuple[Tensor, Tensor]:
        """Random frames ``[T]`` and joints ``[T, J]`` to hide, as many as the configuration says."""
        T, J, device = self.config.seen, len(self.skeleton.joints), self.joint_token.device
        frames = torch.rand(T, device=device).argsort() < self.hidden
        order = torch.rand(T, J - NEVER_MASKED, device=device).argsort(dim=1)
        return frames, nn.functional.pad(order < self.config.masked_joints, (0, NEVER_MASKED))

    def training_loss(self, batch: Batch) -> Tensor:
        """Mean distance of restored joints over all frames, in screen coordinates."""
        seen = batch.pose_2d[:, :: self.config.every]
        return mean_joint_distance(*self.restore(seen, *self.draw_masks(), self.hidden))


class PSTMO(DeterministicLifter):
    """The second stage: all frames seen are lifted for the loss, the middle one for the prediction."""

    title = "P-STMO"
    least_windows = 2
    Config = PSTMOConfig
    compiled_part = "lift"
    presets = {
        name: Preset(config, recipe, **ON_GT.get(name, {})) for name, (config, _, recipe) in SIZES.items()
    } | {"tiny": tuned("pstmo", SIZES["tiny"][0], TINY_HALF)}
    published = PUBLISHED

    def __init__(self, config: PSTMOConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        J = len(skeleton.joints)
        self.frames, self.train_frames, self.train_stride = config.frames, config.span, config.stride
        self.train_beyond = config.beyond
        self.context = (config.span // 2, config.span // 2)
        self.trunk = FrameTransformer(config, J)
        self.strided = StridedTransformer(config)
        self.sequence_head = head(config.channels, 3 * J)
        self.single_head = head(config.channels, 3 * J)

    @property
    def input_frames(self) -> int:
        return self.config.seen

    @classmethod
    def first_stage(cls, config: PSTMOConfig) -> FirstStage | None:
        return FirstStage(MaskedPoses, config) if config.pretrain else None

    def begin_from(self, first: Lifter) -> None:
        assert isinstance(first, MaskedPoses)
        self.trunk.load_state_dict(first.trunk.state_dict())

    def lift(self, pose_2d: Tensor) -> Tensor:
        """Poses ``[B, T, J, 2]`` to the pose of the middle frame ``[B, J, 3]``."""
        return poses_of(self.single_head, self.strided(self.trunk(pose_2d)), 3)[:, 0]

    def lift_both(self, pose_2d: Tensor) -> tuple[Tensor, Tensor]:
        """Poses ``[B, T, J, 2]`` to all frames' ``[B, T, J, 3]`` and the middle one's ``[B, 1, J, 3]``."""
        tokens = self.trunk(pose_2d)
        return poses_of(self.sequence_head, tokens, 3), poses_of(self.single_head, self.strided(tokens), 3)

    def training_loss(self, batch: Batch) -> Tensor:
        """Loss of all frames that the network sees, every ``every``-th of the window, and of the middle one."""
        assert batch.pose_3d is not None
        config, (left, _) = self.config, self.context
        within = slice(left, left + config.span, config.every)
        return pstmo_loss(*self.lift_both(batch.pose_2d[:, within]), batch.pose_3d[:, :: config.every])

    def lift_windows(self, seen: Tensor) -> Tensor:
        """Every frame of ``[B, span - 1 + F, J, 2]`` from the frames that it sees: ``[B, F, J, 3]``.

        Frames that lie a multiple of ``every`` apart see the same subsampled video; they are lifted together.
        """
        every, F = self.config.every, self.frames
        poses = seen.new_empty(len(seen), F, len(self.skeleton.joints), 3)
        for phase in range(min(every, F)):
            count = len(range(phase, F, every))
            poses[:, phase::every] = centre_frames(self.lift, seen[:, phase::every], self.config.seen, count)
        return poses


def pstmo_loss(sequence: Tensor, single: Tensor, target: Tensor) -> Tensor:
    """Mean joint distance of all frames ``[B, T, J, 3]`` plus that of the middle one ``[B, 1, J, 3]``."""
    middle = target.shape[1] // 2
    single_loss = mean_joint_distance(single, target[:, middle : middle + 1])
    return mean_joint_distance(sequence, target) + single_loss
