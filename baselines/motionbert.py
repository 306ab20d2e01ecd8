"""MotionBERT's DSTformer: two transformers side by side, which attend to joints and frames in either order.

Zhu et al., arXiv:2210.06551, ICCV 2023. Where its parts are:

- this file: the network, its options, the loss's terms on limbs.
- ``baselines.layers.streams``: streams and their fusion.
- ``models.layers.transformer``: ``Block``, attention, blocks within frames.
- ``models.inference``: the detector's confidence as a third coordinate, prediction (mean over mirror images).
- ``models.losses``: the other terms of the loss.

B batch, F frames, J joints, C channels, L limbs (pairs of joints, as ``Skeleton.bones``), P pairs of limbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.layers.streams import FusedStreams, Stream
from models.config import ConfidenceConfig, check_at_least, check_positive
from models.errors import InputError
from models.inference import DeterministicLifter
from models.layers.coordinates import CoordinateLinear
from models.layers.transformer import BLOCK_EPS, Block, DropPathRates, TrunkConfig
from models.lifter import SMALL_RECIPE, TINY_RECIPE, Batch, Preset, Recipe
from models.losses import sequence_loss
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned

Pairs = Sequence[tuple[int, int]]
COSINE_LIMIT = 1 - 1e-7
LIMB_LOSSES = ("limb_variance", "limb_length", "angle", "angle_velocity")

TINY: dict[str, Any] = {
    "frames": 9, "confidence": "one", "channels": 16, "depth": 2, "heads": 2, "representation": 32,
    "input_gain": 20.0, "table_std": 0.5, "weight_std": 0.1, "velocity": 2.0,
}  # fmt: skip
SMALL = TINY | {"frames": 27, "channels": 32, "depth": 3, "heads": 4, "representation": 64}


@dataclass(frozen=True)
class MotionBERTConfig(TrunkConfig, ConfidenceConfig):
    """Size of the network, and the weights of its losses.

    Attributes:
        stride: frames from one training window to the next; None for ``frames``, without overlap.
        depth: pairs of streams, each stream one spatial and one temporal block.
        representation: width of the features before the last layer.
        weight_std: standard deviation of the initial weights of all linear layers.
        scaled, velocity: weights of the losses on scaled poses and on velocity, beside 1 for the position.
        limb_variance, limb_length, angle, angle_velocity: weights of ``limb_losses``, which every published
            setting leaves out.
    """

    stride: int | None = None
    depth: int = 5
    drop_path: float = 0.0
    table_std: float = 0.02
    representation: int = 512
    weight_std: float = 0.02
    scaled: float = 0.5
    velocity: float = 20.0
    limb_variance: float = 0.0
    limb_length: float = 0.0
    angle: float = 0.0
    angle_velocity: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames < 3:
            raise InputError(f"frames is {self.frames}, but MotionBERT's loss compares frames: take 3 or more")
        if self.checkpointing:
            raise InputError("checkpointing: is of the trunk that MixSTE, D3DP and FinePOSE share: leave it out")
        check_at_least(self, 1, "stride", "representation")
        check_positive(self, "weight_std")
        check_at_least(self, 0, "scaled", "velocity", *LIMB_LOSSES)


def stage(config: MotionBERTConfig, drop_path: float) -> FusedStreams:
    """Two streams, one over joints and then over frames, one in the other order."""

    def block() -> Block:
        return Block(config.channels, config.heads, config.mlp_ratio, drop_path)

    return FusedStreams(
        config.channels,
        spatial_first=Stream(block(), block()),
        temporal_first=Stream(block(), block(), spatial_first=False),
    )


class MotionBERT(DeterministicLifter):
    """Sequence to sequence, from 2D poses and the detector's confidence."""

    title = "MotionBERT"
    Config = MotionBERTConfig
    needs_confidence = True
    trains_compiled_part = True
    presets = {
        "tiny": tuned("motionbert", MotionBERTConfig(**TINY), replace(TINY_RECIPE, batch_windows=16)),
        "small": Preset(MotionBERTConfig(**SMALL), SMALL_RECIPE),
        "base": Preset(
            MotionBERTConfig(frames=81, stride=27, channels=128, depth=3, representation=128),
            Recipe(epochs=60, batch_frames=1296, learning_rate=2e-4, decay=0.99, weight_decay=0.01),
        ),
        "paper": Preset(
            MotionBERTConfig(stride=81),
            Recipe(epochs=120, batch_frames=32 * 243, learning_rate=2e-4, decay=0.99, weight_decay=0.01),
        ),
    }
    published = {"rate_per": "epoch", "batches": "full", "mirrored": "half"}

    def __init__(self, config: MotionBERTConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames = self.train_frames = config.frames
        self.train_stride = config.stride
        C = config.channels
        self.embedding = nn.Linear(3, C)
        self.joint_table = nn.Parameter(torch.empty(1, len(skeleton.joints), C))
        self.frame_table = nn.Parameter(torch.empty(1, config.frames, 1, C))
        rates = DropPathRates(config.drop_path, config.depth)
        self.stages = nn.Sequential(*(stage(config, rate) for rate in rates))
        self.norm = nn.LayerNorm(C, eps=BLOCK_EPS)
        self.represent = nn.Linear(C, config.representation)
        self.head = CoordinateLinear(config.representation, 3)
        self._draw_weights(config)

    def _draw_weights(self, config: MotionBERTConfig) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=config.weight_std)
                nn.init.zeros_(module.bias)
        for table in (self.joint_table, self.frame_table):
            nn.init.normal_(table, std=config.table_std)
        for streams in self.modules():
            if isinstance(streams, FusedStreams):
                streams.start_as_equals()
        self.embedding.weight.data[:, :2] *= config.input_gain

    def lift_windows(self, seen: Tensor) -> Tensor:
        """Poses with confidence ``[B, L, J, 3]``, L at most F, to ``[B, L, J, 3]``."""
        tokens = self.embedding(seen) + self.joint_table + self.frame_table[:, : seen.shape[1]]
        return self.head(self.represent(self.norm(self.stages(tokens))).tanh())

    def training_loss(self, batch: Batch) -> Tensor:
        """Weighted position, scaled position and velocity, and those losses on limbs that have a weight."""
        assert batch.pose_3d is not None
        return motionbert_loss(self.lift_windows(self.seen(batch)), batch.pose_3d, self.config, self.skeleton)


def motionbert_loss(
    predicted: Tensor, target: Tensor, config: MotionBERTConfig, skeleton: Skeleton = HUMAN36M
) -> Tensor:
    """The training loss of poses ``[B, F, J, 3]`` in metres."""
    loss = sequence_loss(predicted, target, config.scaled, config.velocity)
    weights = {name: getattr(config, name) for name in LIMB_LOSSES}
    if any(weights.values()):
        limbs = skeleton.bones
        found = limb_losses(predicted, target, limbs, meeting_limbs(limbs))
        loss = loss + sum(weight * found[name] for name, weight in weights.items())
    return loss


def limb_vectors(poses: Tensor, limbs: Pairs) -> Tensor:
    """First minus second joint: ``[..., J, 3]`` to ``[..., L, 3]``."""
    first, second = torch.tensor(limbs, device=poses.device).T  # [L, 2] → [2, L]
    return poses[..., first, :] - poses[..., second, :]


def limb_lengths(poses: Tensor, limbs: Pairs) -> Tensor:
    """Poses ``[..., J, 3]`` to lengths ``[..., L]``."""
    return torch.linalg.vector_norm(limb_vectors(poses, limbs), dim=-1)


def limb_angles(poses: Tensor, limbs: Pairs, pairs: Pairs) -> Tensor:
    """Angles (radians) ``[..., P]`` between pairs of limbs, given by their numbers."""
    vectors = limb_vectors(poses, limbs)
    first, second = torch.tensor(pairs, device=poses.device).T  # [P, 2] → [2, P]
    cosine = functional.cosine_similarity(vectors[..., first, :], vectors[..., second, :], dim=-1)
    return cosine.clamp(-COSINE_LIMIT, COSINE_LIMIT).acos()


def meeting_limbs(limbs: Pairs) -> Pairs:
    """Numbers of all pairs of limbs that share a joint."""
    numbered = combinations(range(len(limbs)), 2)
    return [(first, second) for first, second in numbered if set(limbs[first]) & set(limbs[second])]


def limb_losses(predicted: Tensor, target: Tensor, limbs: Pairs, pairs: Pairs) -> dict[str, Tensor]:
    """The optional losses on bodies ``[..., F, J, 3]``.

    Returns:
        ``limb_variance`` over the frames of the prediction, and the mean absolute difference of ``limb_length``,
        ``angle`` (radians) and ``angle_velocity`` (per frame).
    """
    (lengths, true_lengths), (angles, true_angles) = (
        [limb_lengths(poses, limbs) for poses in (predicted, target)],
        [limb_angles(poses, limbs, pairs) for poses in (predicted, target)],
    )
    return {
        "limb_variance": lengths.var(dim=-2).mean(),
        "limb_length": functional.l1_loss(lengths, true_lengths),
        "angle": functional.l1_loss(angles, true_angles),
        "angle_velocity": functional.l1_loss(angles.diff(dim=-2), true_angles.diff(dim=-2)),
    }
