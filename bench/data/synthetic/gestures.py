"""What hands do: named places that they go to, and scripts that lead from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.data.synthetic.bodies import Actor, Body
from bench.data.synthetic.curves import change_times, staircase, wander
from bench.data.synthetic.kinematics import SIDES, TrunkPose, apply, shoulders

Frame = Literal["upright", "thorax", "pelvis", "head"]


@dataclass(frozen=True)
class Spot:
    """A place for a wrist: forward, outward (to the hand's own side) and up.

    Attributes:
        frame: "upright" and "thorax" count from the shoulder in lengths of the arm, along the heading or along the
            chest; "pelvis" and "head" count from the hips or the head in metres.
        place: ``[3]``.
        elbow: direction in which the elbow points.
        spread: standard deviation of ``place`` between visits.
        stir: amplitude of small motion while there, in the units of ``place``.
    """

    frame: Frame
    place: tuple[float, float, float]
    elbow: tuple[float, float, float] = (-0.5, 0.55, -0.8)
    spread: float = 0.04
    stir: float = 0.015


SPOTS: Mapping[str, Spot] = {
    "hang": Spot("upright", (0.08, 0.09, -0.975), (-1.0, 0.35, 0.0), 0.02, 0.012),
    "swing": Spot("upright", (0.0, 0.10, -1.0), (-1.0, 0.3, 0.0), 0.01, 0.008),
    "low": Spot("thorax", (0.40, 0.02, -0.62), (-0.7, 0.7, -0.3), 0.07, 0.03),
    "talk": Spot("thorax", (0.58, 0.02, -0.22), (-0.4, 0.7, -0.8), 0.10, 0.10),
    "wide": Spot("thorax", (0.48, 0.48, -0.16), (-0.5, 0.5, -0.8), 0.10, 0.09),
    "high": Spot("thorax", (0.50, 0.25, 0.45), (-0.3, 0.8, -0.7), 0.10, 0.06),
    "ahead": Spot("thorax", (0.93, -0.02, 0.05), (-0.2, 0.6, -0.8), 0.08, 0.02),
    "aside": Spot("thorax", (0.35, 0.86, 0.05), (-0.6, 0.2, -0.8), 0.10, 0.02),
    "across": Spot("thorax", (0.66, -0.45, -0.02), (0.2, 0.8, -0.6), 0.08, 0.03),
    "up": Spot("thorax", (0.32, 0.25, 0.85), (0.1, 0.9, -0.2), 0.06, 0.03),
    "wave": Spot("thorax", (0.28, 0.48, 0.52), (-0.3, 0.8, -0.7), 0.05, 0.02),
    "shake": Spot("thorax", (0.78, -0.12, -0.32), (-0.3, 0.6, -0.8), 0.04, 0.03),
    "fold": Spot("thorax", (0.30, -0.40, -0.40), (0.1, 1.0, -0.6), 0.02, 0.008),
    "leash": Spot("upright", (0.45, 0.12, -0.70), (-0.8, 0.5, -0.3), 0.05, 0.06),
    "bag": Spot("upright", (0.05, 0.16, -0.97), (-1.0, 0.3, 0.0), 0.02, 0.02),
    "pick": Spot("upright", (0.45, 0.0, -0.88), (-0.4, 0.8, 0.1), 0.06, 0.04),
    "rail": Spot("pelvis", (-0.16, 0.24, -0.02), (-1.0, 0.6, 0.0), 0.03, 0.008),
    "waist": Spot("pelvis", (0.03, 0.17, 0.10), (-0.35, 1.0, -0.1), 0.015, 0.006),
    "pocket": Spot("pelvis", (0.08, 0.20, -0.06), (-1.0, 0.6, 0.0), 0.015, 0.006),
    "back": Spot("pelvis", (-0.16, 0.06, 0.06), (-0.6, 0.9, 0.0), 0.02, 0.006),
    "lap": Spot("pelvis", (0.26, 0.06, 0.10), (-0.6, 0.8, -0.3), 0.03, 0.010),
    "knee": Spot("pelvis", (0.40, 0.14, 0.14), (-0.5, 0.8, -0.3), 0.03, 0.010),
    "table": Spot("pelvis", (0.42, 0.14, 0.24), (-0.5, 0.9, -0.5), 0.05, 0.020),
    "shin": Spot("pelvis", (0.42, 0.10, 0.30), (-0.3, 0.9, -0.3), 0.03, 0.010),
    "prop": Spot("pelvis", (-0.26, 0.24, -0.05), (-0.8, 0.6, 0.2), 0.03, 0.008),
    "ear": Spot("head", (0.07, 0.12, -0.19), (0.25, 0.7, -1.0), 0.015, 0.006),
    "mouth": Spot("head", (0.17, 0.04, -0.21), (0.0, 0.7, -1.0), 0.015, 0.010),
    "chin": Spot("head", (0.12, 0.04, -0.27), (0.1, 0.5, -1.0), 0.015, 0.008),
    "eyes": Spot("head", (0.22, 0.10, -0.14), (0.0, 0.7, -1.0), 0.020, 0.006),
    "brow": Spot("head", (0.12, 0.11, -0.06), (0.3, 1.0, -0.4), 0.015, 0.006),
}


@dataclass(frozen=True)
class Script:
    """What the hands of an action do.

    Attributes:
        lead, other: spots of the leading and the other hand, with the weights of their visits.
        stay: seconds at a spot, least and greatest.
        together: probability that the other hand goes to the leading hand's next spot.
        beat: (forward, outward, up) of a fast oscillation at ``beats`` spots, lengths of the arm.
        tempo: of the oscillation, beats per second.
    """

    lead: Mapping[str, float]
    other: Mapping[str, float]
    stay: tuple[float, float] = (0.7, 1.8)
    together: float = 0.0
    beats: tuple[str, ...] = ()
    beat: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tempo: float = 2.0


def hands(actor: Actor, pose: TrunkPose, swing: np.ndarray, script: Script) -> tuple[np.ndarray, np.ndarray]:
    """Follow a script with both hands; ``swing``: ``[T, 2]`` forward angle of arms that swing.

    Returns:
        Wanted wrists ``[T, 2, 3]`` and directions of the elbows ``[T, 2, 3]``, world.
    """
    rng = actor.rng
    begin = change_times(rng, actor.time, script.stay)
    duration = np.clip(rng.uniform(0.45, 0.8, len(begin)) / actor.body.vigour, 0.3, 0.9)
    lead, other = (_draw(actor, weights, len(begin) + 1) for weights in (script.lead, script.other))
    joined = rng.uniform(size=len(lead)) < script.together
    other = [a if both else b for a, b, both in zip(lead, other, joined, strict=True)]
    visits = (lead, other) if actor.body.left_handed else (other, lead)
    sides = [
        _hand(actor, pose, swing[:, side], side, begin + late, duration, names, script)
        for side, names, late in zip((0, 1), visits, rng.uniform(0, 0.12, 2), strict=True)
    ]
    wrists, elbows = (np.stack(parts, axis=1) for parts in zip(*sides, strict=True))
    return wrists, elbows


def _hand(
    actor: Actor,
    pose: TrunkPose,
    swing: np.ndarray,
    side: int,
    begin: np.ndarray,
    duration: np.ndarray,
    names: list[str],
    script: Script,
) -> tuple[np.ndarray, np.ndarray]:
    """One hand: every kind of spot it visits, blended by how much it is there."""
    used = sorted(set(names))
    time = actor.time
    present = np.array([[name == visited for name in used] for visited in names], dtype=np.float64)
    weights = staircase(time, begin, duration, present)
    wrist, elbow = np.zeros((len(time), 3)), np.zeros((len(time), 3))
    for column, name in enumerate(used):
        offset = SPOTS[name].spread * actor.rng.standard_normal((len(names), 3))
        offset += actor.body.manners.get(name, (0.0, 0.0, 0.0))
        drift = staircase(time, begin, duration, offset)
        place, pole = _at(actor, pose, swing, side, name, drift, script)
        wrist += weights[:, column, None] * place
        elbow += weights[:, column, None] * pole
    between = 1 - (weights**2).sum(axis=1)
    arc = np.stack([0.16 * between, 0.06 * SIDES[side] * between, 0 * between], axis=-1)
    return wrist + apply(pose.thorax_axes, arc), elbow


def _at(
    actor: Actor, pose: TrunkPose, swing: np.ndarray, side: int, name: str, drift: np.ndarray, script: Script
) -> tuple[np.ndarray, np.ndarray]:
    """Where one spot is over time, ``[T, 3]``, and the elbow's direction for it, ``[T, 3]``, world."""
    spot, body, rng, time = SPOTS[name], actor.body, actor.rng, actor.time
    mirror = np.array([1.0, SIDES[side], 1.0])
    local = np.asarray(spot.place) + drift + spot.stir * body.vigour * wander(rng, time, 3, 0.9)
    if name in script.beats:
        turns = 2 * np.pi * script.tempo * (rng.uniform(0.9, 1.1) * time + rng.uniform())
        local = local + np.sin(turns)[:, None] * np.asarray(script.beat) * body.vigour
    if name == "swing":
        local = _swinging(body, swing) + spot.stir * wander(rng, time, 3, 1.2) + drift
    shoulder = shoulders(body, pose)[:, side]
    origin, axes, scale = {
        "upright": (shoulder, pose.upright_axes, body.arm),
        "thorax": (shoulder, pose.thorax_axes, body.arm),
        "pelvis": (pose.hips.mean(axis=1), pose.upright_axes, 1.0),
        "head": (pose.head, pose.head_axes, 1.0),
    }[spot.frame]
    return origin + apply(axes, local * mirror * scale), apply(axes, np.asarray(spot.elbow) * mirror)


def _swinging(body: Body, swing: np.ndarray) -> np.ndarray:
    """``[T, 3]`` in lengths of the arm: the wrist of an arm that swings, its elbow bending as it comes forward."""
    bend = np.radians(13) + 0.5 * np.maximum(swing + np.radians(15), 0) + 0.1 * (body.swing - 1)
    upper, fore = body.upper_arm / body.arm, body.forearm / body.arm
    forward = upper * np.sin(swing) + fore * np.sin(swing + bend)
    down = upper * np.cos(swing) + fore * np.cos(swing + bend)
    return np.stack([forward, 0.12 - 0.1 * forward, -down], axis=-1)


def _draw(actor: Actor, weights: Mapping[str, float], count: int) -> list[str]:
    names = sorted(weights)
    share = np.array([weights[name] * actor.body.tastes.get(name, 1.0) for name in names])
    return [names[i] for i in actor.rng.choice(len(names), size=count, p=share / share.sum())]
