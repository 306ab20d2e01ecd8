"""Layouts of 2D key points, and how the joints of Human3.6M follow from each of them.

``LAYOUTS`` says which key point stands where; ``RECIPES`` is the one table by which hip, spine, thorax, neck and
head are made of the key points that a layout has. The scripts of the field do the same: pelvis and thorax are the
middles of hips and shoulders, the spine is half way between, "Neck/Nose" lies three quarters of the way from the
thorax to the nose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.skeleton import HUMAN36M


@dataclass(frozen=True)
class Layout:
    """Key points of one tool, in its order.

    Attributes:
        name: "coco".
        title: "COCO-17".
        points: name of each one: that of the joint of Human3.6M where it is the same joint.
    """

    name: str
    title: str
    points: tuple[str, ...]


_COCO = (
    "nose", "left eye", "right eye", "left ear", "right ear", "LShoulder", "RShoulder", "LElbow", "RElbow",
    "LWrist", "RWrist", "LHip", "RHip", "LKnee", "RKnee", "LFoot", "RFoot",
)  # fmt: skip
_FEET = ("toes",) * 6
_BODY_25 = (
    "nose", "neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "pelvis", "RHip", "RKnee",
    "RFoot", "LHip", "LKnee", "LFoot", "right eye", "left eye", "right ear", "left ear",
)  # fmt: skip
_MPII = (
    "RFoot", "RKnee", "RHip", "LHip", "LKnee", "LFoot", "pelvis", "neck", "upper neck", "head top", "RWrist",
    "RElbow", "RShoulder", "LShoulder", "LElbow", "LWrist",
)  # fmt: skip

LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("human36m", "Human3.6M-17", HUMAN36M.joints),
        Layout("coco", "COCO-17", _COCO),
        Layout("coco_wholebody", "COCO-WholeBody-133 (its body)", _COCO + _FEET + ("face or hands",) * 110),
        Layout("halpe26", "Halpe-26", (*_COCO, "head top", "neck", "pelvis", *_FEET)),
        Layout("body25", "BODY-25", _BODY_25 + _FEET),
        Layout("mpii", "MPII-16", _MPII),
    )
}

RECIPES: Mapping[str, tuple[Mapping[str, float], ...]] = {
    "Hip": ({"pelvis": 1}, {"LHip": 0.5, "RHip": 0.5}),
    "Thorax": ({"neck": 1}, {"LShoulder": 0.5, "RShoulder": 0.5}),
    "Spine": ({"Hip": 0.5, "Thorax": 0.5},),
    "Head": (
        {"head top": 1},
        {"left ear": 0.65, "right ear": 0.65, "Thorax": -0.3},
        {"left ear": 1.3, "Thorax": -0.3},
        {"right ear": 1.3, "Thorax": -0.3},
        {"nose": 1.3, "Thorax": -0.3},
        {"Thorax": 1.48, "Hip": -0.48},
    ),
    "Neck/Nose": ({"upper neck": 1}, {"nose": 0.75, "Thorax": 0.25}, {"Head": 0.5, "Thorax": 0.5}),
}
"""Joint of Human3.6M → the weights of the points that it is made of; the first line all of whose points were seen.

A joint that the layout has itself is taken as it is. Human3.6M's head is about 1.3 times as far from the thorax as
the ears are; 0.48 is the length of head and neck by that of the trunk.
"""


def to_human36m(points: np.ndarray, layout: Layout) -> np.ndarray:
    """The joints of Human3.6M made of the key points of a layout.

    Args:
        points: ``[..., N, 2]`` places, or ``[..., N, 3]`` with the confidence; NaN for points that were not seen.

    Returns:
        ``[..., 17, 2]`` or ``[..., 17, 3]`` of the same type; a joint has the least confidence of the points that
        it is made of, and is NaN where they were not seen.
    """
    seen = {name: points[..., number, :] for number, name in enumerate(layout.points)}
    for joint, recipes in RECIPES.items():
        if joint not in seen:
            seen[joint] = np.full_like(points[..., 0, :], np.nan)
            for recipe in recipes:
                if recipe.keys() <= seen.keys():
                    missing = np.isnan(seen[joint][..., :2]).any(axis=-1, keepdims=True)
                    np.copyto(seen[joint], _mixed(seen, recipe), where=missing)
    return np.stack([seen[joint] for joint in HUMAN36M.joints], axis=-2)


def _mixed(seen: Mapping[str, np.ndarray], recipe: Mapping[str, float]) -> np.ndarray:
    """``[..., 2]`` or ``[..., 3]``: weighted places with the least confidence of them."""
    parts = [seen[name] for name in recipe]
    mixed = sum(weight * part for weight, part in zip(recipe.values(), parts, strict=True))
    mixed = np.asarray(mixed, dtype=parts[0].dtype)
    mixed[..., 2:] = np.minimum.reduce([part[..., 2:] for part in parts])
    return mixed
