"""Standing, sitting and getting up or down: a few stances and smooth changes between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import radians

import numpy as np

from bench.data.synthetic.bodies import Actor, Body
from bench.data.synthetic.curves import bumps, change_times, soft_minimum, staircase, wander
from bench.data.synthetic.gait import Base
from bench.data.synthetic.kinematics import SIDES, TrunkMotion, apply, rotation


@dataclass(frozen=True)
class Stance:
    """One way to be at a spot, in the spot's axes (x where the person faces, origin on the floor).

    Attributes:
        pelvis: ``[3]`` metres.
        ankles, knees: ``[2, 3]`` left and right: metres, and the direction in which each knee points.
        tilt, flexion: of the pelvis and of the trunk against it, forward, radians.
    """

    pelvis: np.ndarray
    ankles: np.ndarray
    knees: np.ndarray
    tilt: float
    flexion: float


def stand(body: Body, rng: np.random.Generator) -> Stance:
    """Upright, feet a little apart, weight on one leg more than on the other."""
    apart = body.stance * rng.uniform(0.75, 1.3) / 2
    stagger = rng.normal(0, 0.05)
    return Stance(
        pelvis=np.array([rng.normal(0, 0.015), rng.normal(0, 0.04), body.standing]),
        ankles=_pair(-0.03 + stagger, -0.03 - stagger, apart, body.ankle),
        knees=_pair(1, 1, rng.uniform(0.05, 0.3), 0),
        tilt=body.lean * 0.5 + rng.normal(0, radians(2)),
        flexion=body.lean * 0.5 + body.stoop + rng.normal(0, radians(4)),
    )


def crouch(body: Body, rng: np.random.Generator) -> Stance:
    """Knees bent, one foot ahead, trunk forward."""
    depth, lead = rng.uniform(0.55, 0.85), rng.choice([-1, 1]) * rng.uniform(0.08, 0.22)
    return Stance(
        pelvis=np.array([-0.20 * (1 - depth), 0, depth * body.standing]),
        ankles=_pair(lead, -lead, body.stance * 0.6, body.ankle),
        knees=_pair(1, 1, 0.3, 0),
        tilt=radians(rng.uniform(10, 35)),
        flexion=radians(rng.uniform(5, 30)) + body.stoop,
    )


def stoop(body: Body, rng: np.random.Generator) -> Stance:
    """Bent over towards something on the floor."""
    depth = rng.uniform(0.62, 0.92)
    lead = rng.choice([-1, 1]) * rng.uniform(0.02, 0.18)
    return Stance(
        pelvis=np.array([-0.16, rng.normal(0, 0.02), depth * body.standing]),
        ankles=_pair(lead, -lead, body.stance * 0.6, body.ankle),
        knees=_pair(1, 1, 0.25, 0),
        tilt=radians(rng.uniform(28, 50)),
        flexion=radians(rng.uniform(20, 40)) + body.stoop,
    )


def seat(body: Body, rng: np.random.Generator) -> Stance:
    """On a chair; legs bent, tucked back, stretched out, or one laid over the other."""
    height = (body.shank + body.ankle) * rng.uniform(0.98, 1.08)
    bent = body.thigh * np.clip(rng.normal(0.95, 0.16, 2), 0.6, 1.25)
    ankles = _pair(bent[0], bent[1], rng.uniform(0.07, 0.19), body.ankle)
    knees = _pair(0.7, 0.7, rng.uniform(0, 0.4), 1)
    habit = rng.uniform()
    if habit < 0.22:
        over = int(rng.integers(2))
        ankles[over] += [0.12, -SIDES[over] * 0.22, rng.uniform(0.12, 0.32)]
        ankles[1 - over, 1] *= 0.5
        knees[over, 1] = -SIDES[over] * 0.1
    elif habit < 0.36:
        ankles[:, 0] += 0.22
    return Stance(
        pelvis=np.array([0.0, 0.0, height]),
        ankles=ankles,
        knees=knees,
        tilt=radians(rng.uniform(-18, 8)),
        flexion=radians(rng.uniform(0, 22)) + body.stoop,
    )


def floor(body: Body, rng: np.random.Generator) -> Stance:
    """On the floor: knees drawn up, legs stretched, or crossed."""
    habit = rng.uniform()
    drawn, stretched = rng.uniform(0.42, 0.6, 2), rng.uniform(0.85, 0.96, 2)
    ankles = _pair(body.leg * drawn[0], body.leg * drawn[1], rng.uniform(0.08, 0.18), body.ankle)
    knees = _pair(0.3, 0.3, rng.uniform(0, 0.35), 1)
    if habit < 0.3:
        ankles = _pair(body.leg * stretched[0], body.leg * stretched[1], rng.uniform(0.06, 0.16), 0.5 * body.ankle)
    elif habit < 0.6:
        ankles = _pair(body.leg * 0.36, body.leg * 0.30, -rng.uniform(0.02, 0.14), 0.8 * body.ankle)
        knees = _pair(0.45, 0.45, 1, 0.55)
    return Stance(
        pelvis=np.array([0.0, 0.0, rng.uniform(0.10, 0.13)]),
        ankles=ankles,
        knees=knees,
        tilt=radians(rng.uniform(-28, -5)),
        flexion=radians(rng.uniform(10, 38)) + body.stoop,
    )


@dataclass(frozen=True)
class Stances:
    """How a person changes between stances.

    Attributes:
        stances: taken in turn, from a random one on.
        pause: seconds between the beginnings of two changes, least and greatest.
        stride: metres that the spot moves with a change of stance, standard deviation.
        turning: radians that the spot turns, standard deviation.
        rooted: the feet stay where they are when the stance changes, not the hips.
    """

    stances: tuple[Callable[[Body, np.random.Generator], Stance], ...]
    pause: tuple[float, float] = (1.8, 4.0)
    stride: float = 0.16
    turning: float = radians(32)
    rooted: bool = False


def hold(actor: Actor, changes: Stances) -> Base:
    """Change between stances: stand, shift weight, step, turn, sit down, get up."""
    body, rng, time = actor.body, actor.rng, actor.time
    begin = change_times(rng, time, changes.pause)
    slow_down = 1.0 if changes.stride else 1.35
    duration = rng.uniform(0.8, 1.2, len(begin)) * slow_down
    first = int(rng.integers(len(changes.stances)))
    stances = [changes.stances[(first + i) % len(changes.stances)](body, rng) for i in range(len(begin) + 1)]
    place, heading = _spots(rng, changes, len(stances))
    if changes.rooted:
        stances = [_centred_on_feet(stance) for stance in stances]
    axes = rotation(np.stack([heading, 0 * heading, 0 * heading], axis=-1))
    origin = np.concatenate([place, np.zeros((len(place), 1))], axis=1)
    pelvis = staircase(time, begin, duration, origin + apply(axes, np.stack([s.pelvis for s in stances])))
    ankles = _feet(actor, begin, duration, stances, origin, axes)
    knees = staircase(time, begin, duration, apply(axes[:, None], np.stack([s.knees for s in stances])))
    yaw = staircase(time, begin, duration, heading)
    posture = np.array([[stance.tilt, stance.flexion] for stance in stances])
    tilt, flexion = staircase(time, begin, duration, posture).T
    effort = np.abs(np.diff([stance.pelvis[2] for stance in stances]))
    flexion = flexion + bumps(time, begin, duration, 0.9 * effort)
    return _swaying(actor, pelvis, np.stack([yaw, tilt, flexion]), ankles, knees)


def _swaying(actor: Actor, pelvis: np.ndarray, angles: np.ndarray, ankles: np.ndarray, knees: np.ndarray) -> Base:
    """Add the sway of a living body, and lower the pelvis where the legs are too short for it."""
    body, (yaw, tilt, flexion) = actor.body, angles
    high = np.clip(pelvis[:, 2] / body.standing, 0.2, 1)
    slow = wander(actor.rng, actor.time, 7, 2.2)
    shift = slow[:, 0] * 0.022 * high
    side = np.stack([-np.sin(yaw), np.cos(yaw), 0 * yaw], axis=-1)
    pelvis = pelvis + side * shift[:, None]
    pelvis[:, 2] += 0.006 * slow[:, 1]
    hips = pelvis[:, None] + body.hip * side[:, None] * SIDES[:, None]
    level = ((hips - ankles)[..., :2] ** 2).sum(axis=-1)
    limit = ankles[..., 2] + np.sqrt(np.maximum((0.9965 * body.leg) ** 2 - level, 0.01))
    pelvis[:, 2] = soft_minimum(pelvis[:, 2], soft_minimum(limit[:, 0], limit[:, 1], 0.004), 0.004)
    roll = -shift * 1.2 + radians(1.0) * slow[:, 2]
    return Base(
        trunk=TrunkMotion(
            pelvis=pelvis,
            turn=np.stack([yaw + radians(3) * slow[:, 3], tilt + radians(1.5) * slow[:, 4], roll], axis=-1),
            bend=np.stack(
                [radians(6) * slow[:, 5], flexion + radians(2.5) * slow[:, 6], -roll + radians(2.5) * slow[:, 1]],
                axis=-1,
            ),
        ),
        ankles=ankles,
        knees=knees,
        swing=np.zeros((len(yaw), 2)),
    )


def _feet(
    actor: Actor,
    begin: np.ndarray,
    duration: np.ndarray,
    stances: list[Stance],
    origin: np.ndarray,
    axes: np.ndarray,
) -> np.ndarray:
    """``[T, 2, 3]``: one foot steps in the first half of a change, the other in the second."""
    spots = origin[:, None] + apply(axes[:, None], np.stack([stance.ankles for stance in stances]))
    leads = actor.rng.integers(2, size=len(begin))
    feet = []
    for side in (0, 1):
        late = np.where(leads == side, 0.0, 0.5) * duration
        path = staircase(actor.time, begin + late, duration / 2, spots[:, side])
        moved = np.linalg.norm(np.diff(spots[:, side], axis=0), axis=1)
        path[:, 2] += bumps(actor.time, begin + late, duration / 2, 0.28 * np.minimum(moved, 0.35))
        feet.append(path)
    return np.stack(feet, axis=1)


def _spots(rng: np.random.Generator, changes: Stances, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Places ``[count, 2]`` near the middle of the room and headings ``[count]``."""
    wide = 0.7
    place = np.clip(
        rng.normal(0, 0.35, 2) + np.cumsum(rng.normal(0, changes.stride, (count, 2)), axis=0), -wide, wide
    )
    turns = np.clip(rng.normal(0, changes.turning, count), -radians(75), radians(75))
    return place, rng.uniform(0, 2 * np.pi) + np.cumsum(turns)


def _centred_on_feet(stance: Stance) -> Stance:
    back = np.array([stance.ankles[:, 0].mean(), 0, 0])
    return replace(stance, pelvis=stance.pelvis - back, ankles=stance.ankles - back)


def _pair(left: float, right: float, apart: float, height: float) -> np.ndarray:
    """``[2, 3]``: left and right, so far forward, so far to their side, so high."""
    return np.array([[left, apart, height], [right, -apart, height]])
