"""A method of a package of its own: every frame on its own through a small network."""

from dataclasses import dataclass

from torch import nn

from models.inference import DeterministicLifter
from models.lifter import Batch, Preset, Recipe
from models.skeleton import HUMAN36M


@dataclass(frozen=True)
class Config:
    frames: int = 27
    width: int = 64


class MyLifter(DeterministicLifter):
    """Every frame on its own through a small network."""

    title = "My lifter"
    Config = Config
    presets = {
        "tiny": Preset(
            Config(frames=9), Recipe(epochs=3, batch_frames=512, learning_rate=1e-3, decay=0.8, weight_decay=0.0)
        ),
        "small": Preset(
            Config(width=128), Recipe(epochs=10, batch_frames=512, learning_rate=1e-3, decay=0.9, weight_decay=0.0)
        ),
        "base": Preset(Config(width=256), Recipe(20, 1024, 1e-3, 0.95, 0.0)),
        "paper": Preset(Config(frames=243, width=1024), Recipe(80, 1024, 1e-3, 0.95, 0.0)),
    }

    def __init__(self, config, skeleton=HUMAN36M):
        super().__init__(config, skeleton)
        self.frames = self.train_frames = config.frames
        joints = len(skeleton.joints)
        self.network = nn.Sequential(
            nn.Flatten(2), nn.Linear(2 * joints, config.width), nn.ReLU(), nn.Linear(config.width, 3 * joints)
        )

    def training_loss(self, batch: Batch):
        return (self.lift_windows(batch.pose_2d) - batch.pose_3d).norm(dim=-1).mean()

    def lift_windows(self, seen):
        """2D poses [B, F, J, 2] to 3D [B, F, J, 3]; ``predict`` averages mirror images and sets the root to 0."""
        return self.network(seen).unflatten(2, (-1, 3))
