"""One BVH file as a clip: the 17 joints of Human3.6M in metres, z up, at the frame rate of the data set.

Unit, upward axis and handedness are not written in the format; they are found from the body and how it moves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.data.bvh.format import Hierarchy, Motion, read_file
from bench.data.bvh.joints import JOINTS, map_joints, with_chest_bone
from models.errors import InputError

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "cmu": 0.0254 / 0.45}
"""Metres; "cmu" is the unit of the CMU database's skeleton files."""
STATURE = 1.7  # metres, of a usual body
STATURES = (1.15, 2.2)  # metres, of bodies whose unit is believed
UPRIGHT = 0.8  # least share of the body's length along the upward axis
BACKWARDS = 0.75  # share of frames with feet against the hips' direction from which coordinates are left-handed
SOLE = 0.08  # metres, from the floor to the ankle
CHUNK = 2**19  # numbers that are worked on at once, so that they stay in the processor's cache
JOINT = {name: number for number, name in enumerate(JOINTS)}


@dataclass(frozen=True)
class Settings:
    """What the user says of all files; None is found out for each.

    Attributes:
        unit: a key of ``UNITS``.
        up: "x", "y" or "z".
        source_fps: frame rate of the files, in place of what they say.
        fps: of the data set.
        joints: names of the files' joints for joints of Human3.6M.
    """

    unit: str | None = None
    up: str | None = None
    source_fps: float | None = None
    fps: float = 50.0
    joints: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Clip:
    """The motion of a file.

    Attributes:
        world: ``[T, 17, 3]`` float32 metres, z up, the lowest ankle near the floor z = 0.
        unit, up: as used.
        mirrored: coordinates were left-handed and have been mirrored.
        completed: the chest's bone, which conversions of the CMU database by amc2bvh lack, was put back.
        guessed: joints that no name told, and what each is taken from: "LHip = joint5".
    """

    world: np.ndarray
    unit: str
    up: str
    mirrored: bool
    completed: bool
    guessed: tuple[str, ...]


def read_clip(path: Path, settings: Settings) -> Clip:
    """The motion of a file, as the settings say.

    Raises:
        InputError: the file cannot be read, joints cannot be found, or unit or upward axis are not clear and not
            given.
    """
    source = str(path)
    motion = read_file(path, None if settings.source_fps is None else 1 / settings.source_fps)
    whole = with_chest_bone(motion.hierarchy)
    if whole is not None:
        motion = replace(motion, hierarchy=whole)
    joints = map_joints(motion.hierarchy, source, dict(settings.joints))
    unit = settings.unit or _unit(joints.stature, source)
    seen = joint_positions(motion, joints.weights) * UNITS[unit]
    up = settings.up or _up(seen, source)
    turned = seen[..., {"x": [1, 2, 0], "y": [2, 0, 1], "z": [0, 1, 2]}[up]]  # a copy, with z up
    mirrored = _left_handed(turned)
    if mirrored:
        turned[..., 0] *= -1
    body = resample(turned[:, : len(JOINTS)], 1 / motion.frame_time, settings.fps)
    body[..., 2] += SOLE - np.percentile(body[..., 2].min(axis=1), 1)
    clip = Clip(body.astype(np.float32), unit, up, mirrored, whole is not None, joints.guessed)
    if not np.isfinite(clip.world).all():
        raise InputError(
            f"{source}: its joints are too far away to be a body in a room: repair or remove the file"
        )
    return clip


def joint_positions(motion: Motion, weights: np.ndarray) -> np.ndarray:
    """``[T, J, 3]`` float64 weighted sums of the places of nodes, in the file's unit and axes.

    Args:
        motion: of the file.
        weights: ``[J, N]`` of its nodes; the identity for the nodes themselves.
    """
    nodes = np.flatnonzero(weights.any(axis=0)).tolist()
    needed = sorted({above for node in nodes for above in motion.hierarchy.above(node)})
    result = np.empty((len(motion.values), len(weights), 3))
    step = max(CHUNK // (12 * len(needed)), 1)
    for begin in range(0, len(result), step):
        channels = np.ascontiguousarray(motion.values[begin : begin + step].T)
        places = _forward_kinematics(motion.hierarchy, needed, channels)
        stacked = np.stack([places[node] for node in nodes])
        result[begin : begin + step] = np.einsum("jn,nct->tjc", weights[:, nodes], stacked)
    return result


def _forward_kinematics(hierarchy: Hierarchy, needed: list[int], values: np.ndarray) -> dict[int, np.ndarray]:
    """Places ``[3, T]`` of the needed nodes for channels ``[C, T]``.

    A joint is turned by the product of its rotation channels in the order of the file, on top of its parent. Its
    orientation is kept as its three axes ``[3, 3, T]``; turning it about one of them mixes the other two.
    """
    frames = values.shape[1]
    axes = {-1: np.broadcast_to(np.eye(3)[:, :, None], (3, 3, frames))}
    places = {-1: np.zeros((3, frames))}
    for node in needed:
        parent = hierarchy.parents[node]
        turned, shift = axes[parent], [*hierarchy.offsets[node]]
        for kind, axis, column in hierarchy.channels[node]:
            if kind == "position":
                shift[axis] = values[column]
        places[node] = places[parent] + turned[0] * shift[0] + turned[1] * shift[1] + turned[2] * shift[2]
        turned = turned.copy()
        for kind, axis, column in hierarchy.channels[node]:
            if kind == "rotation" and values[column].any():
                angle = np.radians(values[column])
                cos, sin, one, two = np.cos(angle), np.sin(angle), (axis + 1) % 3, (axis + 2) % 3
                turned[one], turned[two] = (
                    cos * turned[one] + sin * turned[two],
                    cos * turned[two] - sin * turned[one],
                )
        axes[node] = turned
    return places


def resample(positions: np.ndarray, source_fps: float, fps: float) -> np.ndarray:
    """Positions ``[S, ...]`` at other times: cubic through the four nearest frames (Catmull and Rom, 1974).

    The first frame stays the first; at the source's own rate nothing changes.

    Returns:
        ``[T, ...]``, T as many frames at ``fps`` as the source lasts, at least one.
    """
    last = len(positions) - 1
    at = np.arange(int(last * fps / source_fps + 1e-6) + 1) * (source_fps / fps)
    begin = np.minimum(at.astype(np.int64), max(last - 1, 0))
    if last < 1 or np.array_equal(at, begin):
        return positions[begin].copy()
    t = (at - begin).reshape(-1, *[1] * (positions.ndim - 1))
    before, one, two, after = (positions[np.clip(begin + shift, 0, last)] for shift in (-1, 0, 1, 2))
    before = np.where((begin == 0).reshape(t.shape), 2 * one - two, before)
    after = np.where((begin + 2 > last).reshape(t.shape), 2 * two - one, after)
    slope_one, slope_two = (two - before) / 2, (after - one) / 2
    rise = two - one
    return one + t * (
        slope_one + t * (3 * rise - 2 * slope_one - slope_two + t * (slope_one + slope_two - 2 * rise))
    )


def _unit(body: float, source: str) -> str:
    """The unit in which a body of this stature has a usual size."""
    likely = min(UNITS, key=lambda unit: abs(np.log(max(body, 1e-9) * UNITS[unit] / STATURE)))
    if not STATURES[0] <= body * UNITS[likely] <= STATURES[1]:
        raise InputError(
            f"{source}: a body of {body:.4g} units is no person in {', '.join(UNITS)}: give the unit as the "
            "option unit, or remove the file"
        )
    return likely


def _up(seen: np.ndarray, source: str) -> str:
    """The axis along which the head is above the feet most of the time."""
    upwards = seen[:, JOINT["Head"]] - (seen[:, JOINT["LFoot"]] + seen[:, JOINT["RFoot"]]) / 2
    middle = np.median(upwards / np.maximum(np.linalg.norm(upwards, axis=-1, keepdims=True), 1e-9), axis=0)
    axis = int(np.abs(middle).argmax())
    if middle[axis] < UPRIGHT:
        raise InputError(
            f"{source}: nobody stands along an axis, so which one points up is not clear: give it as the "
            "option up (y or z), or remove the file"
        )
    return "xyz"[axis]


def _left_handed(turned: np.ndarray) -> bool:
    """Whether toes point backwards most of the time, as seen from hips and head; False where there are no toes."""
    if turned.shape[1] == len(JOINTS):
        return False
    left = turned[:, JOINT["LHip"]] - turned[:, JOINT["RHip"]]
    up = turned[:, JOINT["Thorax"]] - turned[:, JOINT["Hip"]]
    feet = (JOINT["LFoot"], JOINT["RFoot"])
    toes = (turned[:, len(JOINTS) :] - turned[:, feet]).sum(axis=1)
    return bool((np.einsum("tc,tc->t", np.cross(left, up), toes) < 0).mean() > BACKWARDS)
