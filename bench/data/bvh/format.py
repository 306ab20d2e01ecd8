"""One BVH file: its hierarchy of joints and its motion.

The format is described in Meredith and Maddock, "Motion Capture File Formats Explained", University of Sheffield,
2001. Files come from anywhere: nothing is allocated that their bytes do not bear out, nothing recurses, and
whatever is wrong is one sentence.
"""

from __future__ import annotations

import math
import re
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.errors import InputError

MAX_BYTES = 256 * 2**20
MAX_HEADER = 2**20  # bytes before the first number of the motion
MAX_NODES = 1000
MAX_FRAMES = 1_000_000
MAX_VALUE = 1e7  # of an offset or a channel
FRAME_TIME = (1e-4, 1.0)  # seconds, least and greatest
BLOCK = 2**20  # bytes among which a bad number is looked for

_TOKEN = re.compile(rb"[{}]|[^\s{}]+")
_SPACE = re.compile(rb"\s")
_CHANNELS = {f"{axis}{kind}": (kind, "xyz".index(axis)) for axis in "xyz" for kind in ("position", "rotation")}

Channel = tuple[str, int]  # "position" or "rotation", and the axis
Tokens = Iterator[tuple[bytes, int]]  # each token, and where it ends


@dataclass(frozen=True)
class Hierarchy:
    """The joints and end sites of a skeleton, every parent before its children.

    Attributes:
        names: as in the file; an end site has its parent's name and "/end".
        parents: index of each node's parent, -1 for the root.
        offsets: ``[N, 3]`` from the parent in the rest pose, in the file's unit.
        channels: of each node, in the order in which they apply.
        ends: whether a node is an end site.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    channels: tuple[tuple[Channel, ...], ...]
    ends: tuple[bool, ...]

    def rest(self) -> np.ndarray:
        """``[N, 3]`` places in the rest pose, the root at its own offset."""
        places = self.offsets.copy()
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                places[node] += places[parent]
        return places


@dataclass(frozen=True)
class Motion:
    """A parsed file.

    Attributes:
        hierarchy: of the skeleton.
        values: ``[T, C]`` float64, channels of all nodes in their order, degrees and the file's unit of length.
        frame_time: seconds.
        adds_offsets: translations of joints other than the root come on top of their offsets.
    """

    hierarchy: Hierarchy
    values: np.ndarray
    frame_time: float
    adds_offsets: bool = False


def read_file(path: Path, frame_time: float | None = None) -> Motion:
    """Read and parse a file.

    Args:
        path: of the file.
        frame_time: seconds, in place of what the file says.

    Raises:
        InputError: it is not a regular file, too large, or ``parse`` refuses it.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is not a regular file: name BVH files or folders of them")
        if status.st_size > MAX_BYTES:
            size = f"{status.st_size / 2**20:,.0f} MiB, more than {MAX_BYTES // 2**20}"
            raise InputError(f"{path} has {size}: cut it into shorter files")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    return parse(data, str(path), frame_time)


def parse(data: bytes, source: str, frame_time: float | None = None) -> Motion:
    """The hierarchy and the motion in the bytes of a file.

    Any order and number of channels per joint, any white space, either kind of line end, and rows broken over
    lines are read.

    Args:
        data: the file.
        source: what error messages call it.
        frame_time: seconds, in place of what the file says.

    Raises:
        InputError: it is no BVH file, cut short, inconsistent, or beyond the limits of this module.
    """
    begin = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    tokens: Tokens = ((match[0], match.end()) for match in _TOKEN.finditer(data, begin, MAX_HEADER))
    hierarchy = _hierarchy(tokens, source)
    if _next(tokens, source)[0].upper() != b"MOTION":
        raise InputError(f"{source}: no MOTION after the hierarchy, or a second ROOT: keep one person per file")
    declared, _ = _labelled(tokens, b"frames:", source)
    if not declared.isdigit() or len(declared) > 12 or not 0 < int(declared) <= MAX_FRAMES:
        raise InputError(f"{source}: 'Frames: {shown(declared)}' is not between 1 and {MAX_FRAMES:,}: correct it")
    written, end = _labelled(tokens, b"frametime:", source)
    seconds = _number(written) if frame_time is None else frame_time
    if not FRAME_TIME[0] <= seconds <= FRAME_TIME[1]:
        least, most = FRAME_TIME
        raise InputError(
            f"{source}: 'Frame Time: {shown(written)}' is not between {least:g} and {most:g} seconds: correct it, "
            "or give the frame rate as the option source_fps"
        )
    motion = Motion(hierarchy, _values(data[end:], int(declared), hierarchy, source), seconds)
    return _with_translations(motion)


def _hierarchy(tokens: Tokens, source: str) -> Hierarchy:
    if _next(tokens, source)[0].upper() != b"HIERARCHY":
        raise InputError(f"{source} does not begin with HIERARCHY: it is no BVH file")
    if _next(tokens, source)[0].upper() != b"ROOT":
        raise InputError(f"{source}: HIERARCHY is not followed by ROOT: export the file again")
    names, parents, ends = [_name(tokens, source)], [-1], [False]
    offsets: list[tuple[float, float, float] | None] = [None]
    channels: list[tuple[Channel, ...]] = [()]
    stack = [0]
    while stack:
        node, word = stack[-1], _next(tokens, source)[0].upper()
        if word == b"}":
            stack.pop()
        elif word == b"OFFSET":
            offsets[node] = _offset(tokens, names[node], source)
        elif word == b"CHANNELS" and not ends[node] and not channels[node]:
            channels[node] = _channels(tokens, names[node], source)
        elif word in (b"JOINT", b"END") and not ends[node]:
            name = _name(tokens, source)
            if len(names) == MAX_NODES:
                raise InputError(f"{source} has more than {MAX_NODES} joints: a body has fewer; export it alone")
            names.append(f"{names[node]}/end" if word == b"END" else name)
            parents.append(node)
            ends.append(word == b"END")
            offsets.append(None)
            channels.append(())
            stack.append(len(names) - 1)
        else:
            raise InputError(
                f"{source}: '{shown(word)}' has no place in joint '{names[node]}': export the file again"
            )
    bare = next((name for name, offset in zip(names, offsets, strict=True) if offset is None), None)
    if bare is not None:
        raise InputError(f"{source}: joint '{bare}' has no OFFSET: export the file again")
    return Hierarchy(
        tuple(names), tuple(parents), np.array(offsets, dtype=np.float64), tuple(channels), tuple(ends)
    )


def _next(tokens: Tokens, source: str) -> tuple[bytes, int]:
    token = next(tokens, None)
    if token is None:
        raise InputError(
            f"{source} is cut short or no BVH file: its hierarchy or its MOTION lines are not complete"
        )
    return token


def _name(tokens: Tokens, source: str) -> str:
    """The words up to the opening brace: some programs put blanks into names."""
    words: list[bytes] = []
    while (token := _next(tokens, source)[0]) != b"{":
        if token in (b"}", b"OFFSET", b"CHANNELS") or len(words) == 16:
            raise InputError(
                f"{source}: joint '{shown(b' '.join(words))}' has no opening brace: export the file again"
            )
        words.append(token)
    return shown(b" ".join(words))


def _offset(tokens: Tokens, name: str, source: str) -> tuple[float, float, float]:
    x, y, z = (_number(_next(tokens, source)[0]) for _ in range(3))
    if not max(abs(x), abs(y), abs(z)) <= MAX_VALUE:  # also false for NaN
        raise InputError(
            f"{source}: the OFFSET of joint '{name}' is not three usual numbers: export the file again"
        )
    return x, y, z


def _channels(tokens: Tokens, name: str, source: str) -> tuple[Channel, ...]:
    count = _next(tokens, source)[0]
    if count not in (b"0", b"1", b"2", b"3", b"4", b"5", b"6"):
        raise InputError(
            f"{source}: joint '{name}' has '{shown(count)}' channels, not 0 to 6: export the file again"
        )
    words = [_next(tokens, source)[0].decode("latin1").lower() for _ in range(int(count))]
    if len(set(words)) < len(words) or not set(words) <= set(_CHANNELS):
        raise InputError(
            f"{source}: joint '{name}' has channels that are no Xposition … Zrotation, or one twice: export again"
        )
    return tuple(_CHANNELS[word] for word in words)


def _labelled(tokens: Tokens, label: bytes, source: str) -> tuple[bytes, int]:
    """The value behind a label, which may have blanks inside and none behind its colon."""
    text = b""
    while True:
        token, end = _next(tokens, source)
        text += token.lower()
        if text.startswith(label) and len(text) > len(label):
            return text[len(label) :], end
        if not label.startswith(text):
            raise InputError(
                f"{source}: '{shown(text)}' stands where MOTION needs its 'Frames:' and 'Frame Time:'"
            )


def _number(token: bytes) -> float:
    try:
        return float(token)
    except ValueError:
        return math.nan


def _values(text: bytes, frames: int, hierarchy: Hierarchy, source: str) -> np.ndarray:
    width = sum(map(len, hierarchy.channels))
    if width == 0:
        raise InputError(f"{source}: no joint has channels, so nothing moves: export the file again")
    found = None
    if frames * width <= len(text) // 2 + 1:  # a number and a blank: no file bears out more
        found = _numbers(text)
        if found is None:
            raise InputError(_bad_number(text, width, source))
    if found is None or len(found) != frames * width:
        has = "fewer" if found is None else f"{len(found) / width:,.4g}"
        raise InputError(
            f"{source} declares {frames:,} frames of {width} numbers, but holds {has}: it is cut short or "
            "'Frames:' is wrong; get it again or correct that line"
        )
    values = found.reshape(frames, width)
    usual = np.abs(values) <= MAX_VALUE  # also false for NaN
    if not usual.all():
        frame, column = (int(place[0]) for place in np.nonzero(~usual))
        number = f"{values[frame, column]:g}"
        raise InputError(f"{source}: frame {frame} has {number} in column {column}: repair or remove the file")
    return values


def _numbers(text: bytes) -> np.ndarray | None:
    """All numbers of a text; None if there is anything else in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text, sep=" ")
        except (ValueError, DeprecationWarning):  # the latter before NumPy 2.3
            return None


def _bad_number(text: bytes, width: int, source: str) -> str:
    """Which number is none: found block by block, so that it takes no longer than reading the file."""
    place = begin = 0
    while begin < len(text):
        space = _SPACE.search(text, begin + BLOCK)
        end = space.start() if space else len(text)
        numbers = _numbers(text[begin:end])
        if numbers is None:
            break
        place, begin = place + len(numbers), end
    for match in _TOKEN.finditer(text, begin):
        if b"_" in match[0] or (math.isnan(_number(match[0])) and match[0].lower() != b"nan"):
            return (
                f"{source}: frame {place // width} has '{shown(match[0])}' in column {place % width}, which is no "
                "number: repair or remove the file"
            )
        place += 1
    return f"{source}: its motion is not made of numbers alone: repair or remove the file"


def _with_translations(motion: Motion) -> Motion:
    """Find out what translations of joints other than the root mean, and take up those that stand for offsets.

    Most programs write the whole distance from the parent, some what comes on top of the offset: the reading with
    the smaller rest is believed.
    """
    offsets = motion.hierarchy.offsets.copy()
    whole = on_top = 0.0
    for node, axis, column in _translations(motion.hierarchy):
        middle = float(np.median(motion.values[:, column]))
        whole += abs(middle - offsets[node, axis])
        on_top += abs(middle)
        offsets[node, axis] = middle
    if whole > on_top:
        return replace(motion, adds_offsets=True)
    return replace(motion, hierarchy=replace(motion.hierarchy, offsets=offsets))


def _translations(hierarchy: Hierarchy) -> Iterator[tuple[int, int, int]]:
    """Node, axis and column of the position channels of all nodes but the root."""
    column = 0
    for node, channels in enumerate(hierarchy.channels):
        for kind, axis in channels:
            if kind == "position" and node > 0:
                yield node, axis, column
            column += 1


def shown(text: bytes) -> str:
    """A piece of a file as it may be printed: no control characters, and not long."""
    words = text[:200].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in words)[:60]
