"""Human3.6M, or any motion stored like it: ``data_3d_h36m.npz`` and ``data_2d_h36m_NAME.npz``.

Split and joints follow Martinez et al., "A simple yet effective baseline", ICCV 2017.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np

from bench.data.human36m.cameras import SUBJECTS, cameras
from bench.data.human36m.files import (
    FILE_3D,
    PREFIX_2D,
    camera_views,
    check_same_takes,
    read_subjects,
    world_poses,
)
from bench.data.human36m.keypoints import OURS, conversion_note, layout_of
from bench.data.human36m.takes import LEFT_OUT, Actions, notes_on_names, with_usual_names, without_takes
from bench.data.layouts import Layout
from bench.data.left_out import note_on
from bench.data.packing import Recording, pack
from bench.data.reader import Reader
from bench.data.sequence import Dataset, Sequence
from bench.data.stored import read_each
from models.errors import InputError, some_of
from models.skeleton import HUMAN36M

# short name of detections, and NAME in the file's name
FILE_NAMES = {"gt": "gt", "cpn": "cpn_ft_h36m_dbb", "hrnet": "hrnet", "sh": "sh_ft_h36m"}
SHORT_NAMES = {name: short for short, name in FILE_NAMES.items()}
MOST_CONFIDENCE = 1.5


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

    def read(self, root: Path, detections: str, *, leave_out: tuple[str, ...] = ()) -> Dataset:
        """Read both files, check them against each other, and bring every take into its four cameras.

        Args:
            root: folder with the two files.
            detections: one of ``detections``, or the NAME of any ``data_2d_h36m_NAME.npz`` in the folder.
            leave_out: takes that are not looked at, "S9/Greeting", in any of their spellings.

        Returns:
            Training and test subjects, as far as the files have them. A third column of the 2D poses is the
            detector's confidence, held between 0 and 1.

        Raises:
            InputError: a file is missing, damaged or foreign; the files do not fit each other; a shape is
                wrong, 2D is shorter than 3D, a coordinate is not finite, a confidence is far above 1, or a
                take to leave out is not there.
        """
        file_3d, file_2d = root / FILE_3D, root / f"{PREFIX_2D}{FILE_NAMES.get(detections, detections)}.npz"
        poses, keypoints, notes = _read_both(file_3d, file_2d)
        if leave_out:
            poses, left_out = without_takes(poses, leave_out, str(file_3d))
            notes.append(note_on(left_out))
        layout = layout_of(file_2d)
        if layout != OURS:
            notes.append(conversion_note(layout))
        takes = _recordings(file_3d, poses, file_2d, keypoints, layout)
        _check_confidence(file_2d, takes)
        train, test = (
            pack(_of(subjects, takes, file_3d), fps=50.0) for subjects in (self.train_subjects, self.test_subjects)
        )
        source = SHORT_NAMES.get(detections, detections)
        return self.dataset(train, test, label=label(train, test), detections=source, notes=sorted(notes))


def label(train: tuple[Sequence, ...], test: tuple[Sequence, ...]) -> str:
    """What tables call these sequences: by the name of the set only if no frame is missing."""
    counts = sum(map(len, train)), sum(map(len, test))
    if counts == Human36M.complete:
        return "Human3.6M"
    subjects = len({sequence.subject for sequence in train + test})
    return f"data in Human3.6M format ({subjects} subjects, {counts[1]:,} test frames)"


def _read_both(file_3d: Path, file_2d: Path) -> tuple[dict[str, Actions], dict[str, Actions], list[str]]:
    """The takes of both files under their usual names, the same in both, and notes on them."""
    stored = read_each(
        {str(file_3d): lambda: read_subjects(file_3d, "positions_3d"), str(file_2d): lambda: _read_2d(file_2d)},
        "files",
    )
    poses, keypoints = (with_usual_names(takes, path) for path, takes in stored.items())
    notes = notes_on_names(stored[str(file_3d)], poses)
    del stored  # so that takes can be freed one by one
    if _remove_left_out(poses) | _remove_left_out(keypoints):
        notes.append(f"{' '.join(LEFT_OUT)} (the first take) is left out, as in the field: its video is damaged")
    check_same_takes(file_3d, poses, file_2d, keypoints)
    return poses, keypoints, notes


def _read_2d(path: Path) -> dict[str, Actions]:
    """The 2D poses as stored; where they are not there, the sentence names those that are."""
    folder = path.parent
    if not os.path.exists(path) and os.path.isdir(folder):  # both give False for names that no file can have
        files = [path, *sorted(folder.glob(f"{PREFIX_2D}*.npz"))]
        names = [file.stem.removeprefix(PREFIX_2D) for file in files]
        wanted, *present = (SHORT_NAMES.get(name, name) for name in names)
        raise InputError(
            f"{path} does not exist, so there are no '{wanted}' detections: choose one that is there "
            f"({some_of(present) or 'none'}) or add the file"
        )
    return read_subjects(path, "positions_2d")


def _remove_left_out(subjects: dict[str, Actions]) -> bool:
    """Remove the take that the field leaves out; whether it was there."""
    subject, action = LEFT_OUT
    return subjects.get(subject, {}).pop(action, None) is not None


def _recordings(
    file_3d: Path, poses: dict[str, Actions], file_2d: Path, keypoints: dict[str, Actions], layout: Layout
) -> list[Recording]:
    """All takes; those that cannot be used are named together."""

    def read(subject: str, action: str) -> Recording:
        place = f"{subject}/{action}"
        world = world_poses(poses[subject].pop(action), f"{file_3d}, {place}")  # popped: frees the other joints
        views = camera_views(keypoints[subject][action], f"{file_2d}, {place}", len(world), layout)
        pixels, confidence = tuple(view[:, :, :2] for view in views), None
        if views[0].shape[2] == 3:
            confidence = tuple(_between_0_and_1(view[:, :, 2], f"{file_2d}, {place}") for view in views)
        return Recording(subject, action, world, pixels, cameras(subject), confidence)

    takes = [(subject, action) for subject in SUBJECTS for action in poses.get(subject, ())]
    reads = {f"{subject}/{action}": partial(read, subject, action) for subject, action in takes}
    return list(read_each(reads, "takes").values())


def _between_0_and_1(confidence: np.ndarray, place: str) -> np.ndarray:
    """Peaks of heat maps can be a little beyond 0 and 1; those of another scale would all become 1."""
    largest = confidence.max()
    if largest > MOST_CONFIDENCE:
        raise InputError(
            f"{place}: its third column goes up to {largest:.4g}, which is no confidence from 0 to 1: divide it "
            "by the largest value that the detector can give, 100 for percent"
        )
    return confidence.clip(0, 1)


def _of(subjects: tuple[str, ...], takes: list[Recording], file_3d: Path) -> list[Recording]:
    """The takes of these subjects, subject by subject."""
    found = [take for subject in subjects for take in takes if take.subject == subject]
    if not found:
        raise InputError(f"{file_3d} has no take of {', '.join(subjects)}: add at least one of these subjects")
    return found


def _check_confidence(path: Path, recordings: list[Recording]) -> None:
    without = [f"{take.subject}/{take.action}" for take in recordings if take.confidence is None]
    if 0 < len(without) < len(recordings):
        raise InputError(
            f"{path}: other takes have a confidence, but {without[0]} has none: give it to all takes or to none"
        )
