"""PoseFormerV2: a few frames and frequencies of a long window (Zhao et al., arXiv:2303.17472, CVPR 2023).

Where its parts are:

- this file: frequencies, the mixed blocks, the network, its options.
- ``models.layers.transformer``: ``Block``, ``Mlp``, attention, spatial blocks within frames.
- ``models.inference``: every frame lifted from its own window, prediction (mean over mirror images).
- ``models.losses``: ``mean_joint_distance``, the loss.

B batch, T frames of a window, t of them kept, k frequencies, J joints, c channels of a joint, D = J·c channels of
a frame, L = k + t tokens; M, C any further axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.config import CentreConfig
from models.errors import InputError
from models.inference import DeterministicLifter, centre_frames
from models.layers.coordinates import CoordinateLinear
from models.layers.transformer import BLOCK_EPS, Block, DropPathRates, Mlp, TrunkConfig, within_frames
from models.lifter import SMALL_CENTRE_RECIPE, TINY_CENTRE_RECIPE, Batch, Preset, Recipe
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned

TINY: dict[str, Any] = {
    "frames": 9, "length": 27, "kept": 3, "coefficients": 3, "channels": 8, "depth": 2, "heads": 2,
    "drop_path": 0.0, "input_gain": 5.0, "table_std": 0.5,
}  # fmt: skip
SMALL = TINY | {"frames": 27, "kept": 9, "coefficients": 9, "channels": 16, "depth": 3}


@dataclass(frozen=True)
class PoseFormerV2Config(TrunkConfig, CentreConfig):
    """Size of the network; ``channels`` are those of a joint, ``depth`` counts spatial and mixed blocks each.

    Attributes:
        kept: frames in the middle of ``length`` that become tokens, odd.
        coefficients: lowest frequencies over ``length`` that become tokens.
    """

    channels: int = 32
    depth: int = 4
    kept: int = 27
    coefficients: int = 27

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.checkpointing:
            raise InputError("checkpointing: is of the trunk that MixSTE, D3DP and FinePOSE share: leave it out")
        length = self.length
        if not 1 <= self.kept <= length or self.kept % 2 == 0:
            raise InputError(f"kept is {self.kept}, but must be odd and at most length, {length}: take 1 or 3")
        if not 1 <= self.coefficients <= length:
            raise InputError(f"coefficients is {self.coefficients}, but must be 1 to length, {length}: take 3")


def cosine_table(length: int) -> Tensor:
    """The DCT of type II without normalisation as a matrix ``[frequency, position]``, float64.

    ``2 cos(pi k (2 n + 1) / (2 length))``; arguments rounded to float32 would be off by 2e-4 at 81 positions.
    """
    places = torch.arange(length, dtype=torch.float64)
    return 2 * torch.cos(math.pi * places[:, None] * (2 * places + 1) / (2 * length))


def inverse_cosine_table(length: int) -> Tensor:
    """The exact inverse of ``cosine_table`` as a matrix ``[position, frequency]``, float64."""
    table = cosine_table(length).T / (2 * length)
    table[:, 0] /= 2
    return table


def apply_table(table: Tensor, sequences: Tensor) -> Tensor:
    """A table ``[out, L]`` applied over L of sequences: ``[B, L, M, C]`` → ``[B, out, M, C]``."""
    rows = table @ sequences.flatten(2)  # [out, L] @ [B, L, M·C] → [B, out, M·C]
    return rows.unflatten(2, sequences.shape[2:])  # [B, out, M·C] → [B, out, M, C]


class FrequencyMlp(Mlp):
    """An MLP over the frequencies of tokens ``[B, L, M, C]``: DCT over L, two layers, DCT back."""

    forth: Tensor
    back: Tensor

    def __init__(self, length: int, channels: int, hidden: int) -> None:
        super().__init__(channels, hidden)
        self.register_buffer("forth", cosine_table(length).float(), persistent=False)
        self.register_buffer("back", inverse_cosine_table(length).float(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return apply_table(self.back, super().forward(apply_table(self.forth, tokens)))


class MixedBlock(Block):
    """Pre-norm block over L of ``[B, L, M, C]``: plain MLP for the first half of L, frequency MLP for the rest.

    The halves are those of the number of tokens, whatever the numbers of frequencies and of frames among them.
    """

    def __init__(self, tokens: int, channels: int, heads: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__(channels, heads, mlp_ratio, drop_path)
        self.norm3 = nn.LayerNorm(channels, eps=BLOCK_EPS)
        self.frequency_mlp = FrequencyMlp(tokens - tokens // 2, channels, int(channels * mlp_ratio))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        first, rest = tokens.tensor_split([tokens.shape[1] // 2], dim=1)  # [B, L // 2, M, C] and the rest of L
        first = first + self.drop_path(self.mlp(self.norm2(first)))
        rest = rest + self.drop_path(self.frequency_mlp(self.norm3(rest)))
        return torch.cat([first, rest], dim=1)


class PoseFormerV2(DeterministicLifter):
    """The network; trains on single frames and evaluates whole windows, with the context it needs on each side."""

    cosines: Tensor

    title = "PoseFormerV2"
    Config = PoseFormerV2Config
    compiled_part = "lift"
    trains_compiled_part = True
    presets = {
        "tiny": tuned("poseformerv2", PoseFormerV2Config(**TINY), TINY_CENTRE_RECIPE),
        "small": Preset(PoseFormerV2Config(**SMALL), SMALL_CENTRE_RECIPE),
        "base": Preset(
            PoseFormerV2Config(frames=81, length=81, kept=9, coefficients=9, channels=16),
            Recipe(epochs=60, batch_frames=1024, learning_rate=5e-4, decay=0.98, weight_decay=0.1),
        ),
        "paper": Preset(
            PoseFormerV2Config(),
            Recipe(epochs=200, batch_frames=1024, learning_rate=1e-4, decay=0.99, weight_decay=0.1),
        ),
    }
    published = {"rate_per": "epoch", "batches": "full"}

    def __init__(self, config: PoseFormerV2Config, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames, self.train_frames, self.context = config.frames, 1, config.context
        J, c, heads, ratio = len(skeleton.joints), config.channels, config.heads, config.mlp_ratio
        D, tokens = J * c, config.coefficients + config.kept
        rates = DropPathRates(config.drop_path, config.depth)
        self.joint_embedding = nn.Linear(2, c)
        self.frequency_embedding = nn.Linear(2 * J, D)
        for embedding in (self.joint_embedding, self.frequency_embedding):
            embedding.weight.data *= config.input_gain
        self.joint_table = nn.Parameter(torch.randn(1, J, c) * config.table_std)
        self.frame_table = nn.Parameter(torch.randn(1, config.kept, D) * config.table_std)
        self.frequency_table = nn.Parameter(torch.randn(1, config.coefficients, D) * config.table_std)
        self.spatial_blocks = nn.ModuleList(Block(c, heads, ratio, rate) for rate in rates)
        self.spatial_norm = nn.LayerNorm(c, eps=BLOCK_EPS)
        self.mixed_blocks = nn.ModuleList(MixedBlock(tokens, D, heads, ratio, rate) for rate in rates)
        self.mixed_norm = nn.LayerNorm(D, eps=BLOCK_EPS)
        self.frequency_mean = nn.Conv1d(config.coefficients, 1, 1)
        self.frame_mean = nn.Conv1d(config.kept, 1, 1)
        self.head = nn.Sequential(nn.LayerNorm(2 * D), CoordinateLinear(2 * D, 3 * J))
        table = cosine_table(config.length)[: config.coefficients]
        self.register_buffer("cosines", table.float(), persistent=False)

    def lift(self, pose_2d: Tensor) -> Tensor:
        """Poses ``[B, T, J, 2]`` to the pose of the middle frame ``[B, J, 3]``."""
        tokens = torch.cat([self.frequency_tokens(pose_2d), self.frame_tokens(pose_2d)], dim=1)  # [B, L, D]
        tokens = tokens[:, :, None]  # [B, L, D] → [B, L, 1, D]
        for block in self.mixed_blocks:
            tokens = block(tokens)
        tokens = self.mixed_norm(tokens)[:, :, 0]  # [B, L, 1, D] → [B, L, D]
        frequencies, frames = tokens.tensor_split([self.config.coefficients], dim=1)  # [B, k, D] and [B, t, D]
        pooled = torch.cat([self.frequency_mean(frequencies), self.frame_mean(frames)], dim=-1)  # [B, 1, 2·D]
        return self.head(pooled[:, 0]).unflatten(1, (-1, 3))  # [B, 2·D] → [B, J·3] → [B, J, 3]

    def frequency_tokens(self, pose_2d: Tensor) -> Tensor:
        """The lowest frequencies of poses ``[B, T, J, 2]`` as tokens ``[B, k, D]``."""
        rows = self.frequencies(pose_2d).flatten(2)  # [B, k, J, 2] → [B, k, J·2]
        return self.frequency_embedding(rows) + self.frequency_table

    def frequencies(self, pose_2d: Tensor) -> Tensor:
        """The lowest coefficients of the DCT along T: ``[B, T, J, 2]`` → ``[B, k, J, 2]``."""
        return apply_table(self.cosines, pose_2d)

    def frame_tokens(self, pose_2d: Tensor) -> Tensor:
        """The middle frames of poses ``[B, T, J, 2]`` as tokens ``[B, t, D]``."""
        first = (pose_2d.shape[1] - self.config.kept) // 2
        kept = pose_2d[:, first : first + self.config.kept]
        tokens = self.joint_embedding(kept) + self.joint_table
        for block in self.spatial_blocks:
            tokens = within_frames(block, tokens)
        return self.spatial_norm(tokens).flatten(2) + self.frame_table  # [B, t, J, c] → [B, t, D]

    def training_loss(self, batch: Batch) -> Tensor:
        """Mean joint distance of the one output frame."""
        assert batch.pose_3d is not None
        return mean_joint_distance(self.lift(batch.pose_2d), batch.pose_3d[:, 0])

    def lift_windows(self, seen: Tensor) -> Tensor:
        return centre_frames(self.lift, seen, self.config.length, self.frames)
