"""What every reader gives: sequences of one person seen by one camera, and a data set of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.skeleton import Skeleton

UNLABELLED = "motion"
"""The action class of takes of which nothing says what is done in them: no label that a method could be told."""


@dataclass(frozen=True)
class Sequence:
    """One take of one subject in one camera.

    Attributes:
        subject: "S9".
        action: name of the take, "Walking 1"; its class is the text before the first blank.
        pose_2d: ``[T, J, 2]`` float32, normalised screen coordinates (x/w*2-1, y/w*2-h/w).
        pose_3d: ``[T, J, 3]`` float32 metres, camera axes, relative to the root joint (whose row is 0).
        trajectory: ``[T, 3]`` float32 metres, the root in camera space.
        intrinsics: ``[9]`` float32 fx fy cx cy k1 k2 k3 p1 p2, normalised like ``pose_2d``.
        width, height: of the image in pixels.
        confidence: ``[T, J]`` float32 from 0 to 1, the detector's; None where the 2D source has none.
        valid: ``[T]`` bool, frames whose ground truth counts in an error; None for all.
        activity: ``[T]`` names of what is done in each frame, for tables by activity; None where nobody said.
    """

    subject: str
    action: str
    camera: str
    fps: float
    pose_2d: np.ndarray
    pose_3d: np.ndarray
    trajectory: np.ndarray
    intrinsics: np.ndarray
    width: int
    height: int
    confidence: np.ndarray | None = None
    valid: np.ndarray | None = None
    activity: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pose_3d)

    @property
    def counted(self) -> np.ndarray:
        """``[T]`` bool, frames whose ground truth counts."""
        return np.ones(len(self), dtype=bool) if self.valid is None else self.valid

    @property
    def action_class(self) -> str:
        return self.action.split(" ")[0]

    @property
    def take(self) -> str:
        """Subject and take, common to all cameras: the unit that is resampled for confidence intervals."""
        return f"{self.subject}/{self.action}"

    @property
    def key(self) -> str:
        """Name of this sequence within its data set."""
        return f"{self.subject}/{self.action}/{self.camera}"


@dataclass(frozen=True)
class Dataset:
    """Sequences with one source of 2D detections, split by subject.

    Attributes:
        name: of the reader ("human36m").
        label: what tables call it; never "Human3.6M" unless it is the complete set.
        detections: "gt", "cpn", …
        fingerprint: hash of everything that a method or a metric can see, 16 hexadecimal digits.
        notes: sentences on how it was made, what was left out and what was guessed.
        validation: training subjects that are held out for validation, where the data set names some.
        protocol: by which the same numbers would mean something else; part of the fingerprint.
        unusable: a sentence on each file that was left out because something is wrong with it.
    """

    name: str
    label: str
    detections: str
    skeleton: Skeleton
    train: tuple[Sequence, ...]
    test: tuple[Sequence, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    protocol: str = ""
    unusable: tuple[str, ...] = ()
