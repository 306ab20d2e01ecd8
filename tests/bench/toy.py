"""The smallest method and data set with which the harness can be tested: a linear map, random walks."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bench.data.reader import Reader
from bench.data.sequence import Dataset, Sequence
from bench.training.recipe import TrainingRecipe
from models.config import ConfidenceConfig
from models.inference import with_confidence
from models.lifter import Batch, FirstStage, Lifter, Preset, Recipe, Sampling
from models.skeleton import HUMAN36M

RECIPE = TrainingRecipe(
    epochs=3,
    least_steps=0,
    batch_frames=90,
    learning_rate=0.05,
    decay=0.5,
    weight_decay=0.0,
    optimizer="adamw",
    schedule="exponential",
    flip=True,
    precision="fp32",
    seed=0,
    holdout=10,
)


BREAKS = -1.0
"""The noise of a toy whose training breaks the device of its process for everything that comes later there."""

broken: list[bool] = []
"""Not empty where the device of this process is broken."""


@dataclass(frozen=True)
class ToyConfig:
    frames: int = 9
    noise: float = 0.0


class Toy(Lifter):
    """A linear layer per joint; noise in its loss shows whether random numbers are reproduced."""

    title = "Toy"
    Config = ToyConfig
    presets = {
        name: Preset(
            ToyConfig(), Recipe(epochs=3, batch_frames=90, learning_rate=0.01, decay=0.9, weight_decay=0.0)
        )
        for name in ("tiny", "small", "base", "paper")
    }
    probabilistic = True
    compiled_part = "lift"
    trains_compiled_part = True

    def __init__(self, config, skeleton=HUMAN36M):
        super().__init__(config, skeleton)
        self.frames = self.train_frames = config.frames
        self.lift = nn.Linear(2, 3)

    def training_loss(self, batch: Batch):
        if self.config.noise == BREAKS:
            broken.append(True)
        if broken:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
        jitter = torch.randn_like(batch.pose_3d) * 0.01
        return (self.lift(batch.pose_2d) + jitter - batch.pose_3d).norm(dim=-1).mean()

    def predict(self, batch: Batch, sampling: Sampling):
        poses = self.lift(batch.pose_2d)[:, None, None]
        poses = poses - poses[..., [self.skeleton.root], :]
        return poses.expand(-1, sampling.steps, sampling.hypotheses, -1, -1, -1)


@dataclass(frozen=True)
class ConfidentConfig(ConfidenceConfig, ToyConfig):
    pass


class Confident(Toy):
    """Reads the detector's confidence, which the toy data lacks."""

    title = "Confident toy"
    Config = ConfidentConfig
    presets = {"tiny": Preset(ConfidentConfig(), Toy.presets["tiny"].recipe)}
    needs_confidence = True

    def __init__(self, config, skeleton=HUMAN36M):
        super().__init__(config, skeleton)
        self.lift = nn.Linear(3, 3)

    def training_loss(self, batch: Batch):
        return super().training_loss(self._seen(batch))

    def predict(self, batch: Batch, sampling: Sampling):
        return super().predict(self._seen(batch), sampling)

    def _seen(self, batch: Batch):
        return replace(batch, pose_2d=with_confidence(batch, self.config.confidence))


@dataclass(frozen=True)
class SecondConfig(ToyConfig):
    first_gain: float = 1.0


class FirstToy(Toy):
    """Learns to give back what it sees; it predicts nothing."""

    title = "Toy pre-training"
    Config = SecondConfig
    presets = {"tiny": Preset(SecondConfig(), replace(Toy.presets["tiny"].recipe, epochs=2))}

    def training_loss(self, batch: Batch):
        masked = batch.pose_2d * (torch.rand_like(batch.pose_2d) < 0.5)
        given_back = self.config.first_gain * self.lift(masked)[..., :2]
        return (given_back - batch.pose_2d).norm(dim=-1).mean()

    def predict(self, batch: Batch, sampling: Sampling):
        raise NotImplementedError


class Second(Toy):
    """Begins from what ``FirstToy`` has learned."""

    title = "Toy in two stages"
    Config = SecondConfig
    presets = {"tiny": Preset(SecondConfig(), Toy.presets["tiny"].recipe)}

    @classmethod
    def first_stage(cls, config):
        return FirstStage(FirstToy, SecondConfig(frames=config.frames, first_gain=config.first_gain))

    def begin_from(self, first: Lifter):
        self.load_state_dict(first.state_dict())


def sequence(subject: str, action: str, camera: str, frames: int = 40) -> Sequence:
    rng = np.random.default_rng(sum(map(ord, subject + action + camera)))
    pose = rng.normal(size=(1, 17, 3)) * 0.3 + np.cumsum(rng.normal(size=(frames, 17, 3)) * 0.01, axis=0)
    pose = (pose - pose[:, :1]).astype(np.float32)
    trajectory = np.tile(np.float32([0, 0, 5]), (frames, 1))
    intrinsics = np.float32([2.3, 2.3, 0, 0, 0, 0, 0, 0, 0])
    absolute = pose + trajectory[:, None]
    pose_2d = (2.3 * absolute[..., :2] / absolute[..., 2:]).astype(np.float32)
    return Sequence(subject, action, camera, 50.0, pose_2d, pose, trajectory, intrinsics, 1000, 1000)


def dataset(name: str, root: object, detections: str, options: object = None) -> Dataset:
    def of(*subjects: str) -> tuple[Sequence, ...]:
        return tuple(
            sequence(subject, action, camera)
            for subject in subjects
            for action in ("Walking", "Walking 1", "Eating", "Eating 1")
            for camera in ("a", "b")
        )

    return Dataset("toy", "toy motion", detections, HUMAN36M, of("S1", "S5"), of("S9"), f"{detections:0>16}")


class ToyData(Reader):
    """The toy data set as another package would offer it, for processes that are started by tests."""

    name = "toy"
    skeleton = HUMAN36M
    detections = ("gt", "cpn")

    def read(self, root: Path, detections: str) -> Dataset:
        return dataset(self.name, root, detections)
