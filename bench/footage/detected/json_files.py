"""Key points in JSON: what MMPose, AlphaPose, OpenPose, Ultralytics and COCO's evaluation write.

Files are read entry by entry, so that the memory does not grow with their text.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Listed
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import ijson
import numpy as np

from bench.footage.detected.detections import Detections, Person, collect
from models.errors import InputError, quoted

Entry = Mapping[str, Any]

NOTHING = re.compile(rb"\bNaN\b|-?\bInfinity\b")
"""What Python writes into JSON for numbers that are none, although JSON has no word for them."""

KNOWN = (
    "a file of MMPose's inferencer, AlphaPose, Ultralytics or COCO's results, a folder of OpenPose's files, or "
    "arrays in a .npz file"
)


def read_json(path: Path) -> Detections:
    """Persons in a JSON file; ``InputError`` if it is no JSON, cut short, or of a tool that is not known."""
    source = str(path)
    first, place = _first_entry(path)
    tool, read = _tool_of(first, source)
    if read is _of_results:
        read = partial(_of_results, frames=_frames_of_images(path, place))
    entries = enumerate(_items(path, place))
    return collect((person for number, entry in entries for person in read(number, entry, source)), source, tool)


def read_openpose(folder: Path) -> Detections:
    """Persons in a folder of OpenPose's files, one for each frame.

    Raises:
        InputError: there is none, one cannot be read, or two are of one frame.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError(f"{folder}: has no JSON files: name {KNOWN}")
    frames = _frame_numbers([file.stem for file in files], str(folder))

    def persons() -> Iterator[Person]:
        for frame, file in zip(frames, files, strict=True):
            first, place = _first_entry(file)
            if place or "people" not in first:
                raise InputError(f"{file}: is no file of OpenPose, which has people: keep such files alone")
            yield from _of_openpose(frame, first, str(file))

    return collect(persons(), str(folder), "OpenPose")


def _first_entry(path: Path) -> tuple[Entry, str]:
    """What tells the tool, and where the entries lie for ``ijson``; "" for a file that is one entry."""
    with opened(path) as file:
        first = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    places = {b"[": ("item",), b"{": ("instance_info.item", "")}.get(first)
    if places is None:
        raise InputError(f"{path}: is no JSON: name {KNOWN}")
    found, place = None, ""
    for place in places:
        found = next(_items(path, place), None)
        if found is not None:
            break
    if found is None and first == b"[":
        raise InputError(f"{path}: is an empty list, so nobody is in it: check that the detector ran")
    if place == "item" and isinstance(found, list):  # Ultralytics: a list of persons for each image
        return {"persons": found}, place
    if not isinstance(found, dict):
        raise InputError(f"{path}: its entries are no objects, but {quoted(found, 60)}: name {KNOWN}")
    return found, place


Reader = Callable[[int, Any, str], Iterator[Person]]


def _tool_of(entry: Entry, source: str) -> tuple[str, Reader]:
    """Name of the tool that writes such entries, and what reads one (its number, itself, the file)."""
    if "instances" in entry:
        return "MMPose", _of_mmpose
    if "people" in entry:
        return "OpenPose", _of_openpose
    if "persons" in entry or isinstance(entry.get("keypoints"), dict):
        return "Ultralytics", _of_ultralytics
    if "keypoints" in entry and "image_id" in entry:
        return ("AlphaPose" if "idx" in entry or "box" in entry else "COCO's results"), _of_results
    found = ", ".join(map(str, list(entry)[:8])) or "nothing"
    raise InputError(f"{source}: its entries have {found}, as no known tool writes them: name {KNOWN}")


def _of_mmpose(number: int, entry: Entry, source: str) -> Iterator[Person]:
    """``{"frame_id", "instances": [{"keypoints": [[x, y], …], "keypoint_scores": […]}]}``."""
    frame = _whole_number(entry.get("frame_id"), number)
    for person in _list(entry.get("instances"), source, frame):
        place = f"{source}: frame {frame}"
        points = _numbers(person.get("keypoints"), place)
        if points.ndim == 2 and points.shape[1] == 3:
            raise InputError(f"{place} has 3D key points: give the file of the 2D detector")
        if points.ndim != 2 or points.shape[1] != 2:
            raise InputError(f"{place} has key points of {points.shape}, not [points, 2]: write the file again")
        scores = _numbers(person.get("keypoint_scores", [np.nan] * len(points)), place)
        if scores.shape != (len(points),):
            raise InputError(f"{place} has {len(points)} key points and {scores.size} scores: write it again")
        track = _whole_number(person.get("track_id", person.get("instance_id")), -1)
        yield Person(frame, np.column_stack([points, scores]), track)


def _of_openpose(frame: int, entry: Entry, source: str) -> Iterator[Person]:
    """``{"people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, c, …]}]}``."""
    for person in _list(entry.get("people"), source, frame):
        number = person.get("person_id")
        number = number[0] if isinstance(number, list) and number else number
        yield Person(frame, _triples(person.get("pose_keypoints_2d"), source, frame), _whole_number(number, -1))


def _of_results(
    number: int, entry: Entry, source: str, frames: Mapping[str, int] = MappingProxyType({})
) -> Iterator[Person]:
    """``{"image_id": "12.jpg", "keypoints": [x, y, c, …], "idx": 1}``, one for each person of each image.

    ``frames``: numbers of images that have names.
    """
    image = entry.get("image_id")
    frame = image if isinstance(image, int) else frames.get(str(image), number)
    track = entry.get("idx", entry.get("track_id"))
    while isinstance(track, list) and track:
        track = track[0]
    yield Person(int(frame), _triples(entry.get("keypoints"), source, frame), _whole_number(track, -1))


def _of_ultralytics(number: int, entry: Any, source: str) -> Iterator[Person]:
    """A list for each image: ``[{"keypoints": {"x": […], "y": […], "visible": […]}, "track_id": 1}]``.

    Or persons alone, each with its ``frame`` or ``image``.
    """
    persons = entry if isinstance(entry, list) else [entry]
    for person in _list(persons, source, number):
        points = person.get("keypoints")
        place = f"{source}: image {number}"
        if not isinstance(points, dict):
            raise InputError(f"{place} has a person without key points: use a pose model")
        x, y = _numbers(points.get("x"), place), _numbers(points.get("y"), place)
        visible = _numbers(points.get("visible", [np.nan] * len(x)), place)
        if not x.shape == y.shape == visible.shape:
            raise InputError(f"{place} has {x.size} x, {y.size} y and {visible.size} visible: write it again")
        frame = _whole_number(person.get("frame", person.get("image")), -1)
        if frame < 0 and number and not isinstance(entry, list):
            raise InputError(
                f"{source}: its persons do not say which image they are in: write a list for each image, "
                "[result.summary() for result in results]"
            )
        frame = number if frame < 0 else frame
        yield Person(frame, np.column_stack([x, y, visible]), _whole_number(person.get("track_id"), -1))


def _list(value: Any, source: str, frame: object) -> list[Entry]:
    if not isinstance(value, list) or not all(isinstance(person, dict) for person in value):
        raise InputError(f"{source}: frame {frame} has no list of persons: write the file again")
    return value


def _triples(value: Any, source: str, frame: object) -> np.ndarray:
    """``[N, 3]`` of x, y, confidence, x, …"""
    numbers = _numbers(value, f"{source}: frame {frame}")
    if numbers.ndim != 1 or not numbers.size or numbers.size % 3:
        raise InputError(
            f"{source}: frame {frame} has {numbers.size} numbers, not x, y and confidence of every key point: "
            "write the file again"
        )
    return numbers.reshape(-1, 3)


def _numbers(value: Any, place: str) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # infinity is no place either
            return np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        raise InputError(f"{place} has key points that are no numbers: {quoted(value, 80)}") from None


def _whole_number(value: Any, other: int) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else other


def _frames_of_images(path: Path, place: str) -> dict[str, int]:
    """Image → its frame, for images that are named; in the order of the file."""
    images = _items(path, f"{place}.image_id".lstrip("."))
    names = list(dict.fromkeys(image for image in images if isinstance(image, str)))
    return dict(zip(names, _frame_numbers([os.path.splitext(name)[0] for name in names], str(path)), strict=True))


def _frame_numbers(names: Listed[str], source: str) -> list[int]:
    """Frame number of each name: the last of its numbers that differs in all names, 12 of "walking_000012_cam1".

    Where some name has no number, frames are numbered in the order of the names.

    Raises:
        InputError: no number differs in all of them, so several would be one frame.
    """
    groups = [re.findall(r"\d+", name)[::-1] for name in names]  # the last number first
    shared = min(map(len, groups), default=0)
    numbers = [[int(group[place][-15:]) for group in groups] for place in range(shared)]
    if not numbers:
        return list(range(len(names)))
    found = next((column for column in numbers if len(set(column)) == len(names)), None)
    if found is None:
        (twice, _), *_ = Counter(numbers[0]).most_common(1)
        one, other, *_ = (name for name, number in zip(names, numbers[0], strict=True) if number == twice)
        raise InputError(
            f"{source}: {quoted(one, 80)} and {quoted(other, 80)} would both be frame {twice}: keep what is of "
            "one video alone, and let names differ in one number"
        )
    return found


def opened(path: Path) -> BinaryIO:
    """The file, to be read; ``InputError`` if it cannot be."""
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name {KNOWN}") from None


class _Readable:
    """A file of JSON in which NaN and infinity are null."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        while size and data[-1:].isalpha() and (more := self.file.read(1)):  # no word is cut
            data += more
        return NOTHING.sub(b"null", data)


def _items(path: Path, place: str) -> Iterator[Any]:
    """The entries at a place of a JSON file, one after the other."""
    with opened(path) as file:
        try:
            yield from ijson.items(_Readable(file), place, use_float=True)
        except ijson.JSONError as error:
            told = error.args[0] if error.args else ""
            why = (told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)).partition("\n")[0]
            what = "is cut short" if "premature EOF" in why else "is no JSON throughout"
            raise InputError(f"{path}: {what} ({why}): get it again") from None
        except UnicodeDecodeError:
            raise InputError(f"{path}: is no text, so no JSON: name {KNOWN}") from None
