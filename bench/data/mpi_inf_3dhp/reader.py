"""MPI-INF-3DHP, or any motion stored like it, in the two files of P-STMO (ECCV 2022) and D3DP (ICCV 2023).

``univ_annot3`` (poses scaled to one height) and ``annot3`` (poses as they were) are two protocols with files of
their own: errors under one say nothing about the other. The set itself: Mehta et al., 3DV 2017.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.data.cameras.camera import normalise, project
from bench.data.mpi_inf_3dhp.cameras import fitted_intrinsics, published_camera, trajectory_scale
from bench.data.mpi_inf_3dhp.files import (
    CAMERAS,
    TEST,
    TRAIN,
    Protocol,
    View,
    find_file,
    read_test_views,
    read_train_views,
)
from bench.data.reader import Reader
from bench.data.sequence import Dataset, Sequence
from bench.data.stored import read_each
from models.skeleton import MPI_INF_3DHP

ROOT, JOINTS = MPI_INF_3DHP.root, len(MPI_INF_3DHP.joints)
HEIGHT = {"univ_annot3": "poses scaled to a universal height", "annot3": "poses at their true scale"}


class MPIInf3DHP(Reader):
    """MPI-INF-3DHP's layout; called so only if all frame counts are those of the complete set.

    Training sequences have up to eight cameras, whose intrinsics are fitted, for they are not stored; test
    sequences have the published ones.
    """

    name = "mpi_inf_3dhp"
    skeleton = MPI_INF_3DHP
    detections = ("gt",)
    needs = "data_test_3dhp.npz"
    suffixes = (".npz",)
    changing = 0.12  # the left thigh of TS5 has 411 mm with a standard deviation of 41 mm

    def read(
        self, root: Path, detections: str, *, protocol: Protocol = "univ_annot3", annotations: Path | None = None
    ) -> Dataset:
        """Read the training and the test file of a protocol.

        ``annotations``: folder of the original test set, for the activities in its ``TSi/annot_data.mat``.

        Raises:
            InputError: a file is missing, damaged or foreign, a sequence or camera is unknown, a shape is wrong,
                lengths differ, a number is not finite, a pose is not in front of its camera, a test sequence has
                no valid frame, or the activities cannot be read.
        """
        file_train, file_test = (find_file(root, split, protocol) for split in ("train", "test"))
        stored = read_each(
            {
                "test": lambda: read_test_views(file_test, annotations),
                "train": lambda: read_train_views(file_train),
            },
            "files",
        )
        train, _ = _packed(stored["train"], protocol)
        test, scales = _packed(stored["test"], protocol)
        return self.dataset(
            train,
            test,
            label=label(train, test, protocol),
            detections=detections,
            notes=_notes(train, test, protocol, scales),
            protocol=protocol,
        )


def label(train: tuple[Sequence, ...], test: tuple[Sequence, ...], protocol: str) -> str:
    """What tables call these sequences: by the name of the set only if no frame is missing."""
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
    return {sequence.action: int(sequence.counted.sum()) for sequence in test}


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
    counts = _valid_frames(test)
    other = [f"{name} {count} ({TEST[name]})" for name, count in counts.items() if count != TEST[name]]
    if other:
        notes.append(f"Valid test frames, and in brackets those of the complete set: {', '.join(other)}")
    if any(sequence.activity is None for sequence in test):
        notes.append("No table by activity: the files have no activity labels, and no annotations were named")
    return tuple(notes)


def _reprojection(sequences: tuple[Sequence, ...]) -> float:
    """Median over sequences of the median distance, in pixels, of projected joints from the 2D poses."""
    medians = []
    for sequence in sequences:
        rows = sequence.counted
        points = sequence.pose_3d[rows] + sequence.trajectory[rows, None]
        offset = project(points, sequence.intrinsics, clamped=False) - sequence.pose_2d[rows]
        medians.append(np.median(np.linalg.norm(offset, axis=-1)) * sequence.width / 2)
    return float(np.median(medians))


def _packed(views: list[View], protocol: str) -> tuple[tuple[Sequence, ...], list[float]]:
    """Sequences that are slices of shared arrays, and the factor on the trajectory of each.

    The list is emptied from its end on the way: memory that was taken last can be given back first.
    """
    frames = sum(len(view.pixels) for view in views)
    pose_2d = np.empty((frames, JOINTS, 2), dtype=np.float32)
    pose_3d = np.empty((frames, JOINTS, 3), dtype=np.float32)
    trajectory = np.empty((frames, 3), dtype=np.float32)
    found, scales = [], []
    while views:
        view = views.pop()
        rows = slice(frames - len(view.pixels), frames)
        frames = rows.start
        seen = view.millimetres / 1000
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
