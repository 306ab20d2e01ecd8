"""Files in MPI-INF-3DHP's layout, made of the synthetic data's motion. They are not that data set."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import load
from bench.data.mpi_inf_3dhp.cameras import published_camera
from bench.data.mpi_inf_3dhp.files import SUFFIX, TEST, TRAIN

STUDIO_FOCAL, STUDIO_CENTRE = 1500.0, (1030.0, 1010.0)
UNIVERSAL = {"annot3": 1.0, "univ_annot3": 1.08}
# Human3.6M joints, by name of the nearest counterpart; the head's middle lies between nose and head
COUNTERPARTS = [10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7]

Content = dict[str, Any]


def save(path: Path, value: Any, key: str = "data") -> None:
    box = np.empty((), dtype=object)
    box[()] = value
    np.savez(path, **{key: box})


@cache
def motions(frames: int) -> list[np.ndarray]:
    """Poses ``[frames, 17, 3]`` in millimetres and camera axes, in MPI-INF-3DHP's joint order."""
    found = []
    for sequence in load("synthetic", None, "gt").train[::7]:
        if len(sequence) >= frames:
            seen = (sequence.pose_3d + sequence.trajectory[:, None])[:frames] * 1000
            middle = (seen[:, 9] + seen[:, 10])[:, None] / 2
            found.append(np.concatenate([seen[:, COUNTERPARTS], middle], axis=1))
    return found


def contents(protocol: str = "annot3", frames: int = 60, views: int = 2) -> tuple[Content, Content]:
    """What both files hold; the 2D poses are projections of the poses at their true scale."""
    poses = iter(motions(frames) * 3)
    train, test = {}, {}
    for name, (_, fps) in TRAIN.items():
        cameras = {}
        for camera in ("0", "1", "2", "4", "5", "6", "7", "8")[:views]:
            pose = next(poses)
            pixels = STUDIO_FOCAL * pose[..., :2] / pose[..., 2:] + STUDIO_CENTRE
            cameras[camera] = _stored(pixels, pose, protocol)
        train[name] = [cameras, fps]
    for number, name in enumerate(TEST):
        pose = next(poses)
        pixels = published_camera(name).pixels(pose.astype(np.float64))
        valid = (np.arange(frames) + number) % 3 > 0
        test[name] = _stored(pixels, pose, protocol) | {"valid": valid.astype(np.uint8)}
    return train, test


def write(
    folder: Path, protocol: str = "annot3", files: tuple[Content, Content] | None = None, **size: int
) -> Path:
    """Write both files of a protocol, and give the folder."""
    for split, content in zip(("train", "test"), files or contents(protocol, **size), strict=True):
        save(folder / f"data_{split}_3dhp{SUFFIX[protocol]}.npz", content)
    return folder


def write_annotations(folder: Path, activities: dict[str, np.ndarray]) -> Path:
    """``TSi/annot_data.mat`` as far as it is read."""
    import h5py

    for name, numbers in activities.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        with h5py.File(folder / name / "annot_data.mat", "w") as file:
            file["activity_annotation"] = numbers[:, None].astype(np.float64)
    return folder


def _stored(pixels: np.ndarray, pose: np.ndarray, protocol: str) -> Content:
    root = pose[:, 14:15]
    scaled = root + UNIVERSAL[protocol] * (pose - root)
    return {"data_2d": pixels.astype(np.float32), "data_3d": scaled.astype(np.float32)}
