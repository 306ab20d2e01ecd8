"""People of the synthetic data sets: segment lengths, habits and manners.

Lengths are proportions of stature (Drillis and Contini, "Body segment parameters", 1966; as tabled in Winter,
"Biomechanics and motor control of human movement", 4th ed., figure 4.1), varied by a few percent per person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import radians
from typing import Any

import numpy as np

STATURE = {"S1": 1.68, "S5": 1.61, "S6": 1.81, "S7": 1.74, "S8": 1.86, "S9": 1.71, "S11": 1.78}
LEFT_HANDED = ("S7",)

SHARES = {
    "hip": 0.075, "thigh": 0.245, "shank": 0.246, "ankle": 0.039, "heel": 0.030, "ball": 0.085, "spine": 0.132,
    "thorax": 0.146, "neck": 0.069, "head": 0.065, "shoulder": 0.095, "upper_arm": 0.172, "forearm": 0.146,
}  # fmt: skip
"""Lengths of segments in statures, in the order in which they are drawn."""

HABITS = {
    "lean": (radians(-1), radians(7)), "stoop": (radians(2), radians(16)), "cadence": (0.82, 1.02),
    "stride": (0.88, 1.12), "swing": (0.6, 1.5), "bounce": (0.7, 1.4), "stance": (0.16, 0.30),
    "vigour": (0.8, 1.25),
}  # fmt: skip
WIDE_HABITS = {
    "lean": (radians(-4), radians(12)), "stoop": (radians(-2), radians(24)), "cadence": (0.74, 1.08),
    "stride": (0.8, 1.18), "swing": (0.4, 1.8), "bounce": (0.5, 1.6), "stance": (0.12, 0.36),
    "vigour": (0.65, 1.4),
}  # fmt: skip
"""Least and greatest, of the seven people and of a population, in the order in which they are drawn."""


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
        manners: name of a hand's place → where this person's place is beside the usual one, in its units.
        tastes: name of a hand's place → factor on how often this person goes there.
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
    manners: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    tastes: Mapping[str, float] = field(default_factory=dict)

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
        rng: source of everything that differs between takes.
        time: ``[T]`` seconds, evenly spaced.
    """

    body: Body
    rng: np.random.Generator
    time: np.ndarray


def body(subject: str, seed: int) -> Body:
    """The person called ``subject`` (a key of ``STATURE``) of the population with this seed."""
    rng = np.random.default_rng([seed, 1, int(subject[1:])])
    return _drawn(rng, STATURE[subject], 0.03, HABITS, subject in LEFT_HANDED)


def stranger(rng: np.random.Generator) -> Body:
    """A person of a population, whose body and habits are drawn from a wide range.

    Stature is that of adults, women as often as men (means and standard deviations of NHANES III, rounded);
    segments vary by 4.5 % about their share of it.
    """
    mean, spread = ((1.62, 0.065), (1.76, 0.07))[int(rng.integers(2))]
    stature = float(np.clip(rng.normal(mean, spread), 1.45, 2.0))
    return _drawn(rng, stature, 0.045, WIDE_HABITS, bool(rng.random() < 0.1))


def _drawn(
    rng: np.random.Generator, stature: float, spread: float, habits: Mapping[str, tuple[float, float]], left: bool
) -> Body:
    """A person of this stature, whose segments vary by ``spread`` and whose habits lie within these bounds."""

    def part(share: float) -> float:
        return round(stature * share * (1 + spread * float(np.clip(rng.standard_normal(), -2, 2))), 5)

    parts: dict[str, Any] = {name: part(share) for name, share in SHARES.items()}
    drawn: dict[str, Any] = {name: round(float(rng.uniform(*bounds)), 5) for name, bounds in habits.items()}
    return Body(**parts, **drawn, left_handed=left)
