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
from bench.data.bvh.labels import Named, find, name, split
from bench.data.packing import Recording, pack
from bench.data.reader import Reader
from bench.data.sequence import Dataset, Sequence
from bench.data.synthetic.detector import detect
from bench.data.virtual_cameras import virtual_cameras
from models.errors import InputError
from models.skeleton import HUMAN36M

SHOWN = 3  # files named in a note
MAX_REACH = 25.0  # metres from the middle of a take

Unit = Literal["m", "cm", "mm", "inch", "cmu"]
Axis = Literal["x", "y", "z"]


class BVH(Reader):
    """A folder of BVH files: one sub-folder for each subject, or files side by side."""

    name = "bvh"
    skeleton = HUMAN36M
    detections = ("gt", "cpn")
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
            index: a text file that says what is done in each file (``labels.name``).
            joints: names of the files' joints where they are not recognised, "LHip=thigh_left, LKnee=…".
            unit, up: of all files; found for each of them if not given.
            source_fps: frame rate of the files, in place of what they say.
            fps: of the data set.
            skip: leave files that cannot be used out, and say so in the notes.

        Raises:
            InputError: the folder has no BVH file, a file cannot be used (unless ``skip``), or an option is out of
                its range.
        """
        settings = Settings(unit, up, _rate("source_fps", source_fps), _rate("fps", fps) or fps, _joints(joints))
        named, unnamed = name(find(root), index)
        clips, notes = _usable(root, named, settings, skip)
        usable = [take for take in named if take.path in clips]
        train, test_takes, division = split(usable, [part.strip() for part in test.split(",")] if test else [])
        if unnamed:
            notes.append(f"{unnamed} files have no line in {index}: their actions are called by the files' names")
        parts = [_sequences(takes, clips, detections, fps) for takes in (train, test_takes)]
        subjects, frames = len({take.subject for take in usable}), sum(map(len, parts[1]))
        return self.dataset(
            parts[0],
            parts[1],
            label=f"BVH motion capture ({subjects} subject{'s' * (subjects > 1)}, {frames:,} test frames)",
            detections=detections,
            notes=(_seen(detections), division, *_found(clips), *notes),
        )


def _rate(option: str, value: float | None) -> float | None:
    if value is not None and not 1 <= value <= 10_000:
        raise InputError(f"option {option} is {value:g}, but a frame rate lies between 1 and 10,000: take 50")
    return value


def _joints(text: str | None) -> tuple[tuple[str, str], ...]:
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


def _usable(root: Path, named: list[Named], settings: Settings, skip: bool) -> tuple[dict[Path, Clip], list[str]]:
    """The clips, and a note on files that were left out."""
    read = read_clips([take.path for take in named], settings)
    clips = {path: clip for path, clip in read.items() if isinstance(clip, Clip)}
    wrong = [clip for clip in read.values() if isinstance(clip, str)]
    for path, clip in list(clips.items()):
        reach = float(np.linalg.norm(clip.world - clip.world.mean((0, 1)), axis=-1).max())
        if reach > MAX_REACH:
            wrong.append(
                f"{path}: its motion reaches {reach:,.0f} m far, more than a room: cut or remove the file"
            )
            del clips[path]
    if wrong and not skip:
        more = f" ({len(wrong)} files have something wrong; data.options.skip=true leaves them out)"
        raise InputError(wrong[0] + (more if len(named) > 1 else ""))
    if not clips:
        raise InputError(f"{root}: none of its {len(named)} BVH files can be used; the first: {wrong[0]}")
    return clips, [f"{len(wrong)} files left out; the first: {wrong[0]}"] if wrong else []


def _sequences(takes: list[Named], clips: dict[Path, Clip], detections: str, fps: float) -> tuple[Sequence, ...]:
    made = []
    for take in takes:
        world = clips[take.path].world
        cameras = virtual_cameras(world, take.subject)
        pixels = [camera.pixels(camera.from_world(world.astype(np.float64))) for camera in cameras]
        if detections == "cpn":
            drawn = blake2b(f"{take.subject}/{take.action}".encode(), digest_size=8).digest()
            pixels = [detect(np.random.default_rng([*drawn, view]), exact) for view, exact in enumerate(pixels)]
        single = tuple(seen.astype(np.float32) for seen in pixels)
        made.append(Recording(take.subject, take.action, world, single, cameras))
    return pack(made, fps)


def _seen(detections: str) -> str:
    source = (
        "exact projections" if detections == "gt" else "projections with made-up detector errors, no detector ran"
    )
    return f"four virtual cameras without lens distortion; 2D poses are {source}"


def _found(clips: dict[Path, Clip]) -> list[str]:
    """What was found out of the files, one sentence for all that are alike."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path, clip in clips.items():
        groups[_told(clip)].append(path)
    return [f"{_files(paths)}: {told}" for told, paths in groups.items()]


def _told(clip: Clip) -> str:
    parts = [f"unit {clip.unit}, {clip.up} up"]
    if clip.mirrored:
        parts.append("left-handed coordinates, mirrored")
    if clip.completed:
        parts.append("the bone of the chest, which the conversion lost, put back")
    if clip.guessed:
        sources = dict(zip(JOINTS, clip.sources, strict=True))
        parts.append("joints guessed: " + ", ".join(f"{joint} = {sources[joint]}" for joint in clip.guessed))
    else:
        parts.append("joints known by their names")
    return "; ".join(parts)


def _files(paths: list[Path]) -> str:
    names = ", ".join(path.name for path in paths[:SHOWN])
    return f"{names} and {len(paths) - SHOWN} more files" if len(paths) > SHOWN else names
