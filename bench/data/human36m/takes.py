"""Names of Human3.6M's takes: the fifteen actions, and the other spellings that are about."""

from __future__ import annotations

import re
from collections import abc
from typing import Any

from bench.data.left_out import check_left_out
from models.errors import InputError, some_of

ACTIONS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases", "Sitting",
    "SittingDown", "Smoking", "Waiting", "WalkDog", "WalkTogether", "Walking",
)  # fmt: skip
OTHER_NAMES = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog", "WalkingTogether": "WalkTogether"}
NUMBERED = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Posing", "Purchases", "Sitting", "SittingDown",
    "Smoking", "Photo", "Waiting", "Walking", "WalkDog", "WalkTogether",
)  # fmt: skip
"""The actions as files with numbers count them, from 2 on: s_09_act_02_subact_01."""
LEFT_OUT = ("S11", "Directions")  # its video is damaged; the whole field leaves it out

Actions = dict[str, Any]

_KNOWN = {name.lower(): name for name in ACTIONS} | {old.lower(): new for old, new in OTHER_NAMES.items()}
_KNOWN |= {f"act{number:02d}subact": name for number, name in enumerate(NUMBERED, 2)}


def usual_name(take: str) -> str:
    """A take's name as the field's files have it: "TakingPhoto-2" and "taking_photo_2" are "Photo 2"; others stay.

    Subjects before it ("s_09_act_02_subact_01") and zeros before its number are left out.
    """
    match = re.fullmatch(r"(?:s_?\d+_)?(.+?)(?:[-_ ]?0*([1-9]\d{0,2}))?", take, re.IGNORECASE)
    action = _KNOWN.get(re.sub(r"[-_ ]", "", match[1]).lower()) if match else None
    if match is None or action is None:
        return take
    return f"{action} {match[2]}" if match[2] else action


def with_usual_names(subjects: dict[str, Actions], place: str) -> dict[str, Actions]:
    """The same takes under their usual names, in the same order.

    Raises:
        InputError: two takes of a subject would have one name. ``place``: the file, for the sentence.
    """
    renamed = {}
    for subject, actions in subjects.items():
        renamed[subject] = {usual_name(take): stored for take, stored in actions.items()}
        if len(renamed[subject]) < len(actions):
            names = [usual_name(take) for take in actions]
            twice = [take for take in actions if names.count(usual_name(take)) > 1]
            raise InputError(
                f"{place}: {subject} has {some_of(twice)}, which are names of one take: rename or remove one"
            )
    return renamed


def notes_on_names(before: abc.Mapping[str, Actions], after: abc.Mapping[str, Actions]) -> list[str]:
    """Sentences for tables on what takes are called: other spellings, actions that Human3.6M does not have.

    ``before``, ``after``: takes of the subjects as stored, and with their usual names.
    """
    notes = []
    changed = {old: usual_name(old) for actions in before.values() for old in actions if usual_name(old) != old}
    if changed:
        pairs = [f"{old} is {new}" for old, new in sorted(changed.items())]
        notes.append(f"Takes have their usual names: {some_of(pairs)}")
    classes = {take.split(" ")[0] for actions in after.values() for take in actions}
    strange = sorted(classes - set(ACTIONS))
    if strange:
        notes.append(f"Actions that are none of Human3.6M's fifteen, each a class of its own: {some_of(strange)}")
    subject, action = LEFT_OUT
    if action not in after.get(subject, ()) and f"{action} 2" in after.get(subject, ()):
        notes.append(
            f"{subject} has {action} 1 and {action} 2: which of them the field leaves out cannot be told, and "
            "both are kept"
        )
    return notes


def without_takes(
    subjects: dict[str, Actions], leave_out: abc.Sequence[str], place: str
) -> tuple[dict[str, Actions], list[str]]:
    """Subjects without takes ("S9/TakingPhoto-1"), and their usual names; ``place``: the file, for sentences.

    Raises:
        InputError: there is no such take.
    """
    pairs = [(subject, usual_name(take)) for subject, _, take in (name.partition("/") for name in leave_out)]
    names = [f"{subject}/{take}" for subject, take in pairs]
    check_left_out(names, {f"{who}/{take}" for who, actions in subjects.items() for take in actions}, place)
    kept = {
        who: {take: stored for take, stored in actions.items() if (who, take) not in pairs}
        for who, actions in subjects.items()
    }
    return {who: actions for who, actions in kept.items() if actions}, names
