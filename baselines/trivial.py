"""Two predictors without weights, which a method must beat to have learned anything.

All of both is in this file; ``models.inference`` averages with the mirror image.

B batch, F frames, J joints, N stored training poses, Q = B·F poses to lift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.config import WindowConfig, check_at_least
from models.errors import InputError
from models.inference import DeterministicLifter
from models.lifter import Batch, Preset, Recipe
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M, Skeleton

NO_TRAINING = Recipe(epochs=0, batch_frames=1024, learning_rate=1e-3, decay=1.0, weight_decay=0.0)
QUERIES_AT_ONCE = 1024


@dataclass(frozen=True)
class NearestPoseConfig(WindowConfig):
    """``stored``: how many training poses are kept at most, evenly spaced over the training set."""

    stored: int = 20_000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, 1, "stored")


def window_presets(config: type[WindowConfig]) -> dict[str, Preset]:
    """The usual presets, which differ only in the length of windows."""
    lengths = {"tiny": 9, "small": 27, "base": 81, "paper": 243}
    return {name: Preset(config(frames=frames), NO_TRAINING) for name, frames in lengths.items()}


class TrivialLifter(DeterministicLifter):
    """A lifter without weights; what it keeps of the training poses is in buffers, as long as those need."""

    def __init__(self, config: WindowConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames = self.train_frames = config.frames
        self.register_buffer("pose_3d", torch.empty(0, len(skeleton.joints), 3))
        self.register_load_state_dict_pre_hook(_make_room)

    def training_loss(self, batch: Batch) -> Tensor:
        """Mean joint distance, which no training lowers."""
        assert batch.pose_3d is not None
        return mean_joint_distance(self.lift_windows(batch.pose_2d), batch.pose_3d)

    def kept_poses(self) -> Tensor:
        """What is kept of the training poses, ``[N, J, 3]``; ``InputError`` if it has seen none."""
        kept = self.get_buffer("pose_3d")
        if not len(kept):
            raise InputError(f"{self.title} has seen no training pose yet: train it before it predicts")
        return kept


def _make_room(lifter: nn.Module, state: Mapping[str, Tensor], prefix: str, *unused: Any) -> None:
    """Make the buffers as long as in a state to be loaded; torch itself would refuse another length."""
    for name, buffer in lifter.named_buffers(recurse=False):
        stored = state.get(prefix + name)
        if stored is not None and stored.shape[1:] == buffer.shape[1:]:
            setattr(lifter, name, buffer.new_empty(stored.shape))


class MeanPose(TrivialLifter):
    """The mean training pose, whatever it is shown."""

    title = "Mean pose"
    Config = WindowConfig
    presets = window_presets(WindowConfig)

    @property
    def input_frames(self) -> int:
        return 0

    def fit_statistics(self, pose_2d: Tensor, pose_3d: Tensor) -> None:
        self.pose_3d = pose_3d.double().mean(0, keepdim=True).float().to(self.get_buffer("pose_3d").device)

    def lift_windows(self, seen: Tensor) -> Tensor:
        return self.kept_poses().expand(*seen.shape[:2], -1, -1)  # [1, J, 3] → [B, F, J, 3]


class NearestPose(TrivialLifter):
    """The training pose whose 2D pose is nearest, frame by frame, with the root at 0 and size 1."""

    title = "Nearest pose"
    Config = NearestPoseConfig
    presets = window_presets(NearestPoseConfig)

    def __init__(self, config: NearestPoseConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.register_buffer("pose_2d", torch.empty(0, 2 * len(skeleton.joints)))

    @property
    def input_frames(self) -> int:
        return 1

    def fit_statistics(self, pose_2d: Tensor, pose_3d: Tensor) -> None:
        count = min(self.config.stored, len(pose_3d))
        kept = torch.linspace(0, len(pose_3d) - 1, count, dtype=torch.float64).round().long()
        device = self.get_buffer("pose_3d").device
        self.pose_3d = pose_3d[kept].float().to(device)
        self.pose_2d = self._normalised(pose_2d[kept].float()).to(device)

    def lift_windows(self, seen: Tensor) -> Tensor:
        kept, stored = self.kept_poses(), self.get_buffer("pose_2d")
        queries = self._normalised(seen).flatten(0, 1)  # [B, F, 2·J] → [Q, 2·J]
        nearest = [
            torch.cdist(some, stored, compute_mode="use_mm_for_euclid_dist").argmin(dim=1)
            for some in queries.split(QUERIES_AT_ONCE)
        ]
        poses = kept[torch.cat(nearest)]  # [N, J, 3] → [Q, J, 3]
        return poses.unflatten(0, seen.shape[:2])  # [Q, J, 3] → [B, F, J, 3]

    def _normalised(self, pose_2d: Tensor) -> Tensor:
        """``[..., J, 2]`` to ``[..., 2·J]``, the root at 0 and the root mean square distance from it 1."""
        root = self.skeleton.root
        centred = pose_2d - pose_2d[..., root : root + 1, :]
        size = centred.square().sum(-1).mean(-1).sqrt().clamp_min(1e-6)
        return (centred / size[..., None, None]).flatten(-2)  # [..., J, 2] → [..., J·2]
