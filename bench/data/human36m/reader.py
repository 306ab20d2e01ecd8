"""Human3.6M, or any motion stored like it: ``data_3d_h36m.npz`` and ``data_2d_h36m_NAME.npz``.

Split and joints follow Martinez et al., "A simple yet effective baseline", ICCV 2017.
"""

from __future__ import annotations

from pathlib import Path

from bench.data.human36m import cameras as human36m_cameras
from bench.data.human36m.files import (
    FILE_3D,
    LEFT_OUT,
    PREFIX_2D,
    Actions,
    camera_views,
    check_same_takes,
    read_subjects,
    world_poses,
)
from bench.data.packing import Recording, pack
from bench.data.reader import Reader
from bench.data.sequence import Dataset, Sequence
from models.errors import InputError
from models.skeleton import HUMAN36M

# short name of detections, and NAME in the file's name
FILE_NAMES = {"gt": "gt", "cpn": "cpn_ft_h36m_dbb", "hrnet": "hrnet", "sh": "sh_ft_h36m"}
SHORT_NAMES = {name: short for short, name in FILE_NAMES.items()}


class Human36M(Reader):
    """Human3.6M's layout; called Human3.6M only if the frame counts are those of the complete set."""

    name = "human36m"
    skeleton = HUMAN36M
    detections = tuple(FILE_NAMES)
    open_detections = True
    needs = FILE_3D
    suffixes = (".npz",)
    train_subjects = ("S1", "S5", "S6", "S7", "S8")
    test_subjects = ("S9", "S11")
    complete = (1_559_752, 543_344)

    def read(self, root: Path, detections: str) -> Dataset:
        """Read both files, check them against each other, and bring every take into its four cameras.

        Args:
            root: folder with the two files.
            detections: one of ``detections``, or the NAME of any ``data_2d_h36m_NAME.npz`` in the folder.

        Returns:
            Training and test subjects, as far as the files have them. A third column of the 2D poses is the
            detector's confidence, held between 0 and 1.

        Raises:
            InputError: a file is missing, damaged or foreign; the files do not fit each other; a shape is
                wrong, 2D is shorter than 3D, or a coordinate is not finite.
        """
        file_3d, file_2d = root / FILE_3D, _detections_file(root, detections)
        poses = read_subjects(file_3d, "positions_3d")
        keypoints = read_subjects(file_2d, "positions_2d")
        notes = _remove_left_out(poses) | _remove_left_out(keypoints)
        check_same_takes(file_3d, poses, file_2d, keypoints)
        recordings = [
            _recordings(subjects, file_3d, poses, file_2d, keypoints)
            for subjects in (self.train_subjects, self.test_subjects)
        ]
        _check_confidence(file_2d, recordings[0] + recordings[1])
        train, test = (pack(part, fps=50.0) for part in recordings)
        source = SHORT_NAMES.get(detections, detections)
        return self.dataset(train, test, label=label(train, test), detections=source, notes=sorted(notes))


def label(train: tuple[Sequence, ...], test: tuple[Sequence, ...]) -> str:
    """What tables call these sequences: by the name of the set only if no frame is missing."""
    counts = sum(map(len, train)), sum(map(len, test))
    if counts == Human36M.complete:
        return "Human3.6M"
    subjects = len({sequence.subject for sequence in train + test})
    return f"data in Human3.6M format ({subjects} subjects, {counts[1]:,} test frames)"


def _detections_file(root: Path, detections: str) -> Path:
    path = root / f"{PREFIX_2D}{FILE_NAMES.get(detections, detections)}.npz"
    if path.is_file() or not root.is_dir():
        return path
    present = sorted(file.stem.removeprefix(PREFIX_2D) for file in root.glob(f"{PREFIX_2D}*.npz"))
    names = ", ".join(SHORT_NAMES.get(name, name) for name in present) or "none"
    raise InputError(
        f"{path} does not exist, so there are no '{detections}' detections: choose one that is there ({names}) "
        "or add the file"
    )


def _remove_left_out(subjects: dict[str, Actions]) -> set[str]:
    """Remove the take that the field leaves out; a note if it was there."""
    subject, action = LEFT_OUT
    if subjects.get(subject, {}).pop(action, None) is None:
        return set()
    return {f"{subject} {action} (the first take) is left out, as in the field: its video is damaged"}


def _recordings(
    subjects: tuple[str, ...],
    file_3d: Path,
    poses: dict[str, Actions],
    file_2d: Path,
    keypoints: dict[str, Actions],
) -> list[Recording]:
    recordings = []
    for subject in (name for name in subjects if name in poses):
        cameras = human36m_cameras.cameras(subject)
        for action in list(poses[subject]):
            name = f"{subject}/{action}"
            world = world_poses(poses[subject].pop(action), f"{file_3d}, {name}")  # popped: frees the other joints
            views = camera_views(keypoints[subject][action], f"{file_2d}, {name}", len(world))
            pixels, confidence = tuple(view[:, :, :2] for view in views), None
            if views[0].shape[2] == 3:  # peaks of heat maps can be a little beyond 0 and 1
                confidence = tuple(view[:, :, 2].clip(0, 1) for view in views)
            recordings.append(Recording(subject, action, world, pixels, cameras, confidence))
    if not recordings:
        raise InputError(f"{file_3d} has no take of {', '.join(subjects)}: add at least one of these subjects")
    return recordings


def _check_confidence(path: Path, recordings: list[Recording]) -> None:
    without = [f"{take.subject}/{take.action}" for take in recordings if take.confidence is None]
    if 0 < len(without) < len(recordings):
        raise InputError(
            f"{path}: other takes have a confidence, but {without[0]} has none: give it to all takes or to none"
        )
