"""What programs call the joints of a body in BVH files: the table behind the recognition by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence as Many

ARM, LEG = ("Shoulder", "Elbow", "Wrist"), ("Hip", "Knee", "Foot")

# Joint of Human3.6M: its names beside a side (left, right, l, r, before or behind); the first that is there
# counts.
NAMES = {
    "Hip": ("upleg", "upperleg", "thigh", "thighbend", "femur", "hip"),
    "Knee": ("knee", "shin", "calf", "lowerleg", "lowleg", "tibia", "leg"),
    "Foot": ("ankle", "foot"),
    "Shoulder": ("upperarm", "uparm", "uarm", "arm", "humerus", "shldr", "shldrbend", "shoulder"),
    "Elbow": ("elbow", "forearm", "forearmbend", "lowerarm", "lowarm", "farm", "radius"),
    "Wrist": ("wrist", "hand"),
}
NECK = ("neck", "neck0", "neck1", "neck01", "neckbase", "lowerneck")
HEAD = ("head", "skull")
HEAD_TOP = ("top", "end", "nub", "tip")  # ends of the name of a joint on top of the head

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SIDES = {"L": ("left", "l"), "R": ("right", "r")}
_BASES = frozenset(base for bases in NAMES.values() for base in bases)


def plain_names(names: Many[str]) -> list[str]:
    """Names in small letters and digits, without name space and the words with which nearly all of them begin.

    "mixamorig:LeftUpLeg", "Bip01 L Thigh" and "Character1_LeftHand" become "leftupleg", "lthigh" and "lefthand".
    """
    words = [[word.lower() for word in _WORD.findall(name.rsplit(":", 1)[-1])] for name in names]
    for length in (3, 2, 1):
        beginnings = Counter(tuple(parts[:length]) for parts in words if len(parts) >= length)
        common, count = beginnings.most_common(1)[0] if beginnings else ((), 0)
        if count >= 0.8 * len(names) and count > 2 and not {"left", "right", "l", "r"} & set(common):
            words = [parts[length:] if tuple(parts[:length]) == common else parts for parts in words]
            break
    return ["".join(parts) for parts in words]


def limb_joints(plain: Many[str]) -> dict[str, int]:
    """The limb joints that are recognised by name: "LHip" and so on, and the place of the name."""
    there: dict[tuple[str, str], int] = {}
    for place, name in enumerate(plain):
        for key in _readings(name):
            there.setdefault(key, place)
    found = {}
    for side in _SIDES:
        for joint, bases in NAMES.items():
            found_at = next((there[side, base] for base in bases if (side, base) in there), None)
            if found_at is not None:
                found[side + joint] = found_at
    return found


def _readings(name: str) -> list[tuple[str, str]]:
    """The side and the part of the body, if the name can be read so."""
    for length in (0, 1):  # the whole word before the letter
        for side, words in _SIDES.items():
            word = words[length]
            for base in (name.removeprefix(word), name.removesuffix(word)):
                if base != name and base in _BASES:
                    return [(side, base)]
    return []
