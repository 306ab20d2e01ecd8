"""Virtual cameras: four around each take, as a laboratory would place them, with the whole take in view."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from bench.data.cameras.camera import Camera

SIZE, FOCAL = 1000, 1145.0  # pixels, as the cameras of Human3.6M
NEAREST = 4.5  # metres from the middle of a take
VIEW = 0.4  # sine of half the angle of view, a little within the image
TILT = (4.0, 10.0)  # degrees downwards
TURN = 12.0  # degrees about the places at the corners of a square


def virtual_cameras(world: np.ndarray, subject: str) -> tuple[Camera, ...]:
    """Four pinhole cameras without distortion that look at the middle of a take.

    A subject's cameras stand in the same directions in all takes; they stand back as far as the take needs.

    Args:
        world: ``[T, J, 3]`` metres, z up.
        subject: whose directions are drawn from the name.
    """
    centre = (world.min(axis=(0, 1)) + world.max(axis=(0, 1))).astype(np.float64) / 2
    reach = float(np.linalg.norm(world - centre, axis=-1).max())
    distance = max(NEAREST, reach / VIEW)
    rng = np.random.default_rng(list(blake2b(subject.encode(), digest_size=8).digest()))
    cameras = []
    for number in range(4):
        turn = np.radians(45 + 90 * number + rng.uniform(-TURN, TURN))
        tilt = np.radians(rng.uniform(*TILT))
        forward = np.array([-np.sin(turn) * np.cos(tilt), np.cos(turn) * np.cos(tilt), -np.sin(tilt)])
        x, y, z = (centre - distance * forward).tolist()
        cameras.append(
            Camera(
                name=f"V{number + 1}",
                width=SIZE,
                height=SIZE,
                focal=(FOCAL, FOCAL),
                centre=(SIZE / 2, SIZE / 2),
                radial=(0.0, 0.0, 0.0),
                tangential=(0.0, 0.0),
                orientation=orientation(turn, tilt),
                position=(x, y, z),
            )
        )
    return tuple(cameras)


def orientation(turn: float, tilt: float) -> tuple[float, float, float, float]:
    """Quaternion w x y z from camera axes (x right, y down, z forward) to world axes, of an upright camera.

    Args:
        turn: radians to the left about the vertical; 0 looks along world y.
        tilt: radians downwards.
    """
    about_x = -(np.pi / 2 + tilt) / 2
    cos_x, sin_x, cos_z, sin_z = np.cos(about_x), np.sin(about_x), np.cos(turn / 2), np.sin(turn / 2)
    return float(cos_z * cos_x), float(cos_z * sin_x), float(sin_z * sin_x), float(sin_z * cos_x)
