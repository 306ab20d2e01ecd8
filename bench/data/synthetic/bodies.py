"""The seven people of the synthetic data set: segment lengths and habits.

Lengths are proportions of stature (Drillis and Contini, "Body segment parameters", 1966; as tabled in Winter,
"Biomechanics and motor control of human movement", 4th ed., figure 4.1), varied by a few percent per person.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import numpy as np

STATURE = {"S1": 1.68, "S5": 1.61, "S6": 1.81, "S7": 1.74, "S8": 1.86, "S9": 1.71, "S11": 1.78}
LEFT_HANDED = ("S7",)


@dataclass(frozen=True)
class Body:
    """Segment lengths in metres and the habits of one person.

    Attributes:
        hip: half the distance of the hip joints.
        thigh, shank, ankle: hip to knee, knee to ankle, ankle to floor.
        heel, ball: horizontal distance of heel and ball of the foot from the ankle.
        spine, thorax, neck, head: the segments that end in these joints.
        shoulder, upper_arm, forearm: thorax to shoulder, shoulder to elbow, elbow to wrist.
        lean, stoop: habitual forward lean of the trunk and bend of the upper back, radians.
        cadence: strides per second.
        stride, swing, bounce: factors on the leg curves, the arm swing, and the trunk's motion in gait.
        stance: distance of the feet in metres when standing.
        vigour: factor on size and speed of gestures.
        left_handed: which hand leads.
    """

    hip: float
    thigh: float
    shank: float
    ankle: float
    heel: float
    ball: float
    spine: float
    thorax: float
    neck: float
    head: float
    shoulder: float
    upper_arm: float
    forearm: float
    lean: float
    stoop: float
    cadence: float
    stride: float
    swing: float
    bounce: float
    stance: float
    vigour: float
    left_handed: bool

    @property
    def arm(self) -> float:
        return self.upper_arm + self.forearm

    @property
    def leg(self) -> float:
        return self.thigh + self.shank

    @property
    def standing(self) -> float:
        """Height of the hips above the floor when standing, knees not quite straight."""
        return 0.996 * self.leg + self.ankle


@dataclass(frozen=True)
class Actor:
    """Who moves in a take, and when.

    Attributes:
        body: segment lengths and habits.
        rng: source of everything that differs between takes.
        time: ``[T]`` seconds, evenly spaced.
    """

    body: Body
    rng: np.random.Generator
    time: np.ndarray


def body(subject: str, seed: int) -> Body:
    """The person called ``subject`` (a key of ``STATURE``) of the population with this seed."""
    rng = np.random.default_rng([seed, 1, int(subject[1:])])
    stature = STATURE[subject]

    def part(share: float) -> float:
        return round(stature * share * (1 + 0.03 * float(np.clip(rng.standard_normal(), -2, 2))), 5)

    def habit(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 5)

    return Body(
        hip=part(0.075),
        thigh=part(0.245),
        shank=part(0.246),
        ankle=part(0.039),
        heel=part(0.030),
        ball=part(0.085),
        spine=part(0.132),
        thorax=part(0.146),
        neck=part(0.069),
        head=part(0.065),
        shoulder=part(0.095),
        upper_arm=part(0.172),
        forearm=part(0.146),
        lean=habit(radians(-1), radians(7)),
        stoop=habit(radians(2), radians(16)),
        cadence=habit(0.82, 1.02),
        stride=habit(0.88, 1.12),
        swing=habit(0.6, 1.5),
        bounce=habit(0.7, 1.4),
        stance=habit(0.16, 0.30),
        vigour=habit(0.8, 1.25),
        left_handed=subject in LEFT_HANDED,
    )
