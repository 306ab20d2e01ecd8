"""From MPI-INF-3DHP's original downloads to the files that the field's code reads, for both protocols.

What is kept is what the preparation of P-STMO (ECCV 2022) keeps: eight of the fourteen cameras, 17 of the 28
joints of the training annotation, and all frames of the test set with a mark on the valid ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.data.cameras.camera import normalise, project
from bench.data.mpi_inf_3dhp.cameras import fitted_intrinsics, published_camera
from bench.data.mpi_inf_3dhp.files import CAMERAS, SUFFIX, TEST, TRAIN, View, views_in_test, views_in_training
from bench.data.prepared import archive, read_download, write_new
from models.errors import InputError

JOINTS = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)  # of the 28 of the training annotation
ANNOTATED = 28
TEST_FOLDERS = ("mpi_inf_3dhp_test_set", "mpi_inf_3dhp_test_set/mpi_inf_3dhp_test_set", "test", "")
FAR_OFF = 20.0  # pixels that half of the joints of a view may lie from the projection of true poses
Content = dict[str, Any]


def prepare(source: Path, out: Path, force: bool = False) -> tuple[dict[Path, bool], tuple[str, ...]]:
    """Build the training and the test file of both protocols, univ_annot3 and annot3.

    Nothing is written before everything was read and checked, and each file appears as a whole.

    Args:
        source: folder with ``S1/Seq1/annot.mat`` … and ``mpi_inf_3dhp_test_set/TS1/annot_data.mat`` ….

    Returns:
        As ``write_new``, and sentences on what the source lacks.

    Raises:
        InputError: there is nothing to read, a package for it is missing, a file is damaged or not what it should
            be, 2D and 3D poses do not belong together, or a file of other content is in the way.
    """
    files = {name: source / name.replace(" ", "/") / "annot.mat" for name in TRAIN}
    for name in TEST:
        places = [source / folder / name / "annot_data.mat" for folder in TEST_FOLDERS]
        files[name] = next((path for path in places if path.is_file()), places[0])
    found = {name: path for name, path in files.items() if path.is_file()}
    if not found:
        raise InputError(
            f"{source} has neither S1/Seq1/annot.mat nor {TEST_FOLDERS[0]}/TS1/annot_data.mat: name the folder of "
            "the unpacked download"
        )
    notes = [
        f"there is no {path}: results will be labelled as incomplete"
        for name, path in files.items()
        if name not in found
    ]
    contents: dict[Path, Content] = {}
    for name, path in tqdm(found.items(), desc="read", unit="file", disable=None):
        by_protocol, views = _checked(name, path)
        notes += _lengths(name, views)
        for protocol, stored in by_protocol.items():
            split = "train" if name in TRAIN else "test"
            contents.setdefault(out / f"data_{split}_3dhp{SUFFIX[protocol]}.npz", {})[name] = stored
    packing = tqdm(contents.items(), desc="pack", unit="file", disable=None)
    return write_new({path: archive({"data": sequences}) for path, sequences in packing}, force), tuple(notes)


def _checked(name: str, path: Path) -> tuple[Content, list[View]]:
    """A sequence as it is stored for each protocol, and its views with true poses."""
    read = read_download(path, _read_training if name in TRAIN else _read_test)
    by_protocol = {protocol: _stored(name, path, read, protocol) for protocol in SUFFIX}
    views_of = views_in_training if name in TRAIN else views_in_test  # as the reader will make them
    views = {protocol: views_of(path, name, stored) for protocol, stored in by_protocol.items()}
    for view in views["annot3"]:
        _check_projection(view, path)
    return by_protocol, views["annot3"]


def _read_training(path: Path) -> dict[str, list[np.ndarray]]:
    """Annotations of a training sequence, an array for each camera."""
    from scipy.io import loadmat

    keys = ("annot2", *SUFFIX)
    stored = loadmat(path, variable_names=keys)
    return {key: [np.asarray(camera, dtype=np.float32) for camera in stored[key].reshape(-1)] for key in keys}


def _read_test(path: Path) -> dict[str, np.ndarray]:
    """Annotations of a test sequence, frames first (MATLAB 7.3, so HDF5)."""
    from h5py import File

    with File(path, "r") as file:
        return {key: np.asarray(file[key]) for key in ("annot2", *SUFFIX, "valid_frame", "activity_annotation")}


def _stored(name: str, path: Path, read: dict[str, Any], protocol: str) -> Any:
    """What the file of a protocol holds of a sequence."""
    if name in TRAIN:
        cameras = {
            camera: {
                "data_2d": _joints(read["annot2"][int(camera)], path, ANNOTATED, 2)[:, JOINTS],
                "data_3d": _joints(read[protocol][int(camera)], path, ANNOTATED, 3)[:, JOINTS],
            }
            for camera in CAMERAS
            if int(camera) < len(read["annot2"])
        }
        return [cameras, TRAIN[name][1]]
    return {
        "data_2d": _joints(read["annot2"], path, len(JOINTS), 2),
        "data_3d": _joints(read[protocol], path, len(JOINTS), 3),
        "valid": read["valid_frame"].reshape(-1),
        "activity": read["activity_annotation"].reshape(-1),
    }


def _joints(poses: np.ndarray, path: Path, joints: int, coordinates: int) -> np.ndarray:
    """``[frames, joints, coordinates]`` float32 of an annotation with these numbers in a row for each frame."""
    if poses.ndim < 2 or not len(poses) or poses[0].size != joints * coordinates:
        raise InputError(
            f"{path}: an annotation is {list(poses.shape)}, not {joints} joints with {coordinates} numbers in "
            "every frame: download it again"
        )
    return poses.reshape(len(poses), joints, coordinates).astype(np.float32)


def _check_projection(view: View, path: Path) -> None:
    """``InputError`` if the 2D poses are not what the camera sees of the true 3D poses."""
    rows = slice(None) if view.valid is None else view.valid
    screen = normalise(view.pixels[rows].astype(np.float64), *view.size)
    seen = view.millimetres[rows].astype(np.float64)
    intrinsics = (
        published_camera(view.action).intrinsics if view.valid is not None else fitted_intrinsics(seen, screen)
    )
    offset = np.linalg.norm(project(seen, intrinsics, clamped=False) - screen, axis=-1) * view.size[0] / 2
    if not np.median(offset) < FAR_OFF:
        raise InputError(
            f"{path}, camera {view.camera}: half of the 2D joints are {np.median(offset):.0f} px or more from the "
            "projected 3D joints, so that they do not belong together: download it again"
        )


def _lengths(name: str, views: list[View]) -> Iterator[str]:
    """Sentences on a sequence that is not as long as in the complete set."""
    if name in TEST:
        frames, complete = [int(view.valid.sum()) for view in views if view.valid is not None], TEST[name]
    else:
        frames, complete = [len(view.pixels) for view in views], TRAIN[name][0]
    if set(frames) != {complete} or (name in TRAIN and len(views) != len(CAMERAS)):
        found = " or ".join(map(str, sorted(set(frames))))
        yield (
            f"{name} has {found} frames that count in {len(views)} cameras, the complete set {complete} in "
            f"{len(CAMERAS) if name in TRAIN else 1}: results will be labelled as incomplete"
        )
