"""One's own cameras, from a small YAML file: their lenses, where they stand and where they look.

::

    cameras:
      - name: front
        size: [1920, 1080]          # pixels
        focal: [1400, 1400]         # pixels
        position: [4, 0, 1.6]       # metres, world axes: z up, the floor at 0
        looks_at: [0, 0, 1]         # a place that is seen in the middle of the image, upright
      - name: side
        size: [1000, 1002]
        focal: [1145, 1144]
        centre: [512, 515]          # pixels; the middle of the image if left out
        distortion: [-0.2, 0.25, 0, 0, 0]   # k1 k2 k3 p1 p2 as Human3.6M has them; none if left out
        position: [0, 4.5, 1.5]
        orientation: [0.59, -0.78, 0.15, -0.14]   # in place of looks_at: w x y z, camera axes to world axes

The tangential p1 and p2 are not OpenCV's, see ``models.camera.project``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from bench.config.parsing import Description, Name, read_yaml, validated
from bench.data.cameras.camera import Camera
from bench.data.cameras.virtual import orientation
from models.errors import InputError

Pixels = Annotated[int, Field(ge=16, le=100_000)]
Length = Annotated[float, Field(gt=1, le=1e6)]
Metres = Annotated[float, Field(ge=-1e4, le=1e4)]
Place = tuple[Metres, Metres, Metres]


class WrittenCamera(Description):
    """An entry of the file, as the head of this module shows it."""

    name: Name
    size: tuple[Pixels, Pixels]
    focal: tuple[Length, Length]
    centre: tuple[float, float] | None = None
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    position: Place
    looks_at: Place | None = None
    orientation: tuple[float, float, float, float] | None = None


class CameraFile(Description):
    """The whole file."""

    cameras: tuple[WrittenCamera, ...] = Field(min_length=1, max_length=64)


def read_cameras(path: Path) -> tuple[Camera, ...]:
    """The cameras of a file; ``InputError`` if it cannot be read, or a camera in it is not complete."""
    written = validated(CameraFile, read_yaml(path), str(path)).cameras
    names = [camera.name for camera in written]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two cameras have one name: rename one of them")
    return tuple(_camera(camera, f"{path}, camera {camera.name}") for camera in written)


def _camera(written: WrittenCamera, place: str) -> Camera:
    width, height = written.size
    return Camera(
        name=written.name,
        width=width,
        height=height,
        focal=written.focal,
        centre=written.centre or (width / 2, height / 2),
        radial=written.distortion[:3],
        tangential=written.distortion[3:],
        orientation=_orientation(written, place),
        position=written.position,
    )


def _orientation(written: WrittenCamera, place: str) -> tuple[float, float, float, float]:
    """Unit quaternion w x y z of a camera: as given, or upright with ``looks_at`` in the middle of the image."""
    if (written.looks_at is None) == (written.orientation is None):
        raise InputError(f"{place}: give looks_at or orientation, one of them")
    if written.orientation is not None:
        length = float(np.linalg.norm(written.orientation))
        if not 0.99 < length < 1.01:
            raise InputError(f"{place}: orientation has length {length:.3g}, but is a unit quaternion w x y z")
        w, x, y, z = (part / length for part in written.orientation)
        return w, x, y, z
    x, y, z = np.subtract(written.looks_at or (), written.position)
    if np.hypot(x, y) < 1e-6:
        raise InputError(f"{place}: looks straight up or down, where upright means nothing: give orientation")
    return orientation(turn=np.arctan2(-x, y), tilt=-np.arctan2(z, np.hypot(x, y)))
