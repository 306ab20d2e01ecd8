"""Files of key points, recognised by what is in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.data.layouts import LAYOUTS, Layout
from bench.footage.detected.arrays import read_arrays
from bench.footage.detected.detections import Detections
from bench.footage.detected.json_files import KNOWN, opened, read_json, read_openpose
from models.errors import InputError

FACE_POINTS = 5
FACE_SHARE = 0.35
"""COCO's first five points are a face, within this share of the body's height; Human3.6M's are a hip and a leg."""


def read_key_points(path: Path) -> Detections:
    """All persons in a file or a folder of key points of any known tool.

    Raises:
        InputError: it is none, cut short, empty, or of a tool that is not known.
    """
    if path.is_dir():
        return read_openpose(path)
    with opened(path) as file:
        start = file.read(6)
    if not start:
        raise InputError(f"{path}: is empty: name {KNOWN}")
    if start.startswith((b"PK", b"\x93NUMPY")):
        return read_arrays(path)
    return read_json(path)


def layout_of(found: Detections, named: str | None = None) -> Layout:
    """The layout of key points: named by the user or the file, else told by their number and places.

    Raises:
        InputError: no layout has this name, or as many points.
    """
    count = found.points.shape[1]
    name = named or found.layout
    if name is not None:
        if name not in LAYOUTS:
            raise InputError(f"--layout {name}: is not known; take {', '.join(LAYOUTS)}")
        if len(LAYOUTS[name].points) != count:
            wanted = f"{LAYOUTS[name].title} has {len(LAYOUTS[name].points)}"
            raise InputError(f"{found.source}: has {count} key points, but {wanted}: name the right --layout")
        return LAYOUTS[name]
    possible = [layout for layout in LAYOUTS.values() if len(layout.points) == count]
    if not possible:
        known = ", ".join(layout.title for layout in LAYOUTS.values())
        raise InputError(
            f"{found.source}: has {count} key points, but the known layouts are {known}; bring them into one of "
            "these orders, with NaN for points that are missing"
        )
    return LAYOUTS["coco" if _begins_with_face(found.points) else "human36m"] if len(possible) > 1 else possible[0]


def _begins_with_face(points: np.ndarray) -> bool:
    """Whether the first points of persons lie close together."""
    some = points[np.linspace(0, len(points) - 1, min(len(points), 500)).astype(int)]
    face, body = some[:, :FACE_POINTS, :2], some[..., :2]
    with np.errstate(invalid="ignore"):
        shares = _extent(face) / _extent(body)
    return bool(np.nanmedian(shares) < FACE_SHARE) if np.isfinite(shares).any() else True


def _extent(points: np.ndarray) -> np.ndarray:
    """``[D]``: the larger side of the box around the points that were seen."""
    low = np.fmin.reduce(points, axis=1)
    high = np.fmax.reduce(points, axis=1)
    return (high - low).max(axis=-1)


def with_size(found: Detections, size: tuple[int, int] | None) -> Detections:
    """Detections in an image of a given size, which goes before what the file says.

    Raises:
        InputError: neither says it, or most points lie outside.
    """
    size = size or found.size
    if size is None:
        far = np.nanmax(found.points[..., :2].reshape(-1, 2), axis=0).astype(int)
        raise InputError(
            f"{found.source}: no file of {found.tool} says how large the image is: give --size WIDTHxHEIGHT in "
            f"pixels (its points reach to {far[0]}, {far[1]})"
        )
    width, height = size
    with np.errstate(invalid="ignore"):
        x, y = found.points[..., 0], found.points[..., 1]
        outside = (x < -0.1 * width) | (x > 1.1 * width) | (y < -0.1 * height) | (y > 1.1 * height)
    seen = np.isfinite(x)
    if outside.sum() > 0.5 * seen.sum():
        raise InputError(
            f"{found.source}: {outside.sum() / seen.sum():.0%} of its points lie outside an image of {width} x "
            f"{height}: give the size of the video that they were found in"
        )
    return replace(found, size=(width, height))
