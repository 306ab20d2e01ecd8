"""MotionBERT's DSTformer: two transformers per stage that attend to joints and frames in either order.

Zhu et al., arXiv:2210.06551, ICCV 2023. B batch, F frames, J joints, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines.layers.limbs import limb_losses, meeting_limbs
from models.config import ConfidenceConfig, check_stride
from models.errors import InputError
from models.inference import flip_average, root_at_origin, with_confidence
from models.layers.transformer import BLOCK_EPS, Block, TrunkConfig, growing, within_frames
from models.lifter import TINY_RECIPE, Batch, Lifter, Preset, Recipe, Sampling
from models.losses import mean_joint_distance, scaled_joint_distance, velocity
from models.skeleton import HUMAN36M, Skeleton

LIMB_LOSSES = ("limb_variance", "limb_length", "angle", "angle_velocity")


@dataclass(frozen=True)
class MotionBERTConfig(TrunkConfig, ConfidenceConfig):
    """Size of the network, and the weights of its losses.

    Attributes:
        stride: frames from one training window to the next; None for ``frames``, without overlap.
        depth: stages of two streams, each one spatial and one temporal block.
        representation: width of the features before the last layer.
        weight_std: standard deviation of the initial weights of all linear layers.
        scaled, velocity: weights of the losses on scaled poses and on velocity, beside 1 for the position.
        limb_variance, limb_length, angle, angle_velocity: weights of the losses in
            ``baselines.layers.limbs``, which every published setting leaves out.

    Raises:
        InputError: a value out of its range.
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
        check_stride(self.stride)
        if self.frames < 3:
            raise InputError(f"frames is {self.frames}, but MotionBERT's loss compares frames: take 3 or more")
        if self.representation < 1 or not self.weight_std > 0:
            raise InputError(
                f"representation is {self.representation} and weight_std is {self.weight_std}, but both must be "
                "positive: take 512 and 0.02"
            )
        for name in ("scaled", "velocity", *LIMB_LOSSES):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}, but the weight of a loss must not be negative")


class Stream(nn.Module):
    """A spatial and a temporal block over ``[B, F, J, C]``, in one order or the other."""

    def __init__(self, config: MotionBERTConfig, drop_path: float, spatial_first: bool) -> None:
        super().__init__()
        self.spatial_first = spatial_first
        self.spatial, self.temporal = (
            Block(config.channels, config.heads, config.mlp_ratio, drop_path) for _ in range(2)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        if self.spatial_first:
            return self.temporal(within_frames(self.spatial, tokens))
        return within_frames(self.spatial, self.temporal(tokens))


class DualStream(nn.Module):
    """Two streams from the same tokens, and for every token a weighted mean of the two."""

    def __init__(self, config: MotionBERTConfig, drop_path: float) -> None:
        super().__init__()
        self.spatial_first = Stream(config, drop_path, spatial_first=True)
        self.temporal_first = Stream(config, drop_path, spatial_first=False)
        self.fusion = nn.Linear(2 * config.channels, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        streams = self.spatial_first(tokens), self.temporal_first(tokens)
        first, second = self.fusion(torch.cat(streams, dim=-1)).softmax(dim=-1).split(1, dim=-1)
        return first * streams[0] + second * streams[1]


class MotionBERT(Lifter):
    """Sequence to sequence, from 2D poses and the detector's confidence."""

    title: ClassVar[str] = "MotionBERT"
    Config: ClassVar[type] = MotionBERTConfig
    needs_confidence: ClassVar[bool] = True
    compiled_part: ClassVar[str] = "lift"
    presets: ClassVar[dict[str, Preset]] = {
        "tiny": Preset(
            MotionBERTConfig(
                frames=9,
                confidence="one",
                channels=16,
                depth=2,
                heads=2,
                representation=32,
                input_gain=20.0,
                table_std=0.5,
                weight_std=0.1,
                velocity=2.0,
            ),
            TINY_RECIPE,
        ),
        "base": Preset(
            MotionBERTConfig(frames=81, stride=27, channels=128, depth=3, representation=128),
            Recipe(epochs=60, batch_frames=1296, learning_rate=2e-4, decay=0.99, weight_decay=0.01),
        ),
        "paper": Preset(
            MotionBERTConfig(stride=81),
            Recipe(epochs=120, batch_frames=32 * 243, learning_rate=2e-4, decay=0.99, weight_decay=0.01),
        ),
    }

    def __init__(self, config: MotionBERTConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames = self.train_frames = config.frames
        self.train_stride = config.stride
        C = config.channels
        self.embedding = nn.Linear(3, C)
        self.joint_table = nn.Parameter(torch.empty(1, len(skeleton.joints), C))
        self.frame_table = nn.Parameter(torch.empty(1, config.frames, 1, C))
        rates = growing(config.drop_path, config.depth)
        self.stages = nn.Sequential(*(DualStream(config, rate) for rate in rates))
        self.norm = nn.LayerNorm(C, eps=BLOCK_EPS)
        self.represent = nn.Linear(C, config.representation)
        self.head = nn.Linear(config.representation, 3)
        self._draw_weights(config)

    def _draw_weights(self, config: MotionBERTConfig) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=config.weight_std)
                nn.init.zeros_(module.bias)
        for table in (self.joint_table, self.frame_table):
            nn.init.normal_(table, std=config.table_std)
        for stage in self.modules():
            if isinstance(stage, DualStream):
                nn.init.zeros_(stage.fusion.weight)
                nn.init.constant_(stage.fusion.bias, 0.5)
        self.embedding.weight.data[:, :2] *= config.input_gain

    def lift(self, pose_2d: Tensor) -> Tensor:
        """Poses with confidence ``[B, L, J, 3]``, L at most F, to ``[B, L, J, 3]``."""
        tokens = self.embedding(pose_2d) + self.joint_table + self.frame_table[:, : pose_2d.shape[1]]
        return self.head(self.represent(self.norm(self.stages(tokens))).tanh())

    def _seen(self, batch: Batch) -> Tensor:
        return with_confidence(batch, self.config.confidence)

    def training_loss(self, batch: Batch) -> Tensor:
        """Weighted position, scaled position and velocity, and those losses on limbs that have a weight."""
        assert batch.pose_3d is not None
        return motionbert_loss(self.lift(self._seen(batch)), batch.pose_3d, self.config, self.skeleton)

    @torch.no_grad()
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        poses = flip_average(self.lift, self._seen(batch), self.skeleton, sampling.flip)
        return root_at_origin(poses, self.skeleton)[:, None, None]


def motionbert_loss(
    predicted: Tensor, target: Tensor, config: MotionBERTConfig, skeleton: Skeleton = HUMAN36M
) -> Tensor:
    """The training loss of poses ``[B, F, J, 3]`` in metres."""
    loss = (
        mean_joint_distance(predicted, target)
        + config.scaled * scaled_joint_distance(predicted, target)
        + config.velocity * velocity(predicted, target)
    )
    weights = {name: getattr(config, name) for name in LIMB_LOSSES}
    if any(weights.values()):
        limbs = skeleton.bones
        found = limb_losses(predicted, target, limbs, meeting_limbs(limbs))
        loss = loss + sum(weight * found[name] for name, weight in weights.items())
    return loss
