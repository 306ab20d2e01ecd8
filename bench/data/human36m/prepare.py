"""From Human3.6M's original downloads to the files that the field's code reads: ``data_3d_h36m.npz`` and 2D.

Sources and names are those that the preparation of Pavllo et al., "3D human pose estimation in video", CVPR 2019,
accepts: the CDF files of the data set's site, their conversion to MAT files, or HDF5 files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.data.human36m import cameras as human36m_cameras
from bench.data.human36m.files import FILE_3D, JOINTS, PREFIX_2D, camera_views, check_same_takes, read_subjects
from bench.data.human36m.keypoints import METADATA, OURS, layout_of
from bench.data.human36m.takes import ACTIONS, LEFT_OUT, usual_name, with_usual_names
from bench.data.prepared import archive, read_download, write_new
from models.errors import InputError

TAKES = 2  # of each action by each subject
THIGH = (0.2, 0.8)  # metres between which the median distance of hip and knee lies
FAR_OFF = 50.0  # pixels that the median detection of a take in a camera may lie from the projection
Subjects = dict[str, dict[str, Any]]


def prepare(
    source: Path, out: Path, detections: tuple[Path, ...] = (), force: bool = False
) -> tuple[dict[Path, bool], tuple[str, ...]]:
    """Build the 3D file and exact 2D poses, and check and copy ready-made detections.

    Nothing is written before everything was read and checked, and each file appears as a whole.

    Args:
        source: folder with ``S1`` … ``S11`` of the download, or with ``h36m/S1`` ….
        detections: ``data_2d_h36m_NAME.npz`` files to put beside them, as plain arrays.

    Returns:
        As ``write_new``, and sentences on what the source lacks and what was left out.

    Raises:
        InputError: there is nothing to read, a package for it is missing, a file is damaged or not what it should
            be, detections do not belong to these poses, or a file of other content is in the way.
    """
    poses, notes = _read_all(source)
    exact = {
        subject: {action: _projected(subject, world) for action, world in actions.items()}
        for subject, actions in poses.items()
    }
    files: dict[Path, dict[str, Any]] = {
        out / FILE_3D: {"positions_3d": poses},
        out / f"{PREFIX_2D}gt.npz": {"positions_2d": exact, "metadata": METADATA},
    }
    for path in detections:
        keypoints = _checked_detections(path, out / FILE_3D, poses, exact)
        files[out / path.name] = {"positions_2d": keypoints, "metadata": METADATA}
    return write_new({path: archive(values) for path, values in files.items()}, force), tuple(notes)


def _read_all(source: Path) -> tuple[Subjects, list[str]]:
    """Poses in metres of every take, and notes on what is missing."""
    found = {subject: _files(source, subject) for subject in human36m_cameras.SUBJECTS}
    if not any(found.values()):
        places = ", ".join(f"S1/{folder}/*{suffix}" for folder, suffix, _ in FORMATS)
        raise InputError(f"{source} has none of {places}: name the folder of the unpacked download")
    notes: list[str] = []
    poses: Subjects = {}
    with tqdm(total=sum(map(len, found.values())), desc="read", unit="file", disable=None) as bar:
        for subject, files in found.items():
            notes += _missing(subject, list(files))
            for action, (path, read) in files.items():
                if (subject, action) != LEFT_OUT:
                    poses.setdefault(subject, {})[action] = _metres(path, read)
                bar.update()
    if LEFT_OUT[1] in found[LEFT_OUT[0]]:
        notes.append(f"{' '.join(LEFT_OUT)} (the first take) is left out, as in the field: its video is damaged")
    return poses, notes


def _files(source: Path, subject: str) -> dict[str, tuple[Path, Callable[[Path], Any]]]:
    """A subject's takes in the first format that it has: file and reader by the name of the take."""
    for root in (source, source / "h36m"):
        for folder, suffix, read in FORMATS:
            files = sorted((root / subject / folder).glob(f"*{suffix}"))
            if files:
                takes = [path.name.removesuffix(suffix) for path in files]
                return {usual_name(take): (path, read) for take, path in zip(takes, files, strict=True)}
    return {}


def _missing(subject: str, takes: list[str]) -> Iterator[str]:
    if not takes:
        yield f"there is no file of {subject}: results will be labelled as incomplete"
        return
    classes = [take.split(" ")[0] for take in takes]
    few = [f"{action} ({classes.count(action)})" for action in ACTIONS if classes.count(action) < TAKES]
    if few:
        yield (
            f"{subject} has {len(takes)} files of {TAKES * len(ACTIONS)}, fewer than {TAKES} takes of "
            f"{', '.join(few)}: results will be labelled as incomplete"
        )
    strange = sorted(set(classes) - set(ACTIONS))
    if strange:
        yield f"{subject} has takes that Human3.6M does not name: {', '.join(strange)}"


def _metres(path: Path, read: Callable[[Path], Any]) -> np.ndarray:
    """Poses of a file, ``[frames, 32, 3]`` float32 metres."""
    millimetres = read_download(path, read)
    if millimetres.ndim != 3 or millimetres.shape[1:] != (32, 3) or not len(millimetres):
        raise InputError(f"{path}: poses are {list(millimetres.shape)}, not 32 joints in 3D: download it again")
    if not np.isfinite(millimetres).all():
        raise InputError(f"{path}: has a coordinate that is NaN or infinite: download it again")
    world = (millimetres / 1000).astype(np.float32)
    thigh = float(np.median(np.linalg.norm(world[:, 1] - world[:, 2], axis=-1)))
    if not THIGH[0] < thigh < THIGH[1]:
        raise InputError(
            f"{path}: hip and knee are {1000 * thigh:.3g} mm apart, so that these are not 3D positions in "
            "millimetres: take D3_Positions, not the _mono or angle files"
        )
    return world


def _read_cdf(path: Path) -> np.ndarray:
    from cdflib import CDF

    pose = CDF(path).varget("Pose")
    return np.asarray(pose, dtype=np.float64).reshape(-1, 32, 3)


def _read_mat(path: Path) -> np.ndarray:
    from scipy.io import loadmat

    data = loadmat(path)["data"]
    while data.dtype == object and data.size == 1:
        data = data.item()
    return np.asarray(data, dtype=np.float64).reshape(-1, 32, 3)


def _read_hdf5(path: Path) -> np.ndarray:
    from h5py import File

    with File(path, "r") as file:
        stored = np.asarray(file["3D_positions"], dtype=np.float64)
    if stored.ndim != 2 or len(stored) != 96:
        raise ValueError(f"3D_positions is {list(stored.shape)}, not [96, frames]")
    return stored.reshape(32, 3, -1).transpose(2, 0, 1)


FORMATS: tuple[tuple[str, str, Callable[[Path], np.ndarray]], ...] = (
    ("MyPoseFeatures/D3_Positions", ".cdf", _read_cdf),
    ("MyPoseFeatures/D3_Positions", ".cdf.mat", _read_mat),
    ("MyPoses/3D_positions", ".h5", _read_hdf5),
)


def _projected(subject: str, world: np.ndarray) -> list[np.ndarray]:
    """The 17 joints in the subject's four cameras, full lens model: ``[frames, 17, 2]`` float32 pixels each."""
    joints = world[:, JOINTS].astype(np.float64)
    cameras = human36m_cameras.cameras(subject)
    return [camera.pixels(camera.from_world(joints)).astype(np.float32) for camera in cameras]


def _checked_detections(path: Path, file_3d: Path, poses: Subjects, exact: Subjects) -> Subjects:
    """The 2D poses of a file, if they belong to these 3D poses, as lists of float32 arrays."""
    if not (path.name.startswith(PREFIX_2D) and path.name.endswith(".npz")):
        raise InputError(f"{path}: detections must be called {PREFIX_2D}NAME.npz: rename the file")
    if path.name == f"{PREFIX_2D}gt.npz":
        raise InputError(f"{path}: the gt poses are made here: leave the file out")
    layout = layout_of(path)
    if layout != OURS:
        raise InputError(
            f"{path}: its joints are in the layout {layout.title}: copy the file beside the prepared ones, "
            "since reading it converts it and tables say so"
        )
    keypoints = with_usual_names(read_subjects(path, "positions_2d"), str(path))
    keypoints.get(LEFT_OUT[0], {}).pop(LEFT_OUT[1], None)
    check_same_takes(file_3d, poses, path, keypoints)
    for subject, actions in keypoints.items():
        for action, stored in actions.items():
            name, truth = f"{subject}/{action}", exact[subject][action]
            for number, view in enumerate(camera_views(stored, f"{path}, {name}", len(truth[0]))):
                distance = float(np.median(np.linalg.norm(view[:, :, :2] - truth[number], axis=-1)))
                if distance > FAR_OFF:
                    raise InputError(
                        f"{path}, {name}, camera {number}: half of the joints are {distance:.0f} px or more from "
                        "the projected poses, so that these are other joints, cameras or takes: get another file"
                    )
            actions[action] = [np.array(view, dtype=np.float32) for view in stored]
    return keypoints
