"""The fifteen actions of Human3.6M: what legs, hands and gaze do in each, and the motion of one take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import radians

import numpy as np

from bench.data.synthetic.bodies import Actor, Body
from bench.data.synthetic.curves import change_times, staircase, wander
from bench.data.synthetic.gait import Base, walk
from bench.data.synthetic.gestures import Script, hands
from bench.data.synthetic.kinematics import joints, pose_trunk
from bench.data.synthetic.posture import Stances, crouch, floor, hold, seat, stand, stoop

FPS = 50


@dataclass(frozen=True)
class Action:
    """How an action is done.

    Attributes:
        legs: one entry per take: changes of stance, or the pace of a walk.
        gaze: turn and nod of the head, standard deviation in radians.
        nod: mean nod, radians; positive looks down.
        glance: seconds between changes of gaze, least and greatest.
    """

    script: Script
    legs: tuple[Stances | float, Stances | float]
    gaze: tuple[float, float] = (radians(20), radians(8))
    nod: float = radians(4)
    glance: tuple[float, float] = (0.8, 2.2)


STANDING = Stances((stand,))
RESTLESS = Stances((stand,), (1.3, 2.6), 0.24, radians(50))
SEATED = Stances((seat,), (2.0, 4.5), 0.0, radians(7))
GROUND = Stances((stand, crouch, floor, crouch), (1.3, 2.4), 0.0, radians(14), rooted=True)
FLOOR = Stances((floor,), (2.0, 4.0), 0.0, radians(10))
CHAIR = Stances((stand, seat), (1.6, 3.0), 0.0, radians(10), rooted=True)

ACTIONS: Mapping[str, Action] = {
    "Directions": Action(
        Script({"ahead": 3, "aside": 3, "across": 1, "high": 1, "hang": 1}, {"hang": 4, "waist": 1, "aside": 1}),
        (STANDING, RESTLESS),
        (radians(35), radians(7)),
    ),
    "Discussion": Action(
        Script({"talk": 4, "wide": 2, "low": 1, "hang": 0.5}, {"talk": 3, "low": 2, "hang": 2}, (0.5, 1.2), 0.5),
        (STANDING, RESTLESS),
    ),
    "Eating": Action(
        Script({"mouth": 3, "table": 3}, {"table": 4, "lap": 1, "mouth": 0.5}, (0.6, 1.4)),
        (SEATED, SEATED),
        (radians(12), radians(8)),
        radians(14),
    ),
    "Greeting": Action(
        Script(
            {"wave": 4, "shake": 2, "hang": 1, "up": 0.5}, {"hang": 4, "wave": 0.5, "talk": 0.5}, (0.8, 1.6), 0.12,
            ("wave",), (0.0, 0.16, 0.02), 1.8,
        ),
        (STANDING, Stances((stand, stand, crouch))),
    ),
    "Phoning": Action(
        Script({"ear": 9, "hang": 0.5}, {"hang": 2, "waist": 1.5, "talk": 1.5, "pocket": 1, "fold": 0.7},
               (1.0, 2.2)),
        (0.62, RESTLESS),
        (radians(22), radians(7)),
        radians(8),
    ),
    "Photo": Action(
        Script({"eyes": 5, "low": 1.2}, {"eyes": 2, "low": 1}, (1.2, 2.4), 0.85),
        (Stances((stand, crouch), (1.4, 3.0)), RESTLESS),
        (radians(9), radians(5)),
    ),
    "Posing": Action(
        Script(
            {"waist": 3, "up": 1, "wide": 1, "brow": 1, "fold": 1, "chin": 1},
            {"waist": 3, "hang": 1, "back": 1, "fold": 1, "aside": 1}, (0.9, 1.8), 0.3,
        ),
        (
            Stances((stand,), (1.4, 2.8), 0.10, radians(45)),
            Stances((stand, crouch), (1.6, 3.0), 0.10, radians(45)),
        ),
    ),
    "Purchases": Action(
        Script({"pick": 3, "bag": 2, "low": 1, "talk": 0.7}, {"pick": 1.5, "bag": 2, "hang": 1}, (0.8, 1.6), 0.3),
        (Stances((stand, stoop), (1.3, 2.2), 0.14), Stances((stand, stoop, crouch), (1.3, 2.4), 0.20)),
        (radians(14), radians(8)),
        radians(14),
    ),
    "Sitting": Action(
        Script({"lap": 3, "knee": 3, "fold": 1, "chin": 1, "rail": 0.6, "talk": 1},
               {"lap": 3, "knee": 3, "fold": 1}, (1.0, 2.6), 0.45),
        (SEATED, SEATED),
    ),
    "SittingDown": Action(
        Script({"shin": 2, "prop": 3, "lap": 1, "low": 1}, {"prop": 3, "shin": 2, "low": 1}, (1.0, 2.2), 0.5),
        (GROUND, FLOOR),
    ),
    "Smoking": Action(
        Script({"mouth": 3, "knee": 1, "low": 2, "hang": 1}, {"lap": 1, "pocket": 1, "hang": 2, "fold": 1},
               (0.8, 1.8)),
        (SEATED, STANDING),
    ),
    "Waiting": Action(
        Script({"fold": 2, "pocket": 2, "hang": 2, "waist": 1, "chin": 0.7}, {"fold": 2, "pocket": 2, "hang": 2,
               "back": 1}, (1.4, 3.0), 0.5),
        (STANDING, CHAIR),
        (radians(32), radians(9)),
    ),
    "WalkDog": Action(
        Script({"leash": 5, "ahead": 0.4}, {"swing": 3, "leash": 0.5}, (1.2, 2.6)),
        (0.85, 0.7),
        (radians(18), radians(7)),
        radians(14),
    ),
    "WalkTogether": Action(
        Script({"swing": 4, "talk": 1}, {"swing": 5, "talk": 0.5}, (1.4, 2.8)),
        (0.88, 0.75),
        (radians(34), radians(6)),
    ),
    "Walking": Action(
        Script({"swing": 1}, {"swing": 1}),
        (1.0, 1.12),
        (radians(10), radians(5)),
    ),
}  # fmt: skip


def make_motion(action: str, take: int, frames: int, body: Body, rng: np.random.Generator) -> np.ndarray:
    """The motion of take 0 or 1 of an action: ``[T, 17, 3]`` metres, world, z up, rounded to 2^-17 m, at 50 Hz."""
    actor = Actor(body, rng, np.arange(frames) / FPS)
    doing = ACTIONS[action]
    legs = doing.legs[take]
    base = hold(actor, legs) if isinstance(legs, Stances) else walk(actor, legs)
    pose = pose_trunk(body, base.trunk, _look(actor, doing, base))
    wrists, elbows = hands(actor, pose, base.swing, doing.script)
    world = joints(body, pose, base.ankles, base.knees, wrists, elbows)
    return np.round(world * 2**17) / 2**17


def _look(actor: Actor, doing: Action, base: Base) -> np.ndarray:
    """``[T, 3]``: glances here and there, the head kept level when the trunk leans."""
    rng, time = actor.rng, actor.time
    begin = change_times(rng, time, doing.glance)
    turn, nod = (np.clip(rng.normal(0, 1, len(begin) + 1), -2, 2) * spread for spread in doing.gaze)
    glances = staircase(
        time, begin, rng.uniform(0.35, 0.7, len(begin)), np.stack([turn, nod, 0.15 * turn], axis=-1)
    )
    leaning = base.trunk.turn[:, 1] + base.trunk.bend[:, 1]
    glances[:, 1] += doing.nod - 0.55 * leaning
    return glances + radians(2) * wander(rng, time, 3, 1.1)
