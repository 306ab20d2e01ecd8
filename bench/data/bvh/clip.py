"""One BVH file as a clip: the 17 joints of Human3.6M in metres, z up, at the frame rate of the data set.

Unit, upward axis and handedness are not written in the format; they are found from the body and how it moves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from bench.data.bvh.format import Hierarchy, Motion, read_file
from bench.data.bvh.joints import JOINTS, JointMap, map_joints
from bench.data.bvh.limbs import LEG
from models.errors import InputError

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "cmu": 0.0254 / 0.45}
"""Metres; "cmu" is the unit of the CMU database's skeleton files."""
STATURE = 1.7  # metres, of a usual body
STATURES = (1.15, 2.2)  # metres, of bodies whose unit is believed
UPRIGHT = 0.8  # least share of the body's length along the upward axis
BACKWARDS = 0.75  # share of frames with feet against the hips' direction from which coordinates are left-handed
SOLE = 0.08  # metres, from the floor to the ankle
LEGS = (0.38, 0.6)  # share of a person's stature
AFLOAT = 0.5  # metres of the lowest joint above the floor, most of the time
SLOW = 10.0  # frames per second: fewer show no steps
HEAD_ON_NECK = 60.0  # degrees between neck and head in most frames; beyond, the end of the head is not its top
REST_STEP, JUMP_STEP, JUMP = 2, 5, 0.05
"""A first frame in the rest pose is left out if the joints' mean step to the next is twice those that follow; any
other if it is five times those and 5 cm."""
MAX_FRAMES = 200_000  # of a clip that has more frames than its file: an hour at 50 per second
CHUNK = 2**19  # numbers that are worked on at once, so that they stay in the processor's cache
JOINT = {name: number for number, name in enumerate(JOINTS)}


@dataclass(frozen=True)
class Settings:
    """What the user says of all files; None is found out for each.

    Attributes:
        unit: a key of ``UNITS``, or metres.
        stature: metres, of every body, in place of a unit.
        up: "x", "y" or "z".
        source_fps: frame rate of the files, in place of what they say.
        joints: names of the files' joints for joints of Human3.6M.
    """

    unit: str | float | None = None
    stature: float | None = None
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
        stature: metres, of the body in the rest pose.
        rig: a hash of the names of the joints and of how they hang together, alike for the files of one program.
        mirrored: coordinates were left-handed and have been mirrored.
        guessed: joints that no name told, and what each is taken from: "LHip = joint5".
        remarks: what else was found, left out, put back or is doubtful.
    """

    world: np.ndarray
    unit: str
    up: str
    stature: float
    rig: str
    mirrored: bool
    guessed: tuple[str, ...]
    remarks: tuple[str, ...]


def read_clip(path: Path, settings: Settings) -> Clip:
    """The motion of a file, as the settings say.

    Raises:
        InputError: the file cannot be read, joints cannot be found, unit or upward axis are not clear and not
            given, or the clip would have far more frames than the file.
    """
    source = str(path)
    motion = read_file(path, None if settings.source_fps is None else 1 / settings.source_fps)
    _check_length(motion, settings.fps, source)
    joints = map_joints(motion.hierarchy, source, dict(settings.joints))
    rig = blake2b(json.dumps([motion.hierarchy.names, motion.hierarchy.parents]).encode(), digest_size=8)
    motion = replace(motion, hierarchy=joints.hierarchy)
    unit, metres = _unit(joints.stature, settings, source)
    seen = joint_positions(motion, joints.weights) * metres
    remarks = [*motion.remarks, *_doubts(motion, joints)]
    if joints.neck_share is not None:
        remarks += _put_head_on_neck(seen, joints.neck_share)
    first, found = _first_frame(seen, motion)
    seen = seen[first:]
    up = settings.up or _up(seen, source)
    turned = seen[..., {"x": [1, 2, 0], "y": [2, 0, 1], "z": [0, 1, 2]}[up]]  # a copy, with z up
    mirrored, doubt = _left_handed(turned)
    if mirrored:
        turned[..., 0] *= -1
    body = resample(turned[:, : len(JOINTS)], 1 / motion.frame_time, settings.fps)
    lowest = body[..., 2].min(axis=1)
    body[..., 2] += SOLE - np.percentile(lowest, 1)
    afloat = float(np.median(lowest) - np.percentile(lowest, 1))
    if afloat > AFLOAT:
        found.append(f"most of the time nothing of the body is nearer to the floor than {afloat:.1f} m")
    world = body.astype(np.float32)
    if not np.isfinite(world).all():
        raise InputError(
            f"{source}: its joints are too far away to be a body in a room: repair or remove the file"
        )
    stature = joints.stature * metres
    return Clip(world, unit, up, stature, rig.hexdigest(), mirrored, joints.guessed, (*remarks, *found, *doubt))


def _check_length(motion: Motion, fps: float, source: str) -> None:
    frames = len(motion.values) * motion.frame_time * fps
    if frames > max(len(motion.values), MAX_FRAMES):
        raise InputError(
            f"{source}: {len(motion.values):,} frames at {1 / motion.frame_time:.4g} per second would become "
            f"{frames:,.0f}, more than {MAX_FRAMES:,}: give the true one as the option source_fps, or cut it"
        )


def joint_positions(motion: Motion, weights: np.ndarray) -> np.ndarray:
    """``[T, J, 3]`` float64 sums of the places of nodes with weights ``[J, N]``, in the file's unit and axes."""
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
    slopes = np.gradient(positions, axis=0)
    result = np.empty((len(at), *positions.shape[1:]))
    step = max(CHUNK // max(positions[0].size, 1), 1)
    for start in range(0, len(at), step):
        part = slice(start, start + step)
        one, two = begin[part], begin[part] + 1
        t = (at[part] - one).reshape(-1, *[1] * (positions.ndim - 1))
        rise, both = positions[two] - positions[one], slopes[one] + slopes[two]
        cubic = 3 * rise - both - slopes[one] + t * (both - 2 * rise)
        result[part] = positions[one] + t * (slopes[one] + t * cubic)
    return result


def _unit(body: float, settings: Settings, source: str) -> tuple[str, float]:
    """Name and metres of the unit: as given, or the one in which a body of this stature has a usual size."""
    given = settings.unit if settings.stature is None else settings.stature / max(body, 1e-9)
    if given is not None:
        return (given, UNITS[given]) if isinstance(given, str) else (f"{given:.4g} m", given)
    likely = min(UNITS, key=lambda unit: abs(np.log(max(body, 1e-9) * UNITS[unit] / STATURE)))
    if not STATURES[0] <= body * UNITS[likely] <= STATURES[1]:
        raise InputError(
            f"{source}: a body of {body:.4g} units is no person in {', '.join(UNITS)}: give the unit as the "
            "option unit, in metres (0.1 for decimetres), or the option stature=1.7, or remove the file"
        )
    return likely, UNITS[likely]


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


def _doubts(motion: Motion, joints: JointMap) -> list[str]:
    """What may be wrong although the file can be read."""
    remarks = ["the bone of the chest, which the conversion lost, put back"] * joints.completed
    if 1 / motion.frame_time < SLOW:
        remarks.append(f"{1 / motion.frame_time:.3g} frames per second only: check its Frame Time")
    share = joints.legs / max(joints.stature, 1e-9)
    if not LEGS[0] <= share <= LEGS[1]:
        remarks.append(f"legs are {share:.0%} of the body's length: it may be no person")
    return remarks


def _put_head_on_neck(seen: np.ndarray, share: float) -> list[str]:
    """Put the top of the head on the line of the neck where it lies beside it in most frames; changes ``seen``."""
    thorax = seen[:, JOINT["Thorax"]]
    neck, head = seen[:, JOINT["Neck/Nose"]] - thorax, seen[:, JOINT["Head"]] - seen[:, JOINT["Neck/Nose"]]
    lengths = np.linalg.norm(neck, axis=-1) * np.linalg.norm(head, axis=-1)
    if ((neck * head).sum(-1) >= np.cos(np.radians(HEAD_ON_NECK)) * lengths).mean() >= 0.5:
        return []
    seen[:, JOINT["Head"]] = thorax + share * neck
    return ["the end of the head points sideways, so its top is put on the line of the neck"]


def _first_frame(seen: np.ndarray, motion: Motion) -> tuple[int, list[str]]:
    """The first frame of the motion, 1 where a rest pose or a jump goes before it, and the words for that."""
    if len(seen) < 5:
        return 0, []
    first, *next_ones = np.linalg.norm(np.diff(seen[:5], axis=0), axis=-1).mean(axis=-1)
    turns = [
        column for channels in motion.hierarchy.channels[1:] for kind, _, column in channels if kind == "rotation"
    ]
    if turns and first > REST_STEP * max(next_ones) and not motion.values[0, turns].any():
        return 1, ["the first frame, a rest pose, left out"]
    if first > max(JUMP_STEP * max(next_ones), JUMP):
        return 1, ["the first frame, far from the next, left out"]
    return 0, []


def _left_handed(turned: np.ndarray) -> tuple[bool, list[str]]:
    """Whether toes point and knees bend backwards most of the time, as seen from hips and head; and doubts."""
    if turned.shape[1] == len(JOINTS):
        return False, []
    left = turned[:, JOINT["LHip"]] - turned[:, JOINT["RHip"]]
    forward = np.cross(left, turned[:, JOINT["Thorax"]] - turned[:, JOINT["Hip"]])
    hips, knees, feet = (turned[:, [JOINT["L" + joint], JOINT["R" + joint]]] for joint in LEG)
    toes = (turned[:, len(JOINTS) :] - feet).sum(axis=1)
    if (np.einsum("tc,tc->t", forward, toes) < 0).mean() <= BACKWARDS:
        return False, []
    legs, thighs = feet - hips, knees - hips
    along = (thighs * legs).sum(-1) / np.maximum((legs * legs).sum(-1), 1e-9)
    bend = (thighs - along[..., None] * legs).sum(axis=1)  # from the line between hip and ankle
    if (bend * forward).sum() < 0:
        return True, []
    return False, ["toes point backwards but knees bend forward: left and right are kept, look at its pictures"]
