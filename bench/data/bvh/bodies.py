"""What the bodies of several BVH files say together: one unit for one rig, and who cannot be the same person."""

from __future__ import annotations

from collections import Counter, abc, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.data.bvh.cache import read_clips
from bench.data.bvh.clip import JOINT, STATURE, Clip, Settings
from bench.data.bvh.limbs import LIMBS
from bench.data.bvh.takes import NamedFile
from bench.data.inspect.stature import STATURES

SAME_BODY = 0.05  # greatest difference of a limb's bone among files of one person, as a share

Read = dict[Path, Clip | str]


def same_unit(read: Read, settings: Settings) -> Read:
    """The files, those of one rig in one unit: the one that most of them have.

    A child in inches is as long as an adult in another unit, or as nobody in any. Where a file's body is that of a
    person in the unit of the others, the file is read again in that unit.
    """
    if settings.unit is not None or settings.stature is not None:
        return read
    rigs: dict[str, list[Clip]] = defaultdict(list)
    for clip in read.values():
        if isinstance(clip, Clip):
            rigs[clip.rig].append(clip)
    units = {rig: _common_unit(clips) for rig, clips in rigs.items()}
    result = dict(read)
    for unit in dict.fromkeys(units.values()):
        odd = [
            path for path, clip in read.items() if isinstance(clip, str) or clip.unit != unit == units[clip.rig]
        ]
        again = read_clips(odd, replace(settings, unit=unit)) if odd else {}
        for path, clip in again.items():
            if (
                isinstance(clip, Clip)
                and units.get(clip.rig) == unit
                and STATURES[0] <= clip.stature <= STATURES[1]
            ):
                remark = "the unit is that of the other files with these joints"
                result[path] = replace(clip, remarks=(*clip.remarks, remark))
    return result


def _common_unit(clips: list[Clip]) -> str:
    """Unit of most files; of two that are as frequent, the one with bodies nearer to the usual stature."""
    counts = Counter(clip.unit for clip in clips)
    statures = {unit: np.median([clip.stature for clip in clips if clip.unit == unit]) for unit in counts}
    return max(counts, key=lambda unit: (counts[unit], -abs(np.log(statures[unit] / STATURE))))


def bodies_apart(
    files: abc.Sequence[NamedFile], clips: abc.Mapping[Path, Clip]
) -> tuple[list[NamedFile], list[str]]:
    """Files with bodies of different sizes are those of different subjects, where no layout names the subject.

    Returns:
        The files, of such subjects as "subject", "subject-2", …, in the order of their first files, and a note.
    """
    bodies: dict[str, list[np.ndarray]] = defaultdict(list)
    result = []
    for file in files:
        known, limbs = bodies[file.subject], _limb_lengths(clips[file.path])
        alike = [max((limbs / body).max(), (body / limbs).max()) < 1 + SAME_BODY for body in known]
        number = alike.index(True) if True in alike else len(known)
        if number == len(known):
            known.append(limbs)
        apart = number > 0 and not file.told
        result.append(replace(file, subject=f"{file.subject}-{number + 1}") if apart else file)
    several = [name for name, known in bodies.items() if len(known) > 1]
    told = {file.subject for file in files if file.told}
    notes = [
        f"files of {name} have {len(bodies[name])} bodies, whose limbs are {SAME_BODY:.0%} apart or more: "
        + ("they may be several people" if name in told else f"taken for subjects {name}, {name}-2, …")
        for name in several
    ]
    return result, notes


def _limb_lengths(clip: Clip) -> np.ndarray:
    """``[8]`` of the upper and the lower bones of arms and legs, metres."""
    first = clip.world[0].astype(np.float64)
    bones = [(JOINT[one], JOINT[two]) for limb in LIMBS for one, two in pairwise(limb)]
    lengths = np.linalg.norm(np.array([first[one] - first[two] for one, two in bones]), axis=-1)
    return np.maximum(lengths, 1e-6)
