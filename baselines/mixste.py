"""MixSTE: mixed spatio-temporal transformer, sequence to sequence (Zhang et al., arXiv:2203.00859, CVPR 2022).

Where its parts are:

- this file: sizes, schedules, and the loss as a sum of its three terms.
- ``models.layers.transformer``: the network (embedding, spatial and temporal blocks, head) and ``TrunkConfig``.
- ``models.losses``: the three terms and the weights of joints.
- ``models.inference``: prediction (mean over mirror images).

B batch, F frames, J joints.
"""

from __future__ import annotations

from torch import Tensor

from models.errors import InputError
from models.inference import DeterministicLifter
from models.layers.transformer import SMALL_TRUNK, TINY_TRUNK, Trunk, TrunkConfig
from models.lifter import SMALL_RECIPE, TINY_RECIPE, Batch, Preset, Recipe
from models.losses import joint_weights, mean_joint_distance, temporal_consistency, velocity
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned

CONSISTENCY_WEIGHT = 0.5
VELOCITY_WEIGHT = 2.0


class MixSTE(DeterministicLifter):
    """The shared trunk over 2D poses alone."""

    title = "MixSTE"
    Config = TrunkConfig
    compiled_part = "trunk.lift"
    trains_compiled_part = True
    presets = {
        "tiny": tuned("mixste", TrunkConfig(**TINY_TRUNK), TINY_RECIPE),
        "small": Preset(TrunkConfig(**SMALL_TRUNK), SMALL_RECIPE),
        "base": Preset(
            TrunkConfig(frames=81, channels=128, depth=4, heads=8),
            Recipe(epochs=60, batch_frames=1296, learning_rate=2e-4, decay=0.98, weight_decay=0.1),
        ),
        "paper": Preset(
            TrunkConfig(), Recipe(epochs=120, batch_frames=972, learning_rate=4e-5, decay=0.99, weight_decay=0.1)
        ),
    }
    published = {"gradient": "times_loss", "rate_per": "epoch", "batches": "full"}

    def __init__(self, config: TrunkConfig, skeleton: Skeleton = HUMAN36M) -> None:
        """Raises ``InputError`` for windows of one frame, which have no motion to learn from."""
        super().__init__(config, skeleton)
        if config.frames < 2:
            raise InputError(f"frames is {config.frames}, but MixSTE's loss compares frames: take 2 or more")
        self.frames = self.train_frames = config.frames
        self.trunk = Trunk(config, inputs=2, joints=len(skeleton.joints))
        self.register_buffer("joint_weights", joint_weights(skeleton), persistent=False)

    def lift_windows(self, seen: Tensor) -> Tensor:
        return self.trunk(self.trunk.embed(seen))  # [B, F, J, 2] → [B, F, J, C] → [B, F, J, 3]

    def training_loss(self, batch: Batch) -> Tensor:
        """``mixste_loss`` of all frames of the windows."""
        assert batch.pose_3d is not None
        return mixste_loss(self.lift_windows(batch.pose_2d), batch.pose_3d, self.get_buffer("joint_weights"))


def mixste_loss(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted position, smoothness and velocity of poses ``[..., F, J, 3]`` in metres; joints' weights ``[J]``.

    Section 3.4 of the paper.
    """
    return (
        mean_joint_distance(predicted, target, weights)
        + CONSISTENCY_WEIGHT * temporal_consistency(predicted, weights)
        + VELOCITY_WEIGHT * velocity(predicted, target)
    )
