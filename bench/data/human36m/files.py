"""The two files of Human3.6M's layout: what they hold, checked.

``data_3d_h36m.npz`` has the poses and ``data_2d_h36m_NAME.npz`` one source of 2D poses, both as dicts subject →
action → arrays. The layout is that of Pavllo et al., "3D human pose estimation in video", CVPR 2019.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.data.archive import read_archive
from bench.data.human36m.cameras import SUBJECTS
from bench.data.stored import check_finite, check_poses
from models.errors import InputError

FILE_3D = "data_3d_h36m.npz"
PREFIX_2D = "data_2d_h36m_"
JOINTS = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)  # of the 32 that are stored
LEFT_OUT = ("S11", "Directions")  # its video is damaged; the whole field leaves it out
LONGEST_NAME = 100

Actions = dict[str, Any]


def read_subjects(path: Path, key: str) -> dict[str, Actions]:
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
    unknown = sorted(set(value) - set(SUBJECTS))
    if unknown:
        raise InputError(
            f"{path}: subject {unknown[0]} is none of {', '.join(SUBJECTS)}, with known cameras: remove it"
        )
    return {subject: dict(actions) for subject, actions in value.items()}


def check_same_takes(
    file_3d: Path, poses: dict[str, Actions], file_2d: Path, keypoints: dict[str, Actions]
) -> None:
    """Raise ``InputError`` if a take is in one of the files only."""
    for here, there, has, lacks in ((poses, keypoints, file_3d, file_2d), (keypoints, poses, file_2d, file_3d)):
        for subject, actions in here.items():
            missing = sorted(set(actions) - set(there.get(subject, ())))
            if missing or subject not in there:
                what = f"{subject}/{missing[0]}" if subject in there else f"subject {subject}"
                raise InputError(f"{what} is in {has} but not in {lacks}: use two files of one origin")


def world_poses(stored: Any, place: str) -> np.ndarray:
    """The 3D poses of a take: ``[frames, 17, 3]`` metres.

    Raises:
        InputError: another shape, no frames, or a value that is not finite.
    """
    array = check_poses(stored, f"{place}: the array of 3D poses", 32, (3,))
    if len(array) == 0:
        raise InputError(f"{place}: the take has no frames: remove it from both files")
    world = array[:, JOINTS]
    check_finite(world, place)
    return world


def camera_views(stored: Any, place: str, frames: int) -> tuple[np.ndarray, ...]:
    """The 2D poses of a take in its four cameras, cut to its 3D length.

    Args:
        stored: in the file.
        place: file and take, for sentences.
        frames: of the 3D poses.

    Returns:
        Four arrays ``[frames, 17, 2 or 3]``: pixels, and in a third column the confidence.

    Raises:
        InputError: not four cameras, another shape, fewer frames than in 3D, a value that is not finite, or a
            confidence in some of the cameras only.
    """
    if not isinstance(stored, list | tuple | np.ndarray) or len(stored) != 4:
        raise InputError(f"{place}: 2D poses must be a list of 4 arrays, one per camera: export them again")
    views = []
    for number, view in enumerate(stored):
        camera = f"{place}, camera {number}"
        array = check_poses(view, f"{camera}: the array of 2D poses", 17, (2, 3))
        if len(array) < frames:
            raise InputError(
                f"{camera}: {len(array)} frames of 2D for {frames} of 3D: run the detector on the whole take"
            )
        check_finite(array[:frames], camera)
        views.append(array[:frames])
    if len({view.shape[2] for view in views}) > 1:
        raise InputError(f"{place}: only some of its cameras have a confidence: give it to all four or to none")
    return tuple(views)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_NAME
