"""Poses as BVH: a skeleton that is stated in the file, its rotations, and the joints where they were predicted.

The skeleton stands with its arms stretched out sideways, y up, and faces z. Bones have their median length over
the video, left and right alike. Every joint has rotations, and a translation by which its bone is longer or
shorter in a frame: programs that read translations of joints show the poses as predicted, others the rigid
skeleton.

Shapes: T frames, J joints.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from bench.footage.keypoints import in_parts
from bench.results.files import atomic
from models.skeleton import HUMAN36M

CENTIMETRES = 100.0
DECIMALS = 4
CHUNK = 2_000  # frames that are written at once, and that lengths are taken from at the most

NAMES = (
    "Hips", "RightUpLeg", "RightLeg", "RightFoot", "LeftUpLeg", "LeftLeg", "LeftFoot", "Spine", "Neck", "Head",
    "HeadTop", "LeftArm", "LeftForeArm", "LeftHand", "RightArm", "RightForeArm", "RightHand",
)  # fmt: skip
"""Names of Human3.6M's joints, as programs know them; its thorax is the base of the neck.

Their order is that of the hierarchy in the file: every joint is followed by all that hang on it.
"""

RIGHT, LEFT, UP, DOWN, AHEAD = (-1, 0, 0), (1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1)
DIRECTIONS = np.array(
    [
        (0, 0, 0), RIGHT, DOWN, DOWN, LEFT, DOWN, DOWN, UP, UP, UP,
        UP, LEFT, LEFT, LEFT, RIGHT, RIGHT, RIGHT,
    ], dtype=np.float64,
)  # fmt: skip
"""Directions ``[17, 3]`` of the bones from each joint's parent to it in the standing skeleton; 0 for the root."""

ENDS = {"RightFoot": AHEAD, "LeftFoot": AHEAD, "HeadTop": UP, "LeftHand": LEFT, "RightHand": RIGHT}
END_LENGTH = 0.1
"""Direction and length (metres) of what the format wants beyond the last joints; nothing of it was predicted."""

PARENTS = HUMAN36M.parents
CHILDREN = [[child for child, parent in enumerate(PARENTS) if parent == joint] for joint in range(len(PARENTS))]


def write_bvh(path: Path, poses: np.ndarray, roots: np.ndarray, fps: float) -> None:
    """Write one run of frames.

    Args:
        poses: ``[T, 17, 3]`` metres, camera axes, relative to the root; no NaN.
        roots: ``[T, 3]`` metres, the root before the camera.
    """
    offsets = DIRECTIONS * bone_lengths(poses)[:, None]
    with atomic(path) as file:
        hierarchy = "\n".join(_joint(0, offsets, ""))
        file.write(f"HIERARCHY\n{hierarchy}\nMOTION\n".encode())
        file.write(f"Frames: {len(poses)}\nFrame Time: {1 / fps:.8f}\n".encode())
        for part in in_parts(0, len(poses), CHUNK):
            np.savetxt(file, _channels(_upright(poses[part]), _upright(roots[part]), offsets), f"%.{DECIMALS}f")


def bone_lengths(poses: np.ndarray) -> np.ndarray:
    """``[17]`` metres from each joint's parent to it: medians over poses ``[T, 17, 3]``, left and right alike."""
    some = poses[:: max(1, len(poses) // CHUNK)].astype(np.float64)
    lengths: np.ndarray = np.median(np.linalg.norm(some - some[:, np.maximum(PARENTS, 0)], axis=-1), axis=0)
    return (lengths + lengths[list(HUMAN36M.mirrored_order)]) / 2


def _upright(points: np.ndarray) -> np.ndarray:
    """From camera axes (y down, z away) to those of the file (y up, z towards the camera)."""
    return points.astype(np.float64) * [1, -1, -1]


def _joint(joint: int, offsets: np.ndarray, indent: str) -> Iterator[str]:
    name, inner = NAMES[joint], f"{indent}\t"
    yield f"{indent}{'JOINT' if joint else 'ROOT'} {name}"
    yield f"{indent}{{"
    yield f"{inner}OFFSET {_numbers(offsets[joint])}"
    yield f"{inner}CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    for child in CHILDREN[joint]:
        yield from _joint(child, offsets, inner)
    if name in ENDS:
        yield f"{inner}End Site"
        yield f"{inner}{{"
        yield f"{inner}\tOFFSET {_numbers(np.array(ENDS[name]) * END_LENGTH)}"
        yield f"{inner}}}"
    yield f"{indent}}}"


def _numbers(metres: np.ndarray) -> str:
    return " ".join(f"{value:.{DECIMALS}f}" for value in (metres * CENTIMETRES).tolist())


def _channels(poses: np.ndarray, roots: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """``[T, 17 · 6]`` translations in centimetres and rotations in degrees, in the order of the hierarchy."""
    T, J = poses.shape[:2]
    bones = poses - poses[:, PARENTS]
    bones[:, 0] = roots
    turned = np.empty((T, J, 3, 3))
    values = np.empty((T, J, 6))
    for joint, parent in enumerate(PARENTS):
        above = turned[:, parent] if joint else np.broadcast_to(np.eye(3), (T, 3, 3))
        turned[:, joint] = _turned(joint, poses, offsets, above)
        values[:, joint, :3] = (above.mT @ bones[:, joint, :, None])[..., 0] * CENTIMETRES
        values[:, joint, 3:] = Rotation.from_matrix(above.mT @ turned[:, joint]).as_euler("ZXY", degrees=True)
    return values.reshape(T, -1)


def _turned(joint: int, poses: np.ndarray, offsets: np.ndarray, above: np.ndarray) -> np.ndarray:
    """``[T, 3, 3]`` axes of a joint, from the directions of its bones; ``above``: those of its parent."""
    children = CHILDREN[joint]
    if not children:
        return above
    bones = poses[:, children] - poses[:, [joint]]
    if len(children) > 1:
        return _fitted(offsets[children], bones)
    # the least turn from where the parent leaves it
    return _swing(above @ offsets[children[0]], bones[:, 0]) @ above


def _fitted(rest: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """``[T, 3, 3]``: the rotations that bring vectors ``[C, 3]`` nearest to ``[T, C, 3]``.

    Source: Kabsch, Acta Crystallographica A32 (1976).
    """
    u, _, vt = np.linalg.svd(seen.mT @ rest)
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return u @ vt


def _swing(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """``[T, 3, 3]``: the shortest rotations from the directions ``[T, 3]`` before to those after."""
    one, other = _unit(before), _unit(after)
    axis, cosine = np.cross(one, other), (one * other).sum(axis=-1)
    sine = np.linalg.norm(axis, axis=-1)
    across = np.cross(one, np.eye(3)[np.abs(one).argmin(axis=-1)])  # any axis, where they are opposite
    axis = np.where(sine[:, None] > 1e-9, axis, across)
    return Rotation.from_rotvec(_unit(axis) * np.arctan2(sine, cosine)[:, None]).as_matrix()


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
