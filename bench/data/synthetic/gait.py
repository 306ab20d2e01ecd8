"""Walking along a closed path: leg angles from the published curves, feet that stay where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import numpy as np

from bench.data.synthetic.bodies import Actor, Body
from bench.data.synthetic.curves import gait_angles, smooth, wander
from bench.data.synthetic.kinematics import SIDES, TrunkMotion, apply, rotation

FLAT = (0.07, 0.57)  # phases of the stride between which the ball of the foot does not move


@dataclass(frozen=True)
class Base:
    """A body without arms.

    Attributes:
        ankles: ``[T, 2, 3]`` left and right, world.
        knees: ``[T, 2, 3]`` directions in which the knees point, world.
        swing: ``[T, 2]`` forward angle of the swinging arms in radians; 0 where they do not swing.
    """

    trunk: TrunkMotion
    ankles: np.ndarray
    knees: np.ndarray
    swing: np.ndarray


def walk(actor: Actor, pace: float) -> Base:
    """Walk in the capture room; ``pace``, 1 for the person's own, changes cadence and length of stride."""
    body, rng, time = actor.body, actor.rng, actor.time
    cadence = body.cadence * np.sqrt(pace) * rng.uniform(0.96, 1.04)
    phase = rng.uniform() + cadence * time + 0.015 * wander(rng, time, 1, 2.5)[:, 0]
    phases = phase[:, None] + [0.0, 0.5]
    ankles, balls, heels = _legs(body, phases, body.stride * np.sqrt(pace))
    height = smooth(-np.minimum(balls[..., 2], heels[..., 2]).min(axis=1), 3)
    turns = 2 * np.pi * phase
    height = height - 0.004 * body.bounce * (1 - np.cos(2 * turns - 1.2 * np.pi))
    travelled = _travel(phases, balls[..., 0], time)
    place, heading = _path(rng, travelled)
    axes = rotation(np.stack([heading, 0 * heading, 0 * heading], axis=-1))[:, None]
    centre = np.concatenate([place, height[:, None]], axis=1)[:, None]
    ankles, balls, heels = (centre + apply(axes, points) for points in (ankles, balls, heels))
    ankles = ankles + _planted(phases, balls, heels)
    return Base(
        trunk=_trunk(actor, turns, centre[:, 0], heading),
        ankles=ankles,
        knees=apply(axes, np.stack([np.ones(2), 0.12 * SIDES, np.zeros(2)], axis=-1)),
        swing=-radians(17) * body.swing * np.stack([np.cos(turns), -np.cos(turns)], axis=-1) - radians(2),
    )


def _legs(body: Body, phases: np.ndarray, stride: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ankles, balls and heels ``[T, 2, 3]`` below the middle of the hips, in the axes of the heading."""
    hip, knee, ankle = gait_angles(phases)
    hip, knee = hip * stride, knee * (0.5 + 0.5 * stride)
    shank, foot = hip - knee, hip - knee + ankle
    sideways = np.broadcast_to(SIDES * (0.4 * body.hip + 0.02), hip.shape)
    forward = body.thigh * np.sin(hip) + body.shank * np.sin(shank)
    down = -body.thigh * np.cos(hip) - body.shank * np.cos(shank)
    ankles = np.stack([forward, sideways, down], axis=-1)
    balls, heels = (
        ankles
        + np.stack(
            [
                along * np.cos(foot) + body.ankle * np.sin(foot),
                np.zeros_like(foot),
                along * np.sin(foot) - body.ankle * np.cos(foot),
            ],
            axis=-1,
        )
        for along in (body.ball, -body.heel)
    )
    return ankles, balls, heels


def _travel(phases: np.ndarray, balls: np.ndarray, time: np.ndarray) -> np.ndarray:
    """``[T]`` metres: how far the standing foot has pushed the body on, half of the ripple smoothed out."""
    step = time[1] - time[0]
    weight = _flat_window(phases)
    speed = (weight * -np.gradient(balls, step, axis=0)).sum(axis=1) / weight.sum(axis=1)
    speed = smooth(speed, 4)
    speed = 0.5 * (speed + speed.mean())
    return np.cumsum(speed) * step


def _flat_window(phases: np.ndarray) -> np.ndarray:
    """Near 1 while a foot is flat on the floor, near 0 otherwise."""
    middle, half = (FLAT[0] + FLAT[1]) / 2, (FLAT[1] - FLAT[0]) / 2
    away = np.abs((phases - middle + 0.5) % 1 - 0.5)
    return 1e-3 + 1 / (1 + np.exp((away - half) / 0.02))


def _path(rng: np.random.Generator, travelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place ``[T, 2]`` and heading ``[T]`` after so many metres around an ellipse in the middle of the room."""
    size = np.array([rng.uniform(1.0, 1.5), rng.uniform(0.7, 1.1)])
    tilt, begin, direction = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
    turn = begin + direction * np.linspace(0, 6 * np.pi, 6001)
    outline = size * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(outline, axis=0), axis=1))])
    angle = np.interp(travelled - travelled[0], length, turn)
    ellipse = size * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    tangent = direction * size * np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
    spin = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0])) + tilt
    return ellipse @ spin.T + rng.uniform(-0.2, 0.2, 2), heading


def _planted(phases: np.ndarray, balls: np.ndarray, heels: np.ndarray) -> np.ndarray:
    """``[T, 2, 3]``: what to add to each foot so that it neither slides nor hovers while it stands."""
    correction = np.zeros_like(balls)
    frames = np.arange(len(phases))
    for side in (0, 1):
        cycle = phases[:, side] % 1
        stands = np.flatnonzero((cycle > FLAT[0]) & (cycle < FLAT[1]))
        if len(stands) == 0:
            continue
        _, stance = np.unique(np.floor(phases[stands, side]), return_inverse=True)
        ball = balls[stands, side]
        wanted = np.zeros_like(ball)
        for axis in (0, 1):
            mean = np.bincount(stance, ball[:, axis]) / np.bincount(stance)
            wanted[:, axis] = mean[stance] - ball[:, axis]
        wanted[:, 2] = -np.minimum(ball[:, 2], heels[stands, side, 2])
        for axis in range(3):
            correction[:, side, axis] = smooth(np.interp(frames, stands, wanted[:, axis]), 2)
    return correction


def _trunk(actor: Actor, turns: np.ndarray, centre: np.ndarray, heading: np.ndarray) -> TrunkMotion:
    """Sway, list, rotation and counter-rotation of the trunk (Inman, "Human walking", 1981: the determinants)."""
    body, slow = actor.body, wander(actor.rng, actor.time, 4, 3.0)
    side = np.stack([-np.sin(heading), np.cos(heading), 0 * heading], axis=-1)
    sway = 0.022 * body.bounce * np.cos(turns - 0.6 * np.pi)
    yaw = -radians(5) * body.bounce * np.cos(turns)
    roll = radians(3.5) * body.bounce * np.cos(turns - 0.4 * np.pi)
    pitch = radians(3) + 0.5 * body.lean + radians(1.2) * np.cos(2 * turns - 0.5)
    bend = np.stack(
        [
            -2.0 * yaw + radians(3) * slow[:, 0],
            0.5 * body.lean + body.stoop + radians(1.5) * slow[:, 1] - 0.5 * pitch,
            -1.1 * roll + radians(1.5) * slow[:, 2],
        ],
        axis=-1,
    )
    return TrunkMotion(
        pelvis=centre + side * sway[:, None], turn=np.stack([heading + yaw, pitch, roll], axis=-1), bend=bend
    )
