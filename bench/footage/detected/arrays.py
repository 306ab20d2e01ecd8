"""Key points in NumPy files: what scripts keep of rtmlib's and Ultralytics' arrays, and the suite's own files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.footage.detected.detections import Detections, checked
from models.checkpoints.restricted_unpickler import check_archive
from models.errors import InputError

POINTS = ("keypoints", "keypoints_2d", "kpts", "data", "xy", "pose_2d")
CONFIDENCE = ("scores", "keypoint_scores", "confidence", "conf", "keypoints_conf")
LEAST_POINTS, MOST_POINTS, MOST_PEOPLE = 14, 200, 100
SIDES, FRAME_RATES = (10, 99_999), (1, 1000)  # least and most pixels of an image's side, frames per second


def read_arrays(path: Path) -> Detections:
    """Persons in a ``.npz`` or ``.npy`` file.

    ``keypoints`` are ``[frames, N, 2]`` of one person or ``[frames, people, N, 2]``, each with a third column for
    the confidence or with ``scores`` beside them. A file that ``bench predict`` wrote is read too.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    source = str(path)
    content = _load(path)
    name = next((name for name in POINTS if name in content), None)
    if name is None:
        there = ", ".join(sorted(content)[:8]) or "nothing"
        raise InputError(f"{source}: has no array named keypoints, but {there}: name it so")
    points = _people(content[name], f"{source}: {name}")
    shown = _with_scores(points, [content[score] for score in CONFIDENCE if score in content], source)
    T, P = shown.shape[:2]
    frames = _numbers_of_frames(content.get("frames"), T, source)
    layout = content.get("layout")
    width, height = (_number(content.get(side), *SIDES) for side in ("width", "height"))
    found = Detections(
        source,
        "NumPy arrays",
        np.repeat(frames, P),
        shown.reshape(T * P, *shown.shape[2:]),
        np.zeros(T, dtype=np.int64) if P == 1 else np.full(T * P, -1, dtype=np.int64),
        layout=str(layout) if layout is not None and layout.size == 1 and layout.dtype.kind == "U" else None,
        size=(int(width), int(height)) if width and height else None,
        fps=_number(content.get("fps"), *FRAME_RATES),
    )
    return checked(found)


def _load(path: Path) -> Mapping[str, np.ndarray]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                check_archive(archive)
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"keypoints": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files if name not in ("poses", "spread", "trajectory")}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        if "allow_pickle" in reason:
            reason = "it holds Python objects, which are not read; save plain arrays"
        raise InputError(f"{path}: cannot be read as a NumPy file ({reason})") from None


def _people(points: np.ndarray, place: str) -> np.ndarray:
    """``[T, P, N, 2 or 3]`` float32."""
    shape = " x ".join(map(str, points.shape))
    if points.dtype.kind not in "fiu" or points.ndim not in (3, 4) or points.shape[-1] not in (2, 3):
        raise InputError(
            f"{place} is {shape} of {points.dtype}, no numbers [frames, points, 2 or 3] or [frames, people, "
            "points, 2 or 3]: export it again"
        )
    people = points[:, None] if points.ndim == 3 else points
    if not len(people) or not people.shape[1]:
        raise InputError(f"{place} is {shape}: nobody is in it")
    if not LEAST_POINTS <= people.shape[2] <= MOST_POINTS or people.shape[1] > MOST_PEOPLE:
        raise InputError(f"{place} is {shape}: {people.shape[2]} key points of {people.shape[1]} people are none")
    return people.astype(np.float32, copy=False)


def _with_scores(points: np.ndarray, scores: list[np.ndarray], source: str) -> np.ndarray:
    """``[T, P, N, 3]`` with the confidence as third column; NaN where there is none.

    Of several arrays of scores that of the key points is taken, as others can be those of the boxes.
    """
    if points.shape[-1] == 3:
        return points
    T, P, N = points.shape[:3]
    fitting = (one for one in scores if one.dtype.kind in "fiu" and one.size == T * P * N)
    found = next(fitting, None)
    if found is not None:
        third = found.reshape(T, P, N).astype(np.float32)
    elif scores:
        shape = " x ".join(map(str, scores[0].shape))
        raise InputError(f"{source}: its scores are {shape}, not one for each of {T} x {P} x {N} key points")
    else:
        third = np.full((T, P, N), np.nan, dtype=np.float32)
    return np.concatenate([points, third[..., None]], axis=-1)


def _numbers_of_frames(frames: np.ndarray | None, count: int, source: str) -> np.ndarray:
    if frames is None:
        return np.arange(count)
    if frames.shape != (count,) or frames.dtype.kind not in "iu" or (np.diff(frames) <= 0).any():
        raise InputError(f"{source}: its frames are not {count:,} ascending whole numbers: export it again")
    return frames.astype(np.int64)


def _number(value: np.ndarray | None, least: float, most: float) -> float | None:
    """A single number in these bounds, which NaN is not; None for anything else, as if the file did not say it."""
    if value is None or value.size != 1 or value.dtype.kind not in "fiu":
        return None
    number = float(value.item())
    return number if least <= number <= most else None
