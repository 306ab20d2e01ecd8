"""Arms and legs in the hierarchy of a BVH file: by the names of the joints, else by the shape of the hierarchy."""

from __future__ import annotations

import re
from collections import Counter, abc
from itertools import combinations

import numpy as np

from bench.data.bvh.format import Hierarchy

LEG, ARM = ("Hip", "Knee", "Foot"), ("Shoulder", "Elbow", "Wrist")  # from the trunk outwards
LIMBS = tuple(tuple(side + joint for joint in limb) for side in "LR" for limb in (LEG, ARM))
# joint of Human3.6M: its names beside a side (left, right, l, r, before or behind); the first that is there counts
NAMES = {
    "Hip": ("upleg", "upperleg", "thigh", "thighbend", "femur", "hip"),
    "Knee": ("knee", "shin", "calf", "lowerleg", "lowleg", "tibia", "shank", "leg"),
    "Foot": ("ankle", "foot"),
    "Shoulder": ("upperarm", "uparm", "uarm", "arm", "humerus", "shldr", "shldrbend", "shoulder"),
    "Elbow": ("elbow", "forearm", "forearmbend", "lowerarm", "lowarm", "farm", "radius"),
    "Wrist": ("wrist", "hand"),
}
PARTS = ("", "01", "stretch")  # behind a name: the first of several parts of a bone
SIDES = {"L": ("left", "l"), "R": ("right", "r")}
ALIKE = 0.15  # greatest difference of the lengths of two limbs of a pair, as a share
APART = 0.35  # least distance of the shoulders, as a share of upper arm and forearm; collar bones begin nearer
MAX_CHILDREN = 40  # of a joint that may carry a pair of limbs

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def plain_names(names: abc.Sequence[str]) -> list[str]:
    """Names in small letters and digits, without name space and the words that nearly all begin or end with.

    "mixamorig:LeftUpLeg", "Bip01 L Thigh" and "left_hand_joint" become "leftupleg", "lthigh" and "lefthand".
    """
    words = [[word.lower() for word in _WORD.findall(name.rsplit(":", 1)[-1])] for name in names]
    words = _without_common_beginning(words)
    ends = [name.endswith("/end") for name in names]  # of end sites, whose joints' names are looked at
    reverse = [parts[::-1][end:] for parts, end in zip(words, ends, strict=True)]
    words = [parts[::-1] for parts in _without_common_beginning(reverse)]
    return ["".join(parts) + "end" * end for parts, end in zip(words, ends, strict=True)]


def _without_common_beginning(names: list[list[str]]) -> list[list[str]]:
    for length in (3, 2, 1):
        beginnings = Counter(tuple(parts[:length]) for parts in names if len(parts) >= length)
        common, count = beginnings.most_common(1)[0] if beginnings else ((), 0)
        if count >= 0.8 * len(names) and count > 2 and not {"left", "right", "l", "r"} & set(common):
            return [parts[length:] if tuple(parts[:length]) == common else parts for parts in names]
    return names


def limbs_by_name(hierarchy: Hierarchy, plain: abc.Sequence[str]) -> dict[str, int]:
    """Joints of arms and legs that are known by their ``plain_names``, as "LHip" → node; end sites are none."""
    found = {}
    for side, words in SIDES.items():
        for joint, bases in NAMES.items():
            for name in (base + part for base in bases for part in PARTS):
                spellings = {spelling for word in words for spelling in (word + name, name + word)}
                nodes = [node for node, word in enumerate(plain) if word in spellings and not hierarchy.ends[node]]
                if nodes:
                    found[side + joint] = nodes[0]
                    break
    return found


def are_complete(limbs: abc.Mapping[str, int], hierarchy: Hierarchy) -> bool:
    """Whether every joint of the limbs is there, and each of them hangs below the one before it."""
    return all(
        all(joint in limbs for joint in limb)
        and limbs[limb[0]] in hierarchy.above(limbs[limb[1]])[1:]
        and limbs[limb[1]] in hierarchy.above(limbs[limb[2]])[1:]
        for limb in LIMBS
    )


LimbPair = tuple[float, int, int, int]  # reach, node, and the branches of a possible pair of limbs
Limb = tuple[int, int, int]


def limbs_by_shape(hierarchy: Hierarchy) -> dict[str, int] | None:
    """Joints of arms and legs from the shape of the hierarchy alone, as "LHip" → node.

    Arms and legs are the two pairs of branches with the longest reach that are alike in size and length; the legs
    begin nearer to the root. Within a branch, the two longest bones that follow each other, the first bone left
    out, are thigh and shank or upper arm and forearm. Left is what names say, else what is left of where the toes
    point.

    Returns:
        None if there are no such pairs, or the sides stay unknown.
    """
    pairs = sorted(_pairs(hierarchy), key=lambda pair: -pair[0])
    second = next((pair for pair in pairs if not _overlap(hierarchy, pairs[0], pair)), None)
    if second is None:
        return None
    legs, arms = sorted((pairs[0], second), key=lambda pair: (len(hierarchy.above(pair[1])), -pair[0]))
    leg_limbs, arm_limbs = _limbs(hierarchy, legs, 0.0), _limbs(hierarchy, arms, APART)
    result: dict[str, int] = {}
    for joints, limbs, trunk in ((LEG, leg_limbs, legs[1]), (ARM, arm_limbs, arms[1])):
        sides = limbs and (_sides_by_name(hierarchy, limbs) or _sides_by_toes(hierarchy, leg_limbs, limbs, trunk))
        if not sides:
            return None
        for side, limb in zip(sides, limbs, strict=True):
            result |= {side + joint: node for joint, node in zip(joints, limb, strict=True)}
    return result


def _pairs(hierarchy: Hierarchy) -> abc.Iterator[LimbPair]:
    """Pairs of branches of one node that are alike in size and length."""
    for node, children in enumerate(hierarchy.children):
        sizes = {child: len(hierarchy.below(child)) for child in children[:MAX_CHILDREN]}
        for one, two in combinations(sizes, 2):
            near, far = sorted(float(hierarchy.span[child]) for child in (one, two))
            few, many = sorted((sizes[one], sizes[two]))
            if near > (1 - ALIKE) * far and 4 * few >= 3 * many:
                yield far, node, one, two


def _overlap(hierarchy: Hierarchy, one: LimbPair, two: LimbPair) -> bool:
    return any(a in hierarchy.below(b) or b in hierarchy.below(a) for a in one[2:] for b in two[2:])


def _limbs(hierarchy: Hierarchy, pair: LimbPair, apart: float) -> list[Limb]:
    """The two limbs of a pair, whose first joints are ``apart`` at least, as a share of their two bones."""
    ways = [
        [node for node in hierarchy.farthest(branch) if hierarchy.lengths[node] > 0.01 * hierarchy.span[branch]]
        for branch in pair[2:]
    ]
    best: tuple[float, list[Limb]] = (0.0, [])
    for begin in range(min(map(len, ways)) - 2):
        limbs = [(way[begin], way[begin + 1], way[begin + 2]) for way in ways]
        bones = float(sum(hierarchy.lengths[node] for limb in limbs for node in limb[1:])) / 2
        distance = float(np.linalg.norm(hierarchy.rest[limbs[0][0]] - hierarchy.rest[limbs[1][0]]))
        if bones > best[0] and distance >= apart * bones:
            best = bones, limbs
    return best[1]


def _sides_by_name(hierarchy: Hierarchy, limbs: list[Limb]) -> str | None:
    """ "LR" or "RL" where all names of each limb that tell a side tell the same one; else None."""
    names = [" ".join(hierarchy.names[node].lower() for node in limb) for limb in limbs]
    sides = ["".join(side for side, (word, _) in SIDES.items() if word in name) for name in names]
    return "".join(sides) if sides in (["L", "R"], ["R", "L"]) else None


def _sides_by_toes(hierarchy: Hierarchy, legs: list[Limb], limbs: list[Limb], trunk: int) -> str | None:
    """ "LR" if the first limb is on the left of where the feet point, "RL" if on the right; else None."""
    rest, feet = hierarchy.rest, [leg[2] for leg in legs]
    toes = [toe_of(hierarchy, foot) for foot in feet]
    if None in toes:
        return None
    up = rest[trunk] - rest[feet].mean(axis=0)
    forward = np.mean([rest[toe] - rest[foot] for toe, foot in zip(toes, feet, strict=True)], axis=0)
    across = rest[limbs[0][0]] - rest[limbs[1][0]]
    to_first = float(np.cross(up, forward) @ across)
    scale = float(np.linalg.norm(up) * np.linalg.norm(forward) * np.linalg.norm(across))
    if abs(to_first) < 0.2 * scale or scale == 0:
        return None
    return "LR" if to_first > 0 else "RL"


def toe_of(hierarchy: Hierarchy, foot: int) -> int | None:
    """The tip of the foot, beyond heel and ball; None if nothing of it lies elsewhere than the ankle."""
    tip = hierarchy.farthest(foot)[-1]
    return tip if (hierarchy.rest[tip] != hierarchy.rest[foot]).any() else None
