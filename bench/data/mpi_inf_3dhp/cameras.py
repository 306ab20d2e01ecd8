"""Cameras of MPI-INF-3DHP: the published ones of the test sequences, and what can be fitted where none is stored.

Source: Mehta et al., "Monocular 3D human pose estimation in the wild using improved CNN supervision", 3DV 2017
(the calibration that comes with the test set).
"""

from __future__ import annotations

import numpy as np

from bench.data.cameras.camera import Camera, viewing_rays

Millimetres = tuple[float, float]

TRAINING_SIZE = (2048, 2048)
# image size in pixels; focal length, offset of the principal point from the middle, and sensor in millimetres
_STUDIO = ((2048, 2048), 7.32506, (-0.0322884, 0.0929296), (10.0, 10.0))
_OUTDOORS = ((1920, 1080), 8.770747185, (-0.104908645, 0.104899704), (10.0, 5.625))
_TEST = {"TS1": _STUDIO, "TS2": _STUDIO, "TS3": _STUDIO, "TS4": _STUDIO, "TS5": _OUTDOORS, "TS6": _OUTDOORS}


def published_camera(sequence: str) -> Camera:
    """The camera of "TS1" … "TS6", in whose own axes the poses are stored; without lens distortion.

    Raises:
        KeyError: no test sequence has this name.
    """
    (width, height), focal, offset, sensor = _TEST[sequence]
    across, down = width / sensor[0], height / sensor[1]
    return Camera(
        name="video",
        width=width,
        height=height,
        focal=(focal * across, focal * down),
        centre=(width / 2 + offset[0] * across, height / 2 + offset[1] * down),
        radial=(0, 0, 0),
        tangential=(0, 0),
        orientation=(1, 0, 0, 0),
        position=(0, 0, 0),
    )


def fitted_intrinsics(points: np.ndarray, screen: np.ndarray) -> np.ndarray:
    """Focal lengths and centre that bring points onto their images with the least squared error, in closed form.

    Args:
        points: ``[..., 3]``, camera axes, in front of the camera.
        screen: ``[..., 2]`` normalised screen coordinates.

    Returns:
        ``[9]`` float32 as in ``Sequence.intrinsics``, without lens distortion.
    """
    rays = (points[..., :2] / points[..., 2:]).reshape(-1, 2).astype(np.float64)
    seen = screen.reshape(-1, 2).astype(np.float64)
    spread = rays - rays.mean(0)
    focal = (spread * (seen - seen.mean(0))).sum(0) / np.square(spread).sum(0).clip(min=1e-12)
    centre = seen.mean(0) - focal * rays.mean(0)
    return np.concatenate([focal, centre, np.zeros(5)]).astype(np.float32)


def trajectory_scale(
    pose_3d: np.ndarray, trajectory: np.ndarray, screen: np.ndarray, intrinsics: np.ndarray
) -> float:
    """The factor on the trajectory with which poses come nearest to their images: least squares, closed form.

    A pose that was made larger without being moved away is seen too large; moved away by the same factor, it is
    seen as before. With the viewing ray (a, b, 1) of a joint, x = a z and y = b z are linear in the factor.

    Args:
        pose_3d: ``[T, J, 3]``, relative to the root.
        trajectory: ``[T, 3]``, the root.
        screen: ``[T, J, 2]`` normalised screen coordinates.
        intrinsics: ``[9]``.
    """
    rays = viewing_rays(screen.astype(np.float64), intrinsics.astype(np.float64))
    slope = trajectory[:, None, :2] - rays * trajectory[:, None, 2:]
    offset = rays * pose_3d[..., 2:] - pose_3d[..., :2]
    return float((slope * offset).sum() / max(np.square(slope).sum(), 1e-12))
