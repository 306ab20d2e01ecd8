"""Human3.6M, or any motion stored like it: ``data_3d_h36m.npz`` and ``data_2d_h36m_NAME.npz``.

The layout is that of Pavllo et al., "3D human pose estimation in video", CVPR 2019; split and joints follow
Martinez et al., "A simple yet effective baseline", ICCV 2017.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.data.archive import read_archive
from bench.data.human36m import cameras as human36m_cameras
from bench.data.packing import Recording, fingerprint, pack
from bench.data.sequence import Dataset, Sequence
from models.errors import InputError
from models.skeleton import HUMAN36M

TRAIN = ("S1", "S5", "S6", "S7", "S8")
TEST = ("S9", "S11")
# detections: short name, and NAME in the file's name
DETECTIONS = {"gt": "gt", "cpn": "cpn_ft_h36m_dbb", "hrnet": "hrnet", "sh": "sh_ft_h36m"}
_SHORT = {name: short for short, name in DETECTIONS.items()}
JOINTS = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)  # of the 32 that are stored
LEFT_OUT = ("S11", "Directions")  # its video is damaged; the whole field leaves it out
LONGEST_NAME = 100
FARTHEST = 1e9  # metres or pixels
COMPLETE = (1_559_752, 543_344)  # frames over four cameras in training and test

Actions = dict[str, Any]


def read(root: Path | None, detections: str) -> Dataset:
    """Read both files, check them against each other, and bring every take into its four cameras.

    Args:
        root: folder with the two files.
        detections: a short name of ``DETECTIONS``, or the NAME of any ``data_2d_h36m_NAME.npz`` in the folder.

    Returns:
        Training subjects S1, S5, S6, S7, S8 and test subjects S9, S11, as far as the files have them. Its label is
        "Human3.6M" only if the frame counts are those of the complete set. A third column of the 2D poses is the
        detector's confidence, held between 0 and 1.

    Raises:
        InputError: no folder is given; a file is missing, damaged or foreign; the files do not fit each other; a
            shape is wrong, 2D is shorter than 3D, or a coordinate is not finite.
    """
    if root is None:
        raise InputError("data set human36m needs the folder of data_3d_h36m.npz: name it as the data's root")
    file_3d, file_2d = root / "data_3d_h36m.npz", _detections_file(root, detections)
    poses = subjects_of(file_3d, "positions_3d")
    keypoints = subjects_of(file_2d, "positions_2d")
    notes = _without_left_out(poses) | _without_left_out(keypoints)
    check_same_takes(file_3d, poses, file_2d, keypoints)
    takes = [_takes(subjects, file_3d, poses, file_2d, keypoints) for subjects in (TRAIN, TEST)]
    _check_confidence(file_2d, takes[0] + takes[1])
    train, test = (pack(part, fps=50.0) for part in takes)
    return Dataset(
        name="human36m",
        label=_label(train, test),
        detections=_SHORT.get(detections, detections),
        skeleton=HUMAN36M,
        train=train,
        test=test,
        fingerprint=fingerprint(train, test),
        notes=tuple(sorted(notes)),
    )


def _without_left_out(subjects: dict[str, Actions]) -> set[str]:
    """Remove the take that the field leaves out; a note if it was there."""
    subject, action = LEFT_OUT
    if subjects.get(subject, {}).pop(action, None) is None:
        return set()
    return {f"{subject} {action} (the first take) is left out, as in the field: its video is damaged"}


def _label(train: tuple[Sequence, ...], test: tuple[Sequence, ...]) -> str:
    counts = sum(map(len, train)), sum(map(len, test))
    if counts == COMPLETE:
        return "Human3.6M"
    subjects = len({sequence.subject for sequence in train + test})
    return f"data in Human3.6M format ({subjects} subjects, {counts[1]:,} test frames)"


def _detections_file(root: Path, detections: str) -> Path:
    path = root / f"data_2d_h36m_{DETECTIONS.get(detections, detections)}.npz"
    if path.is_file() or not root.is_dir():
        return path
    present = sorted(file.stem.removeprefix("data_2d_h36m_") for file in root.glob("data_2d_h36m_*.npz"))
    names = ", ".join(_SHORT.get(name, name) for name in present) or "none"
    raise InputError(
        f"{path} does not exist, so there are no '{detections}' detections: choose one that is there ({names}) "
        "or add the file"
    )


def subjects_of(path: Path, key: str) -> dict[str, Actions]:
    """The takes of a file, subject → action → what is stored.

    Raises:
        InputError: the file is missing or damaged, has another layout, or a subject without known cameras.
    """
    value: Any = read_archive(path, key)
    nested = isinstance(value, dict) and all(isinstance(actions, dict) for actions in value.values())
    if not nested or not all(_is_name(name) for names in (value, *value.values()) for name in names):
        raise InputError(
            f"{path}, key '{key}': expected a dict of subjects, each a dict of actions; check the file"
        )
    unknown = sorted(set(value) - {*TRAIN, *TEST})
    if unknown:
        raise InputError(
            f"{path}: subject {unknown[0]} is none of {', '.join(TRAIN + TEST)}, with known cameras: remove it"
        )
    return {subject: dict(actions) for subject, actions in value.items()}


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_NAME


def check_same_takes(
    file_3d: Path, poses: dict[str, Actions], file_2d: Path, keypoints: dict[str, Actions]
) -> None:
    """Raise ``InputError`` if a take is in one of the files only."""
    for here, there, has, lacks in ((poses, keypoints, file_3d, file_2d), (keypoints, poses, file_2d, file_3d)):
        for subject, actions in here.items():
            if subject not in there:
                raise InputError(f"subject {subject} is in {has} but not in {lacks}: use two files of one origin")
            missing = sorted(set(actions) - set(there[subject]))
            if missing:
                raise InputError(
                    f"{subject}/{missing[0]} is in {has} but not in {lacks}: use two files of one origin"
                )


def _takes(
    subjects: tuple[str, ...],
    file_3d: Path,
    poses: dict[str, Actions],
    file_2d: Path,
    keypoints: dict[str, Actions],
) -> list[Recording]:
    takes = []
    for subject in (name for name in subjects if name in poses):
        cameras = human36m_cameras.cameras(subject)
        for action in list(poses[subject]):
            name = f"{subject}/{action}"
            world = _world(file_3d, name, poses[subject].pop(action))  # its other joints may go
            views = views_of(file_2d, name, keypoints[subject][action], len(world))
            pixels = tuple(view[:, :, :2] for view in views)
            takes.append(Recording(subject, action, world, pixels, cameras, _confidence(views)))
    if not takes:
        raise InputError(f"{file_3d} has no take of {', '.join(subjects)}: add at least one of these subjects")
    return takes


def _check_confidence(path: Path, takes: list[Recording]) -> None:
    without = [f"{take.subject}/{take.action}" for take in takes if take.confidence is None]
    if 0 < len(without) < len(takes):
        raise InputError(
            f"{path}: other takes have a confidence, but {without[0]} has none: give it to all takes or to none"
        )


def _confidence(views: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...] | None:
    """The third column, which peaks of heat maps can carry a little beyond 0 and 1."""
    return tuple(view[:, :, 2].clip(0, 1) for view in views) if views[0].shape[2] == 3 else None


def _world(path: Path, name: str, stored: Any) -> np.ndarray:
    if not isinstance(stored, np.ndarray) or stored.ndim != 3 or stored.shape[1:] != (32, 3):
        raise InputError(f"{path}, {name}: 3D poses are {_shape(stored)}, not [frames, 32, 3]: export them again")
    if len(stored) == 0:
        raise InputError(f"{path}, {name}: the take has no frames: remove it from both files")
    world = stored[:, JOINTS]
    _check_finite(path, name, world)
    return world


def views_of(path: Path, name: str, stored: Any, frames: int) -> tuple[np.ndarray, ...]:
    """The 2D poses of a take in its four cameras, cut to its 3D length.

    Returns:
        Four arrays ``[frames, 17, 2 or 3]``: pixels, and in a third column the confidence.

    Raises:
        InputError: not four cameras, another shape, fewer frames than in 3D, a value that is not finite, or a
            confidence in some of the cameras only.
    """
    if not isinstance(stored, list | tuple | np.ndarray) or len(stored) != 4:
        raise InputError(f"{path}, {name}: 2D poses must be a list of 4 arrays, one per camera: export them again")
    for number, array in enumerate(stored):
        view = f"{name}, camera {number}"
        if not isinstance(array, np.ndarray) or array.ndim != 3 or array.shape[1:] not in ((17, 2), (17, 3)):
            raise InputError(
                f"{path}, {view}: 2D poses are {_shape(array)}, not [frames, 17, 2 or 3]: export them again"
            )
        if len(array) < frames:
            raise InputError(
                f"{path}, {view}: {len(array)} frames of 2D for {frames} of 3D: run the detector on the whole take"
            )
        _check_finite(path, view, array[:frames])
    if len({array.shape[2] for array in stored}) > 1:
        raise InputError(
            f"{path}, {name}: only some of its cameras have a confidence: give it to all four or to none"
        )
    return tuple(array[:frames] for array in stored)


def _shape(value: Any) -> str:
    return str(list(value.shape)) if isinstance(value, np.ndarray) else type(value).__name__


def _check_finite(path: Path, name: str, array: np.ndarray) -> None:
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}, {name}: holds values of type {array.dtype}, not numbers: export them again")
    fine = np.abs(array) < FARTHEST  # which NaN is not
    if not fine.all():
        frame = int(np.argwhere(~fine)[0, 0])
        raise InputError(f"{path}, {name}: NaN or infinite coordinate in frame {frame}: repair or remove the take")
