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
from bench.data.human36m.keypoints import OURS
from bench.data.human36m.takes import Actions
from bench.data.layouts import Layout, to_human36m
from bench.data.stored import check_finite, check_length, check_poses
from models.errors import InputError, some_of

FILE_3D = "data_3d_h36m.npz"
PREFIX_2D = "data_2d_h36m_"
JOINTS = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)  # of the 32 that are stored
LONGEST_NAME = 100


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
            f"{path}: subject {some_of(unknown)} is none of {', '.join(SUBJECTS)}, with known cameras: remove it"
        )
    return {subject: dict(actions) for subject, actions in value.items()}


def check_same_takes(
    file_3d: Path, poses: dict[str, Actions], file_2d: Path, keypoints: dict[str, Actions]
) -> None:
    """Raise ``InputError`` if a take is in one of the files only."""
    for here, there, has, lacks in ((poses, keypoints, file_3d, file_2d), (keypoints, poses, file_2d, file_3d)):
        missing = [f"subject {subject}" for subject in here if subject not in there]
        missing += [
            f"{subject}/{action}"
            for subject, actions in here.items()
            for action in sorted(set(actions) - set(there.get(subject, actions)))
        ]
        if missing:
            raise InputError(f"{some_of(missing)} is in {has} but not in {lacks}: use two files of one origin")


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


def camera_views(stored: Any, place: str, frames: int, layout: Layout = OURS) -> tuple[np.ndarray, ...]:
    """The 2D poses of a take in its four cameras, cut to its 3D length.

    Args:
        stored: in the file, with key points of ``layout``.
        place: file and take, for sentences.
        frames: of the 3D poses.
        layout: of the key points.

    Returns:
        Four arrays ``[frames, 17, 2 or 3]``: pixels, and in a third column the confidence.

    Raises:
        InputError: not four cameras, another shape, fewer frames than in 3D, a value that is not finite, or a
            confidence in some of the cameras only.
    """
    stored = check_length(stored, 4, place, "2D poses are not a list of 4 arrays, one per camera,")
    views = [_view(view, f"{place}, camera {number}", frames, layout) for number, view in enumerate(stored)]
    if len({view.shape[2] for view in views}) > 1:
        raise InputError(f"{place}: only some of its cameras have a confidence: give it to all four or to none")
    return tuple(views if layout == OURS else (to_human36m(view, layout) for view in views))


def _view(stored: Any, camera: str, frames: int, layout: Layout) -> np.ndarray:
    """The 2D poses of a take in one camera; ``camera``: its name, for sentences."""
    if isinstance(stored, np.ndarray) and stored.ndim == 3 and stored.shape[1] == 16 and layout == OURS:
        raise InputError(
            f"{camera}: 16 joints, as stacked hourglass networks give: if they are in MPII's order, add the key "
            "metadata with layout_name 'mpii'; else take detections in Human3.6M's 17 joints"
        )
    array = check_poses(stored, f"{camera}: the array of 2D poses", len(layout.points), (2, 3))
    if len(array) < frames:
        raise InputError(
            f"{camera}: {len(array)} frames of 2D for {frames} of 3D: run the detector on the whole take"
        )
    check_finite(array[:frames], camera)
    return array[:frames]


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_NAME
