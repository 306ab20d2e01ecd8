"""From trunk rotations, ankles and hands to the 17 joints of Human3.6M, all frames at once.

Axes of every segment: x forward, y to the left, z up. Angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import numpy as np

from bench.data.synthetic.bodies import Body
from bench.data.synthetic.curves import smooth, soft_minimum

KNEE_LIMITS = (radians(3), radians(150))  # flexion
ELBOW_LIMITS = (radians(8), radians(148))
SIDES = np.array([1.0, -1.0])  # left, right: sign of y


@dataclass(frozen=True)
class TrunkMotion:
    """Where the trunk is and how it is bent.

    Attributes:
        pelvis: ``[T, 3]`` metres, world, midpoint of the hips.
        turn: ``[T, 3]`` heading, forward tilt, tilt to the right of the pelvis.
        bend: ``[T, 3]`` twist to the left, flexion, bending to the right, from pelvis to thorax.
    """

    pelvis: np.ndarray
    turn: np.ndarray
    bend: np.ndarray


@dataclass(frozen=True)
class TrunkPose:
    """Joints and axes of a posed trunk: positions ``[T, 3]``, rotations ``[T, 3, 3]``, sides ``[T, 2, 3]``."""

    hips: np.ndarray
    spine: np.ndarray
    thorax: np.ndarray
    neck: np.ndarray
    head: np.ndarray
    upright_axes: np.ndarray
    thorax_axes: np.ndarray
    head_axes: np.ndarray


def rotation(angles: np.ndarray) -> np.ndarray:
    """``[..., 3, 3]`` from ``[..., 3]``: turn about z, then about the turned y, then about the turned x."""
    yaw, pitch, roll = np.moveaxis(angles, -1, 0)
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    cz, sz, cy, sy, cx, sx = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_z = _matrix(cz, -sz, zero, sz, cz, zero, zero, zero, one)
    about_y = _matrix(cy, zero, sy, zero, one, zero, -sy, zero, cy)
    about_x = _matrix(one, zero, zero, zero, cx, -sx, zero, sx, cx)
    return about_z @ about_y @ about_x


def apply(axes: np.ndarray, vectors: np.ndarray | tuple[float, float, float]) -> np.ndarray:
    """Rotate vectors ``[..., 3]`` by matrices ``[..., 3, 3]``."""
    return np.einsum("...ij,...j->...i", axes, np.asarray(vectors, dtype=np.float64))


def pose_trunk(body: Body, trunk: TrunkMotion, look: np.ndarray) -> TrunkPose:
    """Forward kinematics from the pelvis to the head.

    ``look``: ``[T, 3]`` turn to the left, nod, tilt to the right of the head against the thorax.
    """
    pelvis = rotation(trunk.turn)
    lower = pelvis @ rotation(trunk.bend * 0.35)
    upper = lower @ rotation(trunk.bend * 0.4)
    thorax = upper @ rotation(trunk.bend * 0.25)
    head = thorax @ rotation(look)
    spine = trunk.pelvis + apply(lower, _along((-0.10, 0, 1), body.spine))
    top = spine + apply(upper, _along((-0.02, 0, 1), body.thorax))
    neck = top + apply(thorax @ rotation(look * 0.6), _along((0.42, 0, 1), body.neck))
    sideways = SIDES[:, None] * np.array([0.0, body.hip, 0.0])
    return TrunkPose(
        hips=trunk.pelvis[:, None] + apply(pelvis[:, None], sideways),
        spine=spine,
        thorax=top,
        neck=neck,
        head=neck + apply(head, _along((-0.25, 0, 1), body.head)),
        upright_axes=rotation(trunk.turn * [1, 0, 0]),
        thorax_axes=thorax,
        head_axes=head,
    )


def shoulders(body: Body, pose: TrunkPose, hands: np.ndarray | None = None) -> np.ndarray:
    """``[T, 2, 3]``: the shoulders, drawn up and forward by hands (``[T, 2, 3]``, world) that reach there."""
    axes = pose.thorax_axes[:, None]
    offset = np.broadcast_to([[0.0, 0.99, -0.12], [0.0, -0.99, -0.12]], (len(pose.thorax), 2, 3))
    if hands is not None:
        wish = apply(np.swapaxes(axes, -1, -2), hands - pose.thorax[:, None]) / body.arm
        drawn, lift = 0.35 * _ramp(wish[..., 0] - 0.3), 0.45 * _ramp(wish[..., 2] + 0.1)
        offset = offset + np.stack([drawn, 0 * drawn, lift], axis=-1)
    offset = offset * (body.shoulder / np.linalg.norm(offset, axis=-1, keepdims=True))
    return pose.thorax[:, None] + apply(axes, offset)


def reach(
    start: np.ndarray, end: np.ndarray, lengths: tuple[float, float], pole: np.ndarray, limits: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """A limb of two bones from ``start`` towards ``end``, its middle joint on the side of ``pole``.

    Args:
        start, end, pole: ``[T, ..., 3]``; the first two points, the last a direction.
        limits: least and greatest flexion of the middle joint; beyond them the limb falls short of ``end``.

    Returns:
        Middle joint and end of the limb, ``[..., 3]`` each.
    """
    first, second = lengths
    shortest, longest = (
        np.sqrt(first**2 + second**2 + 2 * first * second * np.cos(flexion)) for flexion in reversed(limits)
    )
    way = end - start
    distance = np.linalg.norm(way, axis=-1, keepdims=True)
    direction = way / np.maximum(distance, 1e-9)
    held = soft_minimum(distance, np.full_like(distance, longest), 0.004)
    held = np.minimum(-soft_minimum(-held, np.full_like(held, -shortest), 0.01), longest)
    along = (first**2 - second**2 + held**2) / (2 * held)
    across = np.sqrt(np.maximum(first**2 - along**2, 0))
    side = _across(smooth(_across(pole, direction), 4), direction)
    return start + direction * along + side * across, start + direction * held


def joints(
    body: Body, pose: TrunkPose, ankles: np.ndarray, knees: np.ndarray, hands: np.ndarray, elbows: np.ndarray
) -> np.ndarray:
    """``[T, 17, 3]`` metres, world: the joints of Human3.6M.

    ``ankles`` and ``hands``, ``[T, 2, 3]`` left and right, say where these should be, ``knees`` and ``elbows`` in
    which direction these joints point.
    """
    knee, ankle = reach(pose.hips, ankles, (body.thigh, body.shank), knees, KNEE_LIMITS)
    shoulder = shoulders(body, pose, hands)
    elbow, wrist = reach(shoulder, hands, (body.upper_arm, body.forearm), elbows, ELBOW_LIMITS)
    hip = pose.hips.mean(axis=1)
    left, right = ([hips[:, side] for hips in (pose.hips, knee, ankle)] for side in (0, 1))
    left_arm, right_arm = ([arm[:, side] for arm in (shoulder, elbow, wrist)] for side in (0, 1))
    middle = [pose.spine, pose.thorax, pose.neck, pose.head]
    return np.stack([hip, *right, *left, *middle, *left_arm, *right_arm], axis=1)


def _across(vectors: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Unit vectors: the part of ``vectors`` at right angles to ``direction``."""
    rest = vectors - direction * (vectors * direction).sum(axis=-1, keepdims=True)
    return rest / np.maximum(np.linalg.norm(rest, axis=-1, keepdims=True), 1e-9)


def _along(direction: tuple[float, float, float], length: float) -> np.ndarray:
    vector = np.asarray(direction, dtype=np.float64)
    return vector * (length / np.linalg.norm(vector))


def _ramp(x: np.ndarray) -> np.ndarray:
    """Smooth max(x, 0)."""
    return 0.05 * np.logaddexp(0, x / 0.05)


def _matrix(*entries: np.ndarray) -> np.ndarray:
    return np.stack(entries, axis=-1).reshape(*entries[0].shape, 3, 3)
