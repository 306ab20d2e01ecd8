"""MPI-INF-3DHP, or any motion stored like it, in the two files of P-STMO (ECCV 2022) and D3DP (ICCV 2023).

``univ_annot3`` (poses scaled to one height) lies in ``data_train_3dhp.npz`` and ``data_test_3dhp.npz``, ``annot3``
(poses as they were) in ``data_train_3dhp_ori.npz`` and ``data_test_3dhp_ori.npz``. Errors under one say nothing
about the other. The set itself: Mehta et al., 3DV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.data.archive import read_archive
from bench.data.cameras import normalise, project
from bench.data.mpi_inf_3dhp.cameras import TRAINING_SIZE, fitted_intrinsics, published_camera, trajectory_scale
from bench.data.packing import fingerprint
from bench.data.sequence import Dataset, Sequence
from models.errors import InputError
from models.skeleton import MPI_INF_3DHP

Protocol = Literal["univ_annot3", "annot3"]
SUFFIX = {"univ_annot3": "", "annot3": "_ori"}
HEIGHT = {
    "univ_annot3": "poses scaled to a universal height",
    "annot3": "poses at their true scale",
}
CAMERAS = ("0", "1", "2", "4", "5", "6", "7", "8")
# frames in each camera, and frames per second
TRAIN = {
    "S1 Seq1": (6416, 25), "S1 Seq2": (12430, 50), "S2 Seq1": (6502, 25), "S2 Seq2": (6081, 25),
    "S3 Seq1": (12488, 50), "S3 Seq2": (12283, 50), "S4 Seq1": (6171, 25), "S4 Seq2": (6675, 25),
    "S5 Seq1": (12820, 50), "S5 Seq2": (12312, 50), "S6 Seq1": (6188, 25), "S6 Seq2": (6145, 25),
    "S7 Seq1": (6239, 25), "S7 Seq2": (6320, 25), "S8 Seq1": (6468, 25), "S8 Seq2": (6054, 25),
}  # fmt: skip
TEST = {"TS1": 603, "TS2": 540, "TS3": 505, "TS4": 553, "TS5": 276, "TS6": 452}  # valid frames
TEST_FPS = 25.0
ACTIVITIES = (
    "Stand/Walk", "Exercise", "Sit on chair", "Crouch/Reach", "On the floor", "Sports", "Miscellaneous",
)  # fmt: skip
ROOT, JOINTS = MPI_INF_3DHP.root, len(MPI_INF_3DHP.joints)
NEAREST = 100.0
"""Millimetres in front of the camera that every joint must be: less is another unit, or no camera space."""


@dataclass(frozen=True)
class _View:
    """One take in one camera as it is stored: pixels ``[T, J, 2]`` and millimetres ``[T, J, 3]``, camera axes."""

    subject: str
    action: str
    camera: str
    fps: float
    size: tuple[int, int]
    pixels: np.ndarray
    millimetres: np.ndarray
    valid: np.ndarray | None = None
    activity: np.ndarray | None = None


def read(
    root: Path | None,
    detections: str,
    *,
    protocol: Protocol = "univ_annot3",
    annotations: Path | None = None,
) -> Dataset:
    """Read the training and the test file of a protocol.

    Args:
        root: folder with the files.
        detections: "gt"; the files hold no other 2D poses.
        protocol: which 3D annotation, and with it which files.
        annotations: folder of the original test set, for the activities in its ``TSi/annot_data.mat``.

    Returns:
        Training sequences in up to eight cameras, whose intrinsics are fitted (they are not stored), and test
        sequences in the published ones. Its label is "MPI-INF-3DHP (protocol)" only if all frame counts are those
        of the complete set.

    Raises:
        InputError: no folder is given, detections are not "gt", a file is missing, damaged or foreign, a sequence
            or camera is unknown, a shape is wrong, lengths differ, a number is not finite, a pose is not in front
            of its camera, a test sequence has no valid frame, or the activities cannot be read.
    """
    if root is None:
        raise InputError(
            "data set mpi_inf_3dhp needs the folder of data_test_3dhp.npz: name it as the data's root"
        )
    if detections != "gt":
        raise InputError(
            f"MPI-INF-3DHP's files hold ground-truth 2D poses only, no '{detections}': set the detections to gt"
        )
    file_train, file_test = (_file(root, split, protocol) for split in ("train", "test"))
    test, scales = _packed(_test_views(file_test, annotations), protocol)
    train, _ = _packed(_train_views(file_train), protocol)
    return Dataset(
        name="mpi_inf_3dhp",
        label=_label(train, test, protocol),
        detections="gt",
        skeleton=MPI_INF_3DHP,
        train=train,
        test=test,
        fingerprint=fingerprint(train, test, protocol=protocol),
        notes=_notes(train, test, protocol, scales),
    )


def _file(root: Path, split: str, protocol: str) -> Path:
    path = root / f"data_{split}_3dhp{SUFFIX[protocol]}.npz"
    others = [name for name, suffix in SUFFIX.items() if (root / f"data_{split}_3dhp{suffix}.npz").is_file()]
    if others and not path.is_file():
        raise InputError(
            f"{path} does not exist, which protocol {protocol} needs: add it, or set protocol to {others[0]}, "
            "whose file is there"
        )
    return path


def _label(train: tuple[Sequence, ...], test: tuple[Sequence, ...], protocol: str) -> str:
    found = {(f"{s.subject} {s.action}", s.camera): (len(s), s.fps) for s in train}
    expected = {(name, camera): size for name, size in TRAIN.items() for camera in CAMERAS}
    valid = _valid_frames(test)
    if found == expected and valid == TEST:
        return f"MPI-INF-3DHP ({protocol})"
    subjects = len({sequence.subject for sequence in train})
    return (
        f"data in MPI-INF-3DHP format ({protocol}, {subjects} training subjects, "
        f"{sum(valid.values()):,} valid test frames)"
    )


def _valid_frames(test: tuple[Sequence, ...]) -> dict[str, int]:
    return {s.action: len(s.pose_3d[s.counted]) for s in test}


def _notes(
    train: tuple[Sequence, ...], test: tuple[Sequence, ...], protocol: str, scales: list[float]
) -> tuple[str, ...]:
    notes = [
        f"Protocol {protocol}: {HEIGHT[protocol]}, not comparable with the other protocol",
        "2D poses are the projected ground truth of the set",
        f"Published test cameras reproject valid test poses {_reprojection(test):.1f} px (median) beside their 2D",
        f"Focal lengths and centres of the training cameras are fitted, being in no file, with "
        f"{_reprojection(train):.1f} px (median) left",
    ]
    if protocol == "univ_annot3":
        notes.append(
            f"J-Agg reprojects from the root's trajectory times {min(scales):.3f} to {max(scales):.3f}, one "
            "factor for each test sequence, with which poses of universal height meet their 2D"
        )
    other = [
        f"{name} {count} ({TEST[name]})" for name, count in _valid_frames(test).items() if count != TEST[name]
    ]
    notes += [f"Valid test frames, and in brackets those of the complete set: {', '.join(other)}"] * bool(other)
    if any(sequence.activity is None for sequence in test):
        notes.append("No table by activity: the files have no activity labels, and no annotations were named")
    return tuple(notes)


def _reprojection(sequences: tuple[Sequence, ...]) -> float:
    """Median over sequences of the median distance, in pixels, of projected joints from the 2D poses."""
    medians = []
    for sequence in sequences:
        rows = sequence.counted
        points = sequence.pose_3d[rows] + sequence.trajectory[rows, None]
        offset = project(points, sequence.intrinsics) - sequence.pose_2d[rows]
        medians.append(np.median(np.linalg.norm(offset, axis=-1)) * sequence.width / 2)
    return float(np.median(medians))


def _train_views(path: Path) -> list[_View]:
    views = []
    for name, stored in _sequences(path, TRAIN).items():
        place = f"{path}, {name}"
        if (
            not isinstance(stored, list | tuple | np.ndarray)
            or len(stored) != 2
            or not isinstance(stored[0], dict)
        ):
            raise InputError(f"{place}: is not [dict of cameras, frames per second]: get the file again")
        fps = stored[1]
        if not isinstance(fps, int | float | np.number) or not 1 <= fps <= 1000:
            raise InputError(f"{place}: the frames per second are {fps!r}, no number from 1 to 1000")
        for camera, content in stored[0].items():
            if camera not in CAMERAS:
                raise InputError(f"{place}: camera {camera!r} is none of {', '.join(CAMERAS)}: remove it")
            subject, action = name.split(" ")
            size = TRAINING_SIZE
            arrays = _poses(f"{place}, camera {camera}", content)
            views.append(_View(subject, action, camera, float(fps), size, *arrays))
    if not views:
        raise InputError(f"{path} has no sequence in any camera: get the file again")
    return views


def _test_views(path: Path, annotations: Path | None) -> list[_View]:
    views = []
    for name, stored in _sequences(path, TEST).items():
        place = f"{path}, {name}"
        pixels, millimetres = _poses(place, stored)
        valid = _per_frame(place, "valid", stored.get("valid"), len(pixels), {0, 1}).astype(bool)
        if not valid.any():
            raise InputError(
                f"{place}: no frame is valid, so it cannot be tested on: remove it or export it again"
            )
        activity = stored.get("activity")
        if annotations is not None:
            place = str(annotations / name / "annot_data.mat")
            activity = _stored_activity(Path(place))
        if activity is not None:
            numbers = _per_frame(place, "activity", activity, len(pixels), set(range(1, len(ACTIVITIES) + 1)))
            activity = np.array(ACTIVITIES)[numbers.astype(int) - 1]
        camera = published_camera(name)
        size = (camera.width, camera.height)
        views.append(_View(name, name, camera.name, TEST_FPS, size, pixels, millimetres, valid, activity))
    if not views:
        raise InputError(f"{path} has no test sequence: get the file again")
    return views


def _sequences(path: Path, known: dict[str, Any]) -> dict[str, Any]:
    """The stored sequences in the set's own order."""
    value = read_archive(path, "data")
    if not isinstance(value, dict):
        raise InputError(f"{path}, key 'data': expected a dict of sequences, not {_shape(value)}: check the file")
    unknown = [str(name) for name in value if name not in known]
    if unknown:
        raise InputError(f"{path}: sequence {unknown[0]!r} is none of {', '.join(known)}: remove it")
    return {name: value[name] for name in known if name in value}


def _poses(place: str, stored: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(stored, dict):
        raise InputError(f"{place}: expected a dict of data_2d and data_3d, not {_shape(stored)}: check the file")
    arrays = []
    for key, width in (("data_2d", 2), ("data_3d", 3)):
        array = stored.get(key)
        shape = array.shape[1:] if isinstance(array, np.ndarray) else None
        if not isinstance(array, np.ndarray) or shape != (JOINTS, width) or array.dtype.kind not in "fiu":
            raise InputError(
                f"{place}: {key} is {_shape(array)}, no numbers [frames, {JOINTS}, {width}]: export it again"
            )
        if not np.isfinite(array).all():
            frame = int(np.argwhere(~np.isfinite(array))[0, 0])
            raise InputError(
                f"{place}: NaN or infinite number in {key}, frame {frame}: repair or remove the sequence"
            )
        arrays.append(array)
    pixels, millimetres = arrays
    if len(pixels) != len(millimetres):
        raise InputError(
            f"{place}: {len(pixels)} frames of 2D for {len(millimetres)} of 3D: use a file of one origin"
        )
    if len(pixels) == 0:
        raise InputError(f"{place}: has no frames: remove it")
    return pixels, millimetres


def _per_frame(place: str, what: str, stored: Any, frames: int, allowed: set[int]) -> np.ndarray:
    array = np.asarray(stored)
    if array.dtype.kind not in "fiub" or array.size != frames or max(array.shape, default=0) != frames:
        raise InputError(f"{place}: {what} is {_shape(stored)}, not one number for each of {frames} frames")
    strange = sorted(set(np.unique(array).tolist()) - allowed)
    if strange:
        raise InputError(f"{place}: {what} holds {strange[0]:g}, none of {min(allowed)} to {max(allowed)}")
    return array.reshape(-1)


def _stored_activity(path: Path) -> np.ndarray:
    """The activity of every frame, from the annotations of an original test sequence (MATLAB 7.3, so HDF5)."""
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path}: is read with h5py, which is not installed: pip install h5py") from None
    if not path.is_file():
        raise InputError(f"{path} does not exist: name the folder of the test set that has TS1 to TS6")
    try:
        with h5py.File(path) as file:
            return np.asarray(file["activity_annotation"])
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip("'\"").replace("\n", " ")
        raise InputError(f"{path}: has no readable activity_annotation ({reason}): get the file again") from None


def _packed(views: list[_View], protocol: str) -> tuple[tuple[Sequence, ...], list[float]]:
    """Sequences that are slices of shared arrays, and the factor on the trajectory of each.

    The list is emptied from its end on the way: memory that was taken last can be given back first.
    """
    frames = sum(len(view.pixels) for view in views)
    pose_2d = np.empty((frames, JOINTS, 2), dtype=np.float32)
    pose_3d = np.empty((frames, JOINTS, 3), dtype=np.float32)
    trajectory = np.empty((frames, 3), dtype=np.float32)
    found, scales = [], []
    for view, rows in _emptied(views):
        seen = view.millimetres / 1000
        _check_depth(view)
        pose_2d[rows] = normalise(view.pixels.astype(np.float64), *view.size)
        pose_3d[rows] = seen - seen[:, ROOT : ROOT + 1]
        if view.valid is None:
            scale, intrinsics = 1.0, fitted_intrinsics(seen, pose_2d[rows])
        else:
            intrinsics = published_camera(view.action).intrinsics
            pose, root, screen = (array[view.valid] for array in (pose_3d[rows], seen[:, ROOT], pose_2d[rows]))
            scale = trajectory_scale(pose, root, screen, intrinsics) if protocol == "univ_annot3" else 1.0
        trajectory[rows] = seen[:, ROOT] * scale
        scales.append(scale)
        arrays = (pose_2d[rows], pose_3d[rows], trajectory[rows], intrinsics)
        names = (view.subject, view.action, view.camera, view.fps)
        found.append(Sequence(*names, *arrays, *view.size, valid=view.valid, activity=view.activity))
    return tuple(reversed(found)), scales


def _emptied(views: list[_View]) -> Iterator[tuple[_View, slice]]:
    end = sum(len(view.pixels) for view in views)
    while views:
        view = views.pop()
        yield view, slice(end - len(view.pixels), end)
        end -= len(view.pixels)


def _check_depth(view: _View) -> None:
    depth = view.millimetres[..., 2].min(axis=1)
    near = (depth < NEAREST) if view.valid is None else (depth < NEAREST) & view.valid
    if near.any():
        frame = int(np.argmax(near))
        raise InputError(
            f"{view.subject} {view.action}, camera {view.camera}: a joint of frame {frame} is {depth[frame]:.0f} "
            "mm in front of the camera: store poses in millimetres and camera axes"
        )


def _shape(value: Any) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
