"""A folder of BVH files as a data set: real motion capture, seen by virtual cameras.

CMU's database (mocap.cs.cmu.edu), for example, is free for all uses. The skeleton of every file is brought to the
17 joints of Human3.6M, see ``bench.data.bvh.joints``.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from bench.data.bvh.bodies import bodies_apart, same_unit
from bench.data.bvh.cache import read_clips
from bench.data.bvh.clip import JOINT, SOLE, UNITS, Clip, Settings
from bench.data.bvh.joints import JOINTS
from bench.data.bvh.takes import NamedFile, find_files, name_files, split
from bench.data.cameras.camera import Camera
from bench.data.cameras.file import read_cameras
from bench.data.cameras.virtual import virtual_cameras
from bench.data.packing import Recording, pack
from bench.data.reader import Reader
from bench.data.sequence import Dataset, Sequence
from bench.data.synthetic.detector import detect_in_proportion
from models.errors import InputError, some_of
from models.skeleton import HUMAN36M

FINDINGS = 12  # notes on what was found in files
SHOWN = 3  # files named in a note, and files whose faults are told
NAMED = 40  # further files that are named
MAX_REACH = 25.0  # metres from the middle of a take to its farthest joint
NEAREST = 0.1  # metres of every joint in front of a camera of one's own
VIRTUAL = "four virtual cameras without lens distortion"
SEEN = {  # by detections
    "gt": "2D poses are exact projections",
    "cpn": "2D poses are projections with made-up detector errors, no detector ran",
}
NEAR_FLOOR = 0.1  # metres of the lower ankle above its height on the floor

Axis = Literal["x", "y", "z"]
Metres = Annotated[float, Field(ge=1e-6, le=1e3)]
Stature = Annotated[float, Field(ge=0.3, le=3.0)]
Rate = Annotated[float, Field(ge=1.0, le=1e4)]


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
        layout: str | None = None,
        joints: str | None = None,
        cameras: Path | None = None,
        unit: Metres | str | None = None,
        stature: Stature | None = None,
        up: Axis | None = None,
        source_fps: Rate | None = None,
        fps: Rate = 50.0,
        skip: bool = False,
    ) -> Dataset:
        """Read all BVH files below a folder.

        Args:
            root: the folder, or a single file, of which the last third tests.
            detections: "gt", exact projections, or "cpn", the same with the errors of a detector; none was run.
            test: test subjects, separated by commas; every fifth if not given, and of a single subject every third
                take.
            index: a text file that says what is done in each file (``takes.name_files``).
            layout: how the files are called, "{action}_{subject}" or "{subject}/{action}_{any}" (``takes``).
            joints: names of the files' joints where they are not recognised, "LHip=thigh_left, LKnee=…".
            cameras: a YAML file of cameras (``bench.data.cameras.file``) in place of four virtual ones.
            unit, up: of all files; found if not given. The unit is a key of ``clip.UNITS``, or metres.
            stature: metres that every body is tall, in place of a unit.
            source_fps: frame rate of the files, in place of what they say.
            skip: leave files that cannot be used out, and say so in the notes.

        Raises:
            InputError: the folder has no BVH file, a file cannot be used (unless ``skip``), the cameras cannot be
                read or have a joint behind them, or an option is out of its range.
        """
        if unit is not None and stature is not None:
            raise InputError("options unit and stature both say how large bodies are: leave one out")
        if isinstance(unit, str) and unit not in UNITS:
            known = ", ".join(UNITS)
            raise InputError(f"data.options.unit is '{unit[:80]}': take one of {known}, or metres as a number")
        settings = Settings(unit, stature, up, source_fps, fps, _given_joints(joints))
        files, notes = name_files(find_files(root), index, layout)
        clips, unusable = _usable_clips(root, files, settings, skip)
        usable, people = bodies_apart([file for file in files if file.path in clips], clips)
        train, test_files, division = split(usable, [part.strip() for part in test.split(",")] if test else [])
        own = None if cameras is None else read_cameras(cameras)
        parts = [_sequences(part, clips, detections, fps, own) for part in (train, test_files)]
        subjects, frames = len({file.subject for file in usable}), sum(map(len, parts[1]))
        left_out = [f"{len(unusable)} files left out: {_in_words(unusable)}"] if unusable else []
        seen_by = VIRTUAL if own is None else f"{len(own)} own camera{'s' * (len(own) > 1)} of {cameras}"
        return self.dataset(
            *parts,
            label=f"BVH motion capture ({subjects} subject{'s' * (subjects > 1)}, {frames:,} test frames)",
            detections=detections,
            notes=(f"{seen_by}; {SEEN[detections]}", division, *_findings(clips), *notes, *people, *left_out),
            unusable=unusable.values(),
        )


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
) -> tuple[dict[Path, Clip], dict[Path, str]]:
    """The clips, and what is wrong with the files that are left out.

    Raises:
        InputError: no file can be used, or one cannot and none may be left out (``skip``).
    """
    clips: dict[Path, Clip] = {}
    wrong: dict[Path, str] = {}
    read = read_clips([file.path for file in files], settings)
    for path, clip in same_unit(read, settings).items():
        if isinstance(clip, str):
            wrong[path] = clip
        elif (reach := np.linalg.norm(clip.world - clip.world.mean((0, 1)), axis=-1).max()) > MAX_REACH:
            wrong[path] = (
                f"{path}: its motion reaches {reach:,.0f} m far, more than a room: cut or remove the file"
            )
        else:
            clips[path] = clip
    if wrong and not (clips and skip):
        none = f"{root}: none of its {len(files)} BVH files can be used: " * (not clips and len(files) > 1)
        hint = f" ({len(wrong)} files have something wrong; data.options.skip=true leaves them out)"
        raise InputError(none + _in_words(wrong) + hint * (bool(clips) and len(files) > 1))
    return clips, wrong


def _in_words(wrong: dict[Path, str]) -> str:
    """What is wrong with the first files, and the names of others."""
    others = [path.name for path in wrong][SHOWN:]
    return "; ".join([*list(wrong.values())[:SHOWN], *[f"and also {some_of(others, NAMED)}"] * bool(others)])


def _sequences(
    files: list[NamedFile], clips: dict[Path, Clip], detections: str, fps: float, own: tuple[Camera, ...] | None
) -> tuple[Sequence, ...]:
    """What one's own cameras see of each take, or four virtual ones."""
    recordings = []
    for file in files:
        whole = clips[file.path].world
        world = whole[slice(*(round(share * len(whole)) for share in file.part))]
        if not len(world):
            raise InputError(
                f"{file.path}: {len(whole)} frames are too few to train on and to test on: give more files"
            )
        cameras = own or virtual_cameras(world, file.subject)
        seen = [camera.from_world(world.astype(np.float64)) for camera in cameras]
        _check_depth(file, cameras, seen)
        pixels = [camera.pixels(points) for camera, points in zip(cameras, seen, strict=True)]
        if detections == "cpn":
            seed = blake2b(f"{file.subject}/{file.action}".encode(), digest_size=8).digest()
            draws = [np.random.default_rng([*seed, view]) for view in range(len(cameras))]
            pixels = [detect_in_proportion(rng, exact) for rng, exact in zip(draws, pixels, strict=True)]
        views = tuple(view.astype(np.float32) for view in pixels)
        recordings.append(Recording(file.subject, file.action, world, views, cameras))
    return pack(recordings, fps)


def _check_depth(file: NamedFile, cameras: tuple[Camera, ...], seen: list[np.ndarray]) -> None:
    """``InputError`` if a joint is behind a camera or nearly beside it, where its image is nowhere or anywhere."""
    for camera, points in zip(cameras, seen, strict=True):
        depth = points[..., 2].min(axis=1)
        if depth.min() < NEAREST:
            raise InputError(
                f"{file.path}: a joint is {depth.min():.2f} m in front of camera {camera.name} (frame "
                f"{depth.argmin()} at the data set's rate), and less than {NEAREST:g} m is not seen: move the "
                "camera, or remove the file"
            )


def _findings(clips: dict[Path, Clip]) -> list[str]:
    """What was found out of the files, one sentence for all that are alike."""
    alike: dict[str, list[Path]] = defaultdict(list)
    for path, clip in clips.items():
        guessed = f"joints guessed: {', '.join(clip.guessed)}" if clip.guessed else "joints known by their names"
        parts = [f"unit {clip.unit}, {clip.up} up", *["left-handed coordinates, mirrored"] * clip.mirrored]
        alike["; ".join([*parts, *clip.remarks, guessed])].append(path)
    notes = [
        f"{some_of([path.name for path in paths], SHOWN)}: {finding}; {_statures([clips[path] for path in paths])}"
        for finding, paths in alike.items()
    ]
    more = len(notes) - FINDINGS
    return notes[:FINDINGS] + [f"{more} more kinds of files, of which the like was found"] * (more > 0)


def _statures(clips: list[Clip]) -> str:
    """In words, so that a wrong unit is seen; and whether they stand on the floor."""
    least, most = (f"{end(clip.stature for clip in clips):.2f}" for end in (min, max))
    bodies = f"a body of {least} m" if least == most else f"bodies of {least} to {most} m"
    ankles = [clip.world[:, (JOINT["LFoot"], JOINT["RFoot"]), 2].min(axis=1) for clip in clips]
    standing = float((np.concatenate(ankles) < SOLE + NEAR_FLOOR).mean())
    return f"{bodies}, a foot near the floor in {standing:.0%} of the frames"
