"""A folder of BVH files as a data set: real motion capture, seen by virtual cameras.

CMU's database (mocap.cs.cmu.edu), for example, is free for all uses. The skeleton of every file is brought to the
17 joints of Human3.6M, see ``bench.data.bvh.joints``.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import numpy as np

from bench.data.bvh.cache import read_clips
from bench.data.bvh.clip import Clip, Settings
from bench.data.bvh.joints import JOINTS
from bench.data.bvh.takes import NamedFile, find_files, name_files, split
from bench.data.packing import Recording, pack
from bench.data.reader import Reader
from bench.data.sequence import Dataset, Sequence
from bench.data.synthetic.detector import detect
from bench.data.virtual_cameras import virtual_cameras
from models.errors import InputError
from models.skeleton import HUMAN36M

SHOWN = 3  # files named in a note
MAX_REACH = 25.0  # metres from the middle of a take to its farthest joint
SEEN = {  # by detections
    "gt": "four virtual cameras without lens distortion; 2D poses are exact projections",
    "cpn": "four virtual cameras without lens distortion; 2D poses are projections with made-up detector errors, "
    "no detector ran",
}

Unit = Literal["m", "cm", "mm", "inch", "cmu"]
Axis = Literal["x", "y", "z"]


class BVH(Reader):
    """A folder of BVH files: one sub-folder for each subject, or files side by side."""

    name = "bvh"
    skeleton = HUMAN36M
    detections = tuple(SEEN)
    needs = "the BVH files"
    suffixes = (".bvh",)

    def read(
        self,
        root: Path,
        detections: str,
        *,
        test: str | None = None,
        index: Path | None = None,
        joints: str | None = None,
        unit: Unit | None = None,
        up: Axis | None = None,
        source_fps: float | None = None,
        fps: float = 50.0,
        skip: bool = False,
    ) -> Dataset:
        """Read all BVH files below a folder.

        Args:
            root: the folder.
            detections: "gt", exact projections, or "cpn", the same with the errors of a detector; none was run.
            test: test subjects, separated by commas; every fifth if not given, and of a single subject every third
                take.
            index: a text file that says what is done in each file (``takes.name_files``).
            joints: names of the files' joints where they are not recognised, "LHip=thigh_left, LKnee=…".
            unit, up: of all files; found for each of them if not given.
            source_fps: frame rate of the files, in place of what they say.
            fps: of the data set.
            skip: leave files that cannot be used out, and say so in the notes.

        Raises:
            InputError: the folder has no BVH file, a file cannot be used (unless ``skip``), or an option is out of
                its range.
        """
        _check_frame_rates(source_fps=source_fps, fps=fps)
        settings = Settings(unit, up, source_fps, fps, _given_joints(joints))
        files, unnamed = name_files(find_files(root), index)
        clips, notes = _usable_clips(root, files, settings, skip)
        usable = [file for file in files if file.path in clips]
        train, test_files, division = split(usable, [part.strip() for part in test.split(",")] if test else [])
        if unnamed:
            notes.append(f"{unnamed} files have no line in {index}: their actions are called by the files' names")
        parts = [_sequences(part, clips, detections, fps) for part in (train, test_files)]
        subjects, frames = len({file.subject for file in usable}), sum(map(len, parts[1]))
        return self.dataset(
            *parts,
            label=f"BVH motion capture ({subjects} subject{'s' * (subjects > 1)}, {frames:,} test frames)",
            detections=detections,
            notes=(SEEN[detections], division, *_findings(clips), *notes),
        )


def _check_frame_rates(**rates: float | None) -> None:
    for option, value in rates.items():
        if value is not None and not 1 <= value <= 10_000:
            raise InputError(f"option {option} is {value:g}, but a frame rate lies between 1 and 10,000: take 50")


def _given_joints(text: str | None) -> tuple[tuple[str, str], ...]:
    """ "LHip=thigh_left, LKnee=…" as pairs of a joint of Human3.6M and a name in the files."""
    pairs = []
    for part in text.split(",") if text else ():
        joint, equals, there = (piece.strip() for piece in part.partition("="))
        if not equals or not there or joint not in JOINTS:
            raise InputError(
                f"option joints has '{part.strip()}', which does not give one of {', '.join(JOINTS)} a name in "
                "the files: write it as 'LHip=thigh_left, LKnee=…'"
            )
        pairs.append((joint, there))
    return tuple(pairs)


def _usable_clips(
    root: Path, files: list[NamedFile], settings: Settings, skip: bool
) -> tuple[dict[Path, Clip], list[str]]:
    """The clips, and a note on files that were left out."""
    clips: dict[Path, Clip] = {}
    wrong = []
    for path, clip in read_clips([file.path for file in files], settings).items():
        if isinstance(clip, str):
            wrong.append(clip)
            continue
        reach = np.linalg.norm(clip.world - clip.world.mean((0, 1)), axis=-1).max()
        if reach <= MAX_REACH:
            clips[path] = clip
        else:
            wrong.append(
                f"{path}: its motion reaches {reach:,.0f} m far, more than a room: cut or remove the file"
            )
    if wrong and not skip:
        more = f" ({len(wrong)} files have something wrong; data.options.skip=true leaves them out)"
        raise InputError(wrong[0] + (more if len(files) > 1 else ""))
    if not clips:
        raise InputError(f"{root}: none of its {len(files)} BVH files can be used; the first: {wrong[0]}")
    return clips, [f"{len(wrong)} files left out; the first: {wrong[0]}"] if wrong else []


def _sequences(
    files: list[NamedFile], clips: dict[Path, Clip], detections: str, fps: float
) -> tuple[Sequence, ...]:
    """What four virtual cameras see of each take."""
    recordings = []
    for file in files:
        world = clips[file.path].world
        cameras = virtual_cameras(world, file.subject)
        pixels = [camera.pixels(camera.from_world(world.astype(np.float64))) for camera in cameras]
        if detections == "cpn":
            seed = blake2b(f"{file.subject}/{file.action}".encode(), digest_size=8).digest()
            pixels = [detect(np.random.default_rng([*seed, view]), exact) for view, exact in enumerate(pixels)]
        views = tuple(view.astype(np.float32) for view in pixels)
        recordings.append(Recording(file.subject, file.action, world, views, cameras))
    return pack(recordings, fps)


def _findings(clips: dict[Path, Clip]) -> list[str]:
    """What was found out of the files, one sentence for all that are alike."""
    alike: dict[str, list[str]] = defaultdict(list)
    for path, clip in clips.items():
        guessed = f"joints guessed: {', '.join(clip.guessed)}" if clip.guessed else "joints known by their names"
        parts = [f"unit {clip.unit}, {clip.up} up"]
        parts += ["left-handed coordinates, mirrored"] * clip.mirrored
        parts += ["the bone of the chest, which the conversion lost, put back"] * clip.completed
        alike["; ".join([*parts, guessed])].append(path.name)
    return [
        f"{', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN} more files' * (len(names) > SHOWN)}: {finding}"
        for finding, names in alike.items()
    ]
