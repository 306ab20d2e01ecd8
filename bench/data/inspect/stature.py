"""Whether the bodies of a data set are as tall as people: a wrong unit is seen there first."""

from __future__ import annotations

from typing import Literal

import numpy as np

from models.skeleton import Skeleton

Verdict = Literal["ok", "note", "problem"]
Line = tuple[Verdict, str]

STATURES = (0.8, 2.3)  # metres, children included
SHARE = 0.961  # of the stature: legs from the ankle, trunk, neck and head (Winter's proportions)


def judge_stature(skeleton: Skeleton, subjects: list[str], lengths: np.ndarray) -> Line:
    """One line with the least and the greatest stature of a subject.

    ``lengths``: ``[subjects, bones]`` means in metres, in the order of ``skeleton.bones``.
    """
    ends = head_and_feet(skeleton)
    if ends is None:
        return "note", "stature: the skeleton does not end in a head and two feet, so that it was not checked"
    head, feet = ends
    paired = {*skeleton.left, *skeleton.right}
    weights = np.zeros(len(skeleton.bones))
    for place, (parent, child) in enumerate(skeleton.bones):
        if child not in paired:
            weights[place] = child in _way(skeleton, head)
        elif parent in paired:  # from the hip downwards; the bone to the hip is across
            weights[place] = any(child in _way(skeleton, foot) for foot in feet) / 2
    statures = lengths @ weights / SHARE
    least, most = int(statures.argmin()), int(statures.argmax())
    fine = STATURES[0] <= statures[least] and statures[most] <= STATURES[1]
    return (
        "ok" if fine else "problem",
        f"stature: {statures[least]:.2f} m ({subjects[least]}) to {statures[most]:.2f} m ({subjects[most]}); "
        "another unit would make giants or dwarfs",
    )


def head_and_feet(skeleton: Skeleton) -> tuple[int, tuple[int, int]] | None:
    """The joint at the top of the head and the lowest ones of both legs; None where names do not tell them."""
    names = [name.lower() for name in skeleton.joints]
    ends = [joint for joint in range(len(names)) if joint not in skeleton.parents]
    heads = [joint for joint in ends if "head" in names[joint]]
    feet = [joint for joint in ends if names[joint].endswith(("foot", "ankle"))]
    return (heads[0], (feet[0], feet[1])) if len(heads) == 1 and len(feet) == 2 else None


def _way(skeleton: Skeleton, joint: int) -> list[int]:
    """The joint, its parent and so on to the root."""
    way = [joint]
    while skeleton.parents[way[-1]] >= 0:
        way.append(skeleton.parents[way[-1]])
    return way
