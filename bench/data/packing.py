"""Recordings in world coordinates become sequences in camera coordinates.

All sequences are slices of a few shared arrays, which windows then use without a copy.
"""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from bench.data.cameras.camera import Camera, normalise
from bench.data.sequence import Sequence


@dataclass(frozen=True)
class Recording:
    """One take of one subject, seen by several cameras.

    Attributes:
        subject, action: names, as in ``Sequence``.
        world: ``[T, J, 3]`` metres, world axes.
        pixels: for each camera ``[T, J, 2]`` pixels.
        confidence: for each camera ``[T, J]``, if the detector gives it.
    """

    subject: str
    action: str
    world: np.ndarray
    pixels: tuple[np.ndarray, ...]
    cameras: tuple[Camera, ...]
    confidence: tuple[np.ndarray, ...] | None = None


def pack(recordings: abc.Sequence[Recording], fps: float) -> tuple[Sequence, ...]:
    """One sequence for each camera of each recording, all of them slices of shared arrays.

    At least one recording; the joint order of the first holds for all. Poses are relative to joint 0.
    """
    views = [(take, *view) for take in recordings for view in zip(take.cameras, take.pixels, strict=True)]
    frames = sum(len(take.world) for take, _, _ in views)
    joints = recordings[0].world.shape[1]
    pose_2d = np.empty((frames, joints, 2), dtype=np.float32)
    pose_3d = np.empty((frames, joints, 3), dtype=np.float32)
    trajectory = np.empty((frames, 3), dtype=np.float32)
    confidence = None
    if all(take.confidence is not None for take in recordings):
        parts = [part for take in recordings for part in take.confidence or ()]
        confidence = np.concatenate(parts).astype(np.float32, copy=False)
    found = []
    begin = 0
    for take, camera, pixels in views:
        rows = slice(begin, begin + len(take.world))
        begin = rows.stop
        seen = camera.from_world(take.world.astype(np.float64))
        pose_2d[rows] = normalise(pixels, camera.width, camera.height)
        pose_3d[rows] = seen - seen[:, :1]
        trajectory[rows] = seen[:, 0]
        arrays = (pose_2d[rows], pose_3d[rows], trajectory[rows], camera.intrinsics)
        size = (camera.width, camera.height)
        trusted = None if confidence is None else confidence[rows]
        found.append(Sequence(take.subject, take.action, camera.name, fps, *arrays, *size, trusted))
    return tuple(found)


def fingerprint(train: abc.Sequence[Sequence], test: abc.Sequence[Sequence], *, protocol: str = "") -> str:
    """Hash of names, order, split and every number of the sequences: 16 hexadecimal digits."""
    digest = blake2b(protocol.encode(), digest_size=8)
    for split, members in (("train", train), ("test", test)):
        for sequence in members:
            name = f"{split}/{sequence.key}/{len(sequence)}/{sequence.fps}/{sequence.width}x{sequence.height}"
            digest.update(name.encode())
            for array in (sequence.pose_2d, sequence.pose_3d, sequence.trajectory, sequence.intrinsics):
                digest.update(np.ascontiguousarray(array).data)
            for field in ("confidence", "valid", "activity"):
                array = getattr(sequence, field)
                if array is not None:
                    digest.update(field.encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
