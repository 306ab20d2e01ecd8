"""Anatomy3D: bone lengths of a person and bone directions of a frame (Chen et al., arXiv:2002.10322, TCSVT 2021).

Where its parts are:

- this file: the networks of lengths and of directions, their combination, the losses, the options.
- ``baselines.layers.bones``: bones of a skeleton, and people with longer or shorter ones for training.
- ``baselines.tcn``: ``TCNConfig``, convolutions over time and their residual blocks.
- ``models.optim.norm_momentum``: the schedule of the norms' momentum.
- ``models.camera``: projection of those people into the camera.
- ``models.inference``: the detector's confidence as a third coordinate, prediction (mean over mirror images).
- ``models.losses``: ``mean_joint_distance``, in most terms of the loss.

B batch, L frames of input, T of them the receptive field, F frames of output, R random frames of the same video,
J joints, N bones, P pairs of joints that are no bone, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.layers.bones import Bones
from baselines.layers.convolutions import TimeConvolution, activate, pairs, residual_block, strided_block
from baselines.tcn import TCNConfig
from models.camera import project
from models.config import ConfidenceConfig, check_at_least
from models.inference import DeterministicLifter, full_precision
from models.layers.coordinates import CoordinateConv1d, CoordinateLinear
from models.lifter import SMALL_CENTRE_RECIPE, TINY_CENTRE_RECIPE, Batch, Preset, Recipe
from models.losses import mean_joint_distance
from models.optim.norm_momentum import decay_norm_momentum
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned

TEMPERATURE = 10.0
VALUES_AT_ONCE = 2**26
"""Numbers in one activation (256 MB in float32); output frames run in chunks that stay below it."""
DIRECTION_WEIGHT, SHIFT_WEIGHT, LENGTH_WEIGHT, FIRST_WEIGHT = 0.3, 2.0, 100.0, 0.5
ROOT, ROOT_SPREAD = (0.0, -0.3, 5.0), 0.5
"""Where people with other bones are placed in camera space for training, metres."""


@dataclass(frozen=True)
class AnatomyConfig(TCNConfig, ConfidenceConfig):
    """Size of the network.

    Attributes:
        random_frames: R, of the same sequence, from which bone lengths are estimated.
    """

    random_frames: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, 1, "random_frames")


class BoneLengths(nn.Module):
    """Rough poses, frame by frame, and from many frames of one person the lengths of the bones.

    The lengths' loss reaches the attention over frames alone: rough poses enter detached.
    """

    def __init__(self, joints: int, bones: int, blocks: int, channels: int, dropout: float) -> None:
        super().__init__()
        C, hidden = channels, 2 * blocks
        self.linears = nn.ModuleList(nn.Linear(C if number else 2 * joints, C) for number in range(hidden + 1))
        self.linears.append(CoordinateLinear(C, 3 * joints))
        self.norms = nn.ModuleList(nn.BatchNorm1d(C) for _ in range(hidden + 1))
        self.attention = nn.Linear(6 * joints, bones)
        self.dropout = nn.Dropout(dropout)

    def rough(self, pose_2d: Tensor) -> Tensor:
        """``[B, R, J, 2]`` to ``[B, R, J, 3]``."""
        features = self._layer(0, pose_2d.flatten(2).flatten(0, 1))  # [B, R, J, 2] → [B·R, J·2] → [B·R, C]
        for number in range(1, len(self.norms), 2):
            features = features + self._layer(number + 1, self._layer(number, features))
        return self.linears[-1](features).view(*pose_2d.shape[:3], 3)  # [B·R, J·3] → [B, R, J, 3]

    def logits(self, rough: Tensor) -> Tensor:
        """Weight of each frame for each bone before the softmax: ``[B, R, J, 3]`` to ``[B, R, N]``."""
        flat = rough.detach().flatten(2)  # [B, R, J, 3] → [B, R, J·3]
        return self.attention(torch.cat([flat, flat.abs()], dim=-1))

    def average(self, lengths: Tensor, logits: Tensor, count: int) -> Tensor:
        """Lengths ``[B, R, N]`` averaged over every ``count`` frames in a row: ``[B, R - count + 1, N]``."""
        # [B, R, N] → [B, R - count + 1, N, count]
        weights = (TEMPERATURE * logits).unfold(1, count, 1).softmax(dim=-1)
        return (weights * lengths.detach().unfold(1, count, 1)).sum(dim=-1)

    def _layer(self, number: int, features: Tensor) -> Tensor:
        return self.dropout(self.norms[number](self.linears[number](features)).relu())


class BoneDirections(nn.Module):
    """Directions of the bones, estimated twice: after a first pass of convolutions, and after a second one.

    The second pass starts from the result of the first and is given the first pass's features of every level too,
    both detached.
    """

    def __init__(self, config: TCNConfig, joints: int, bones: int) -> None:
        super().__init__()
        widths, C = config.filter_widths, config.channels
        self.widths, self.causal = widths, config.causal
        self.expand_conv = TimeConvolution(2 * joints, C, widths[0], bias=False)
        self.expand_bn = nn.BatchNorm1d(C)
        self.expand_convscore = TimeConvolution(joints, C, widths[0], bias=False)
        self.expand_bnscore = nn.BatchNorm1d(C)
        self.convs_1, self.norms_1 = _blocks(widths[1:], [2 * C] + [C] * len(widths[2:]), C)
        self.convs_2, self.norms_2 = _blocks(widths[1:], [2 * C] * len(widths[1:]), C)
        self.shrink_1 = CoordinateConv1d(C, 3 * bones, 1)
        self.shrink_2 = CoordinateConv1d(C, 3 * bones, 1)
        self.dropout = nn.Dropout(config.dropout)

    def dilated_levels(self, pose_2d: Tensor, score: Tensor) -> list[Tensor]:
        """Features of the first pass after every width, of all frames: ``[B, C, ·]`` with ever fewer of them.

        Args:
            pose_2d: ``[B, L, J, 2]``.
            score: ``[B, L, J]`` visibility.
        """
        pose, seen = (  # [B, L, J, ·] → [B, L, J·(2 or 1)] → [B, J·(2 or 1), L] → [B, C, L']
            self.dropout(norm(conv(values.flatten(2).transpose(1, 2))).relu())
            for conv, norm, values in (
                (self.expand_conv, self.expand_bn, pose_2d),
                (self.expand_convscore, self.expand_bnscore, score),
            )
        )
        features, levels = torch.cat([pose, seen * pose], dim=1), [pose]
        dilations = accumulate(self.widths[:-1], mul)
        for convs, norms, dilation in zip(pairs(self.convs_1), pairs(self.norms_1), dilations, strict=True):
            features = residual_block(features, convs, norms, self.dropout, dilation, self.causal)
            levels.append(features)
        return levels

    def strided_levels(self, pose_2d: Tensor, score: Tensor) -> list[Tensor]:
        """Features ``[B, ·, C]`` for the one output frame of L = T frames. Arguments: see ``dilated_levels``."""
        pose = activate(self.expand_conv.strided(pose_2d.flatten(2)), self.expand_bn, self.dropout)
        seen = activate(self.expand_convscore.strided(score), self.expand_bnscore, self.dropout)
        features, levels = torch.cat([pose, seen * pose], dim=-1), [pose]
        for convs, norms in zip(pairs(self.convs_1), pairs(self.norms_1), strict=True):
            features = strided_block(features, convs, norms, self.dropout, self.causal)
            levels.append(features)
        return levels

    def first(self, levels: list[Tensor]) -> Tensor:
        """Directions ``[B, 1, N, 3]`` from the first pass, from strided levels."""
        return _unit(self.shrink_1(levels[-1].transpose(1, 2)))  # [B, 1, C] → [B, C, 1] → [B, N·3, 1]

    def second(self, levels: list[Tensor]) -> Tensor:
        """Directions ``[B, 1, N, 3]`` from strided levels."""
        levels = [level.detach() for level in levels]
        features = levels[-1].expand(-1, levels[0].shape[1], -1)  # [B, 1, C] → [B, L', C]
        for convs, norms, level in zip(pairs(self.convs_2), pairs(self.norms_2), levels[:-1], strict=True):
            joined = torch.cat([features, level], dim=-1)
            features = strided_block(joined, convs, norms, self.dropout, self.causal)
        return _unit(self.shrink_2(features.transpose(1, 2)))  # [B, 1, C] → [B, C, 1] → [B, N·3, 1]

    def by_frame(self, levels: list[Tensor]) -> list[Tensor]:
        """Each output frame's part of dilated levels, as the strided form has it: views ``[B, F, ·, C]``."""
        steps = list(accumulate(self.widths, mul))
        # all frames of a level [B, C, L'] → of each output frame [B, C, F, ·], every step-th → [B, F, ·, C]
        return [
            level.unfold(2, steps[-1] - step + 1, 1)[..., ::step].permute(0, 2, 3, 1)
            for level, step in zip(levels, steps, strict=True)
        ]


def _blocks(widths: Sequence[int], inputs: Sequence[int], channels: int) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Convolutions and norms of residual blocks."""
    convs = nn.ModuleList()
    for width, entering in zip(widths, inputs, strict=True):
        convs.append(TimeConvolution(entering, channels, width, bias=False))
        convs.append(TimeConvolution(channels, channels, 1, bias=False))
    return convs, nn.ModuleList(nn.BatchNorm1d(channels) for _ in convs)


def _unit(rows: Tensor) -> Tensor:
    """``[B, N·3, F]`` to unit vectors ``[B, F, N, 3]``."""
    vectors = rows.transpose(1, 2).unflatten(2, (-1, 3))  # [B, N·3, F] → [B, F, N·3] → [B, F, N, 3]
    return functional.normalize(vectors, dim=-1)


class Combination(nn.Module):
    """Vectors ``[B, F, V, 3]`` from bone lengths ``[B, F or 1, N]`` and directions ``[B, F, N, 3]``; bilinear.

    In float32 also under autocast, as the coordinates that it is given and makes.
    """

    def __init__(self, bones: int, channels: int, vectors: int) -> None:
        super().__init__()
        self.lengthlinear = nn.Linear(bones, channels)
        self.directlinear = nn.Conv1d(3 * bones, channels, 1)
        self.shrink = nn.Conv1d(channels, 3 * vectors, 1)

    def forward(self, lengths: Tensor, directions: Tensor) -> Tensor:
        rows = directions.flatten(2).transpose(1, 2)  # [B, F, N, 3] → [B, F, N·3] → [B, N·3, F]
        with full_precision(rows.device):
            scales = self.lengthlinear(lengths.detach()).transpose(1, 2)  # [B, F or 1, C] → [B, C, F or 1]
            vectors = self.shrink(self.directlinear(rows) * scales)  # [B, C, F] → [B, V·3, F]
        return vectors.transpose(1, 2).unflatten(2, (-1, 3))  # [B, V·3, F] → [B, F, V·3] → [B, F, V, 3]


@dataclass(frozen=True)
class Estimates:
    """What a training pass estimates of the centre frame (pose, directions, shifts) and of its person (the rest).

    Attributes:
        pose: ``[B, 1, J, 3]``.
        directions: two of ``[B, 1, N, 3]``.
        shifts: two of ``[B, 1, P, 3]``.
        rough: ``[B, R, J, 3]``, poses of the random frames.
        lengths: ``[B, 1, N]``, from them.
    """

    pose: Tensor
    directions: tuple[Tensor, Tensor]
    shifts: tuple[Tensor, Tensor]
    rough: Tensor
    lengths: Tensor


class AnatomyNetwork(nn.Module):
    """Bone lengths, bone directions, and their combination; ``seen`` is x, y and visibility."""

    def __init__(self, config: TCNConfig, skeleton: Skeleton) -> None:
        super().__init__()
        J, C = len(skeleton.joints), config.channels
        self.receptive_field = config.receptive_field
        self.bones = Bones(skeleton)
        N, others = len(self.bones), len(self.bones.get_buffer("others"))
        self.lengths = BoneLengths(J, N, len(config.filter_widths) - 1, C, config.dropout)
        self.directions = BoneDirections(config, J, N)
        self.pose = Combination(N, C, J)
        self.shifts_1 = Combination(N, C, others)
        self.shifts_2 = Combination(N, C, others)

    def bone_lengths(self, frames_2d: Tensor, count: int | None = None) -> tuple[Tensor, Tensor]:
        """Frames ``[B, R, J, 2]`` to rough poses ``[B, R, J, 3]`` and lengths ``[B, 1, N]``.

        With ``count``, every run of so many frames gives lengths of its own: ``[B, R - count + 1, N]``.
        """
        rough = self.lengths.rough(frames_2d)
        lengths, logits = self.bones.lengths(rough), self.lengths.logits(rough)
        return rough, self.lengths.average(lengths, logits, count or frames_2d.shape[1])

    def estimate(self, seen: Tensor, random_2d: Tensor) -> Estimates:
        """All that is trained, from windows ``[B, T, J, 3]`` and random frames ``[B, R, J, 2]``."""
        levels = self.directions.strided_levels(seen[..., :2], seen[..., 2])
        first, second = self.directions.first(levels), self.directions.second(levels)
        rough, lengths = self.bone_lengths(random_2d)
        return Estimates(
            pose=self.pose(lengths, second.detach()),
            directions=(first, second),
            shifts=(self.shifts_1(lengths, first), self.shifts_2(lengths, second)),
            rough=rough,
            lengths=lengths,
        )

    def bone_directions(self, seen: Tensor) -> Tensor:
        """Windows ``[B, T - 1 + F, J, 3]`` to ``[B, F, N, 3]``; output frames run in chunks that bound memory."""
        levels = self.directions.dilated_levels(seen[..., :2], seen[..., 2])
        levels = self.directions.by_frame(levels)
        size = max(1, VALUES_AT_ONCE // (2 * levels[0][:, 0].numel()))
        chunks = zip(*(level.split(size, dim=1) for level in levels), strict=True)
        # f frames of a chunk: [B, f, ·, C] → [B·f, ·, C] → [B·f, 1, N, 3] → [B, f, N, 3]
        found = [self.directions.second([level.flatten(0, 1) for level in chunk]) for chunk in chunks]
        return torch.cat([part.unflatten(0, (len(seen), -1))[:, :, 0] for part in found], dim=1)


def frame_losses(bones: Bones, estimates: Estimates, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of the pose, of the directions and of the joint shifts against centre frames ``[B, 1, J, 3]``."""
    shifts = [mean_joint_distance(shift, bones.shifts(target)) for shift in estimates.shifts]
    true = bones.directions(target)
    squares = [(direction - true).square().sum(-1).mean() for direction in estimates.directions]
    return (
        mean_joint_distance(estimates.pose, target),
        DIRECTION_WEIGHT * (squares[1] + FIRST_WEIGHT * squares[0]),
        SHIFT_WEIGHT * (shifts[1] + FIRST_WEIGHT * shifts[0]),
    )


def length_losses(
    rough: Tensor, lengths: Tensor, target: Tensor, target_lengths: Tensor, frame: int
) -> tuple[Tensor, Tensor]:
    """Losses of one frame's rough poses ``[B, R, J, 3]`` and of bone lengths ``[B, 1, N]`` (true: ``[B, N]``)."""
    return (
        mean_joint_distance(rough[:, frame], target[:, frame]),
        LENGTH_WEIGHT * functional.mse_loss(lengths[:, 0], target_lengths),
    )


class Anatomy(DeterministicLifter):
    """Anatomy3D; trains on single frames and evaluates whole windows, with the context it needs on each side."""

    title = "Anatomy3D"
    least_windows = 2
    Config = AnatomyConfig
    needs_confidence = True
    convolutional = True
    presets = {
        "tiny": tuned(
            "anatomy",
            AnatomyConfig(
                frames=9, filter_widths=(3, 3), channels=64, dropout=0.1, random_frames=10, confidence="one"
            ),
            TINY_CENTRE_RECIPE,
        ),
        "small": Preset(
            AnatomyConfig(
                frames=27, filter_widths=(3, 3, 3), channels=128, dropout=0.1, random_frames=20, confidence="one"
            ),
            SMALL_CENTRE_RECIPE,
        ),
        "base": Preset(
            AnatomyConfig(frames=81, filter_widths=(3, 3, 3, 3), channels=512),
            Recipe(40, 1024, learning_rate=1e-3, decay=0.95, weight_decay=0.0, optimizer="amsgrad"),
        ),
        "paper": Preset(
            AnatomyConfig(),
            Recipe(60, 1024, learning_rate=1e-3, decay=0.95, weight_decay=0.0, optimizer="amsgrad"),
        ),
    }
    published = {"optimizer": "amsgrad", "rate_per": "epoch", "batches": "full", "norm_momentum": "falling"}

    def __init__(self, config: AnatomyConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames, self.train_frames, self.random_frames = config.frames, 1, config.random_frames
        self.context = config.context
        self.network = AnatomyNetwork(config, skeleton)

    @property
    def notes(self) -> dict[str, str]:
        past = f"the {self.config.receptive_field} frames seen"
        spread = f"{self.random_frames} frames of the whole sequence"
        return {"bone lengths": past if self.config.causal else spread}

    def on_progress(self, done: float) -> None:
        decay_norm_momentum(self.network, done)

    def training_loss(self, batch: Batch) -> Tensor:
        """Sum of the losses of the frame, and of the lengths of its person and of one with other bones.

        Without confidence, ones stand in its place, and their batch norm keeps its initial statistics: the
        variance of a constant is rounding error, which the norm would amplify and the network learn.
        """
        assert batch.pose_3d is not None
        assert batch.random_2d is not None
        assert batch.random_3d is not None
        assert batch.camera is not None
        self.network.directions.expand_bnscore.train(batch.confidence is not None)
        bones = self.network.bones
        estimates = self.network.estimate(super().seen(batch), batch.random_2d)
        longer = bones.lengthened(batch.random_3d, torch.rand_like(batch.random_3d[:, 0, : len(bones), 0]))
        place = ROOT_SPREAD * torch.randn_like(longer[:, :, :1]) + longer.new_tensor(ROOT)
        rough, lengths = self.network.bone_lengths(project(longer + place, batch.camera))
        true, other = (bones.lengths(poses).mean(dim=1) for poses in (batch.random_3d, longer))
        frame = int(torch.randint(self.random_frames, ()))
        losses = (
            *frame_losses(bones, estimates, batch.pose_3d),
            *length_losses(estimates.rough, estimates.lengths, batch.random_3d, true, frame),
            *length_losses(rough, lengths, longer, other, frame),
        )
        return torch.stack(losses).sum()

    def seen(self, batch: Batch) -> Tensor:
        """Windows, and after them the random frames with a third coordinate of 0: ``[B, T - 1 + F + R, J, 3]``."""
        assert batch.random_2d is not None
        return torch.cat([super().seen(batch), functional.pad(batch.random_2d, (0, 1))], dim=1)

    def lift_windows(self, seen: Tensor) -> Tensor:
        """Windows and, after them, the random frames ``[B, T - 1 + F + R, J, 3]`` to ``[B, F, J, 3]``."""
        window, random_2d = seen[:, : -self.random_frames], seen[:, -self.random_frames :, :, :2]
        if self.config.causal:
            _, lengths = self.network.bone_lengths(window[..., :2], self.config.receptive_field)
        else:
            _, lengths = self.network.bone_lengths(random_2d)
        return self.network.pose(lengths, self.network.bone_directions(window))
