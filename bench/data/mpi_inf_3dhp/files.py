"""The files of MPI-INF-3DHP's layout: what they hold, checked.

``data_train_3dhp.npz`` and ``data_test_3dhp.npz`` belong to the protocol ``univ_annot3``, the same names with
``_ori`` to ``annot3``. They are made by the code of P-STMO (ECCV 2022).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.data.archive import read_archive
from bench.data.mpi_inf_3dhp.cameras import TRAINING_SIZE, published_camera
from bench.data.stored import (
    check_dict,
    check_finite,
    check_length,
    check_names,
    check_number,
    check_per_frame,
    check_poses,
    read_each,
)
from models.checkpoints.restricted_unpickler import one_line
from models.errors import InputError
from models.skeleton import MPI_INF_3DHP

Protocol = Literal["univ_annot3", "annot3"]
SUFFIX = {"univ_annot3": "", "annot3": "_ori"}
CAMERAS = ("0", "1", "2", "4", "5", "6", "7", "8")
# frames in each camera, and frames per second
TRAIN = {
    "S1 Seq1": (6416, 25), "S1 Seq2": (12430, 50), "S2 Seq1": (6502, 25), "S2 Seq2": (6081, 25),
    "S3 Seq1": (12488, 50), "S3 Seq2": (12283, 50), "S4 Seq1": (6171, 25), "S4 Seq2": (6675, 25),
    "S5 Seq1": (12820, 50), "S5 Seq2": (12312, 50), "S6 Seq1": (6188, 25), "S6 Seq2": (6145, 25),
    "S7 Seq1": (6239, 25), "S7 Seq2": (6320, 25), "S8 Seq1": (6468, 25), "S8 Seq2": (6054, 25),
}  # fmt: skip
TEST = {"TS1": 603, "TS2": 540, "TS3": 505, "TS4": 553, "TS5": 276, "TS6": 452}  # valid frames, 25 per second
ACTIVITIES = (
    "Stand/Walk", "Exercise", "Sit on chair", "Crouch/Reach", "On the floor", "Sports", "Miscellaneous",
)  # fmt: skip
FRAME_RATES = (1, 1000)
NEAREST = 100.0
"""Millimetres in front of the camera that every joint must be: less is another unit, or no camera space."""


@dataclass(frozen=True)
class View:
    """One take in one camera as it is stored.

    Attributes:
        size: width and height of the image in pixels.
        pixels: ``[T, J, 2]``.
        millimetres: ``[T, J, 3]``, camera axes.
        valid: ``[T]`` bool, frames whose ground truth counts; None for all.
        activity: ``[T]`` names of what is done in each frame; None where nobody said.
    """

    subject: str
    action: str
    camera: str
    fps: float
    size: tuple[int, int]
    pixels: np.ndarray
    millimetres: np.ndarray
    valid: np.ndarray | None = None
    activity: np.ndarray | None = None


def find_file(root: Path, split: str, protocol: str) -> Path:
    """The file of a split ("train" or "test"); ``InputError`` if only the other protocol's is there."""
    files = {name: root / f"data_{split}_3dhp{suffix}.npz" for name, suffix in SUFFIX.items()}
    there = [name for name, file in files.items() if os.path.isfile(file)]  # False for names that no file can have
    if there and protocol not in there:
        raise InputError(
            f"{files[protocol]} does not exist, which protocol {protocol} needs: add it, or set protocol to "
            f"{there[0]}, whose file is there"
        )
    return files[protocol]


def read_train_views(path: Path) -> list[View]:
    """All cameras of the training sequences, in the set's own order.

    Raises:
        InputError: the file is missing, damaged or holds something else.
    """
    return _each(path, TRAIN, views_in_training, "sequence in any camera")


def read_test_views(path: Path, annotations: Path | None) -> list[View]:
    """The test sequences, in the set's own order.

    The activities in ``annotations``, the folder of the original test set, go before those of the file.

    Raises:
        InputError: the file is missing, damaged or holds something else, or the activities cannot be read.
    """
    return _each(path, TEST, partial(views_in_test, annotations=annotations), "test sequence")


def _each(path: Path, known: Collection[str], read: Callable[..., list[View]], what: str) -> list[View]:
    """What every stored sequence gives, in the set's own order; those that cannot be used are named together."""
    value = check_dict(read_archive(path, "data"), f"{path}, key 'data'", "sequences")
    check_names(value, known, str(path), "sequence")
    reads = {name: partial(read, path, name, value[name]) for name in known if name in value}
    found = [view for views in read_each(reads, "sequences").values() for view in views]
    if not found:
        raise InputError(f"{path} has no {what}: get the file again")
    return found


def views_in_training(path: Path, name: str, stored: Any) -> list[View]:
    """A training sequence in its cameras; ``path``: the file, for sentences. Raises as ``read_train_views``."""
    place = f"{path}, {name}"
    cameras, fps = check_length(stored, 2, place, "is not [dict of cameras, frames per second]")
    check_names(check_dict(cameras, place, "cameras"), CAMERAS, place, "camera")
    fps = check_number(fps, *FRAME_RATES, place, "the frames per second")
    subject, action = name.split(" ")
    views = []
    for camera, content in cameras.items():
        poses = _poses(content, f"{place}, camera {camera}")
        views.append(View(subject, action, camera, fps, TRAINING_SIZE, *poses))
        _check_depth(views[-1])
    return views


def views_in_test(path: Path, name: str, stored: Any, annotations: Path | None = None) -> list[View]:
    """A test sequence in its one camera. Arguments and errors: see ``read_test_views``."""
    place = f"{path}, {name}"
    pixels, millimetres = _poses(stored, place)
    valid = check_per_frame(stored.get("valid"), f"{place}: valid", len(pixels), (0, 1)).astype(bool)
    if not valid.any():
        raise InputError(f"{place}: no frame is valid, so it cannot be tested on: remove it or export it again")
    activity = _activity(stored, place, annotations and annotations / name / "annot_data.mat", len(pixels))
    camera = published_camera(name)
    size = (camera.width, camera.height)
    view = View(name, name, camera.name, 25.0, size, pixels, millimetres, valid, activity)
    _check_depth(view)
    return [view]


def _poses(stored: Any, place: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels ``[T, J, 2]`` and millimetres ``[T, J, 3]``."""
    content, joints = check_dict(stored, place, "data_2d and data_3d"), len(MPI_INF_3DHP.joints)
    pixels, millimetres = (
        check_poses(content.get(key), f"{place}: {key}", joints, (width,))
        for key, width in (("data_2d", 2), ("data_3d", 3))
    )
    check_finite(pixels, f"{place}: data_2d")
    check_finite(millimetres, f"{place}: data_3d")
    if len(pixels) != len(millimetres):
        raise InputError(
            f"{place}: {len(pixels)} frames of 2D for {len(millimetres)} of 3D: use a file of one origin"
        )
    if len(pixels) == 0:
        raise InputError(f"{place}: has no frames: remove it")
    return pixels, millimetres


def _check_depth(view: View) -> None:
    depth = view.millimetres[..., 2].min(axis=1)
    near = depth < NEAREST if view.valid is None else (depth < NEAREST) & view.valid
    if near.any():
        frame = int(np.argmax(near))
        raise InputError(
            f"{view.subject} {view.action}, camera {view.camera}: a joint of frame {frame} is {depth[frame]:.0f} "
            "mm in front of the camera: store poses in millimetres and camera axes"
        )


def _activity(stored: dict[str, Any], place: str, annotations: Path | None, frames: int) -> np.ndarray | None:
    """``[frames]`` names of activities: of the original annotations if named, else of the file if it has them."""
    if annotations is None:
        numbers = stored.get("activity")
    else:
        numbers, place = _annotated_activity(annotations), str(annotations)
    if numbers is None:
        return None
    numbers = check_per_frame(numbers, f"{place}: activity", frames, range(1, len(ACTIVITIES) + 1))
    return np.array(ACTIVITIES)[numbers.astype(int) - 1]


def _annotated_activity(path: Path) -> np.ndarray:
    """The activity of every frame, from the annotations of an original test sequence (MATLAB 7.3, so HDF5)."""
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path}: is read with h5py, which is not installed: pip install h5py") from None
    if not os.path.isfile(path):
        raise InputError(f"{path} does not exist: name the folder of the test set that has TS1 to TS6")
    try:
        with h5py.File(path) as file:
            return np.asarray(file["activity_annotation"])
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: has no readable activity_annotation ({one_line(error)}): get the file again"
        ) from None
