"""One BVH file: its hierarchy of joints and its motion.

The format is described in Meredith and Maddock, "Motion Capture File Formats Explained", University of Sheffield,
2001. Files come from anywhere: no memory is taken that the size of a file does not explain, nothing recurses, and
whatever is wrong is one sentence.
"""

from __future__ import annotations

import math
import re
import stat
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path

import numpy as np

from models.errors import InputError

MAX_BYTES = 256 * 2**20
MAX_HEADER = 2**20  # bytes before the first number of the motion
MAX_NODES = 1000
MAX_FRAMES = 1_000_000
MAX_VALUE = 1e7  # of an offset or a channel
FRAME_TIME = (1e-4, 0.2)  # seconds, least and greatest that a file is believed

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb"[{}]|[^\s{}]+")
_MOTION = re.compile(rb"\bMOTION\s+Frames\s*:\s*([^\s{}]+)\s+Frame\s*Time\s*:\s*([^\s{}]+)", re.IGNORECASE)
_CHANNELS = {f"{axis}{kind}": (kind, "xyz".index(axis)) for axis in "xyz" for kind in ("position", "rotation")}

Channel = tuple[str, int, int]  # "position" or "rotation", the axis, and the column of the motion


@dataclass(frozen=True)
class Hierarchy:
    """The joints and end sites of a skeleton as a tree of nodes, each followed by all its descendants.

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

    @cached_property
    def children(self) -> list[list[int]]:
        """Numbers of the children of each node."""
        children: list[list[int]] = [[] for _ in self.names]
        for node, parent in enumerate(self.parents[1:], 1):
            children[parent].append(node)
        return children

    @cached_property
    def rest(self) -> np.ndarray:
        """``[N, 3]`` places in the rest pose, the root at its own offset."""
        places = self.offsets.copy()
        for node, parent in enumerate(self.parents[1:], 1):
            places[node] += places[parent]
        return places

    @cached_property
    def lengths(self) -> np.ndarray:
        """``[N]`` from each node's parent to it."""
        return np.linalg.norm(self.offsets, axis=1)

    @cached_property
    def span(self) -> np.ndarray:
        """``[N]`` from each node's parent to the node's farthest descendant, along the bones."""
        reach = np.zeros(len(self.names))
        for node in range(len(self.names) - 1, 0, -1):
            parent = self.parents[node]
            reach[parent] = max(reach[parent], self.lengths[node] + reach[node])
        return self.lengths + reach

    def with_end(self, node: int, name: str, offset: np.ndarray) -> Hierarchy:
        """The same with one more end site of a node, as the last of all nodes."""
        return Hierarchy(
            names=(*self.names, name),
            parents=(*self.parents, node),
            offsets=np.vstack([self.offsets, offset]),
            channels=(*self.channels, ()),
            ends=(*self.ends, True),
        )

    def above(self, node: int) -> list[int]:
        """The node, its parent and so on to the root."""
        path = []
        while node >= 0:
            path.append(node)
            node = self.parents[node]
        return path

    def below(self, node: int) -> range:
        """The node and all its descendants."""
        end = node + 1
        while end < len(self.parents) and self.parents[end] >= node:
            end += 1
        return range(node, end)

    def meeting(self, one: int, two: int) -> int:
        """The lowest node that both are below, or are."""
        above = set(self.above(one))
        return next(node for node in self.above(two) if node in above)

    def farthest(self, node: int) -> list[int]:
        """The node, and the way to the descendant that is farthest along the bones."""
        path = [node]
        while self.children[path[-1]]:
            path.append(max(self.children[path[-1]], key=lambda child: self.span[child]))
        return path


@dataclass(frozen=True)
class Motion:
    """A parsed file.

    Attributes:
        values: ``[T, C]`` float64, channels of all nodes in their order: degrees, and whole distances from the
            parent in the file's unit of length.
        frame_time: seconds.
        remarks: what the reader was lenient about.
    """

    hierarchy: Hierarchy
    values: np.ndarray
    frame_time: float
    remarks: tuple[str, ...] = ()


def read_file(path: Path, frame_time: float | None = None) -> Motion:
    """The hierarchy and the motion in a file; ``frame_time`` and further errors: see ``parse``.

    Raises:
        InputError: it is not a regular file, or too large.
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
    """The hierarchy and the motion in the bytes of a file, which error messages call ``source``.

    Any order and number of channels per joint, any white space, either kind of line end, and rows broken over
    lines are read. ``frame_time``: seconds, in place of what the file says, whatever it is.

    Raises:
        InputError: it is no BVH file, cut short, inconsistent, or beyond the limits of this module.
    """
    found = _MOTION.search(data, 0, MAX_HEADER)
    if found is None:
        raise InputError(
            f"{source} has no MOTION with its 'Frames:' and 'Frame Time:': it is cut short or no BVH file"
        )
    hierarchy = _HierarchyText(data[: found.start()].removeprefix(BYTE_ORDER_MARK), source).parse()
    declared, written = found.groups()
    if not declared.isdigit() or len(declared) > 12 or not 0 < int(declared) <= MAX_FRAMES:
        raise InputError(f"{source}: 'Frames: {shown(declared)}' is not between 1 and {MAX_FRAMES:,}: correct it")
    seconds = _number(written) if frame_time is None else frame_time
    if frame_time is None and not FRAME_TIME[0] <= seconds <= FRAME_TIME[1]:
        least, most = FRAME_TIME
        raise InputError(
            f"{source}: 'Frame Time: {shown(written)}' is not between {least:g} and {most:g} seconds, so it is no "
            "usual frame rate: correct it, or give the true frames per second as the option source_fps"
        )
    values, more = _values(data[found.end() :], int(declared), hierarchy, source)
    remarks = ("one row more than 'Frames:' declares, left out",) * more
    return _with_whole_translations(Motion(hierarchy, values, seconds, remarks))


@dataclass
class _Node:
    """A joint or an end site while its block is read."""

    name: str
    parent: int
    is_end: bool = False
    offset: tuple[float, float, float] | None = None
    channels: tuple[tuple[str, int], ...] = ()


class _HierarchyText:
    """The words of a file before its motion, taken one after the other."""

    def __init__(self, text: bytes, source: str) -> None:
        self.source, self.words = source, iter(_TOKEN.findall(text))

    def parse(self) -> Hierarchy:
        """The hierarchy, after which no word is left."""
        if self.word().upper() != b"HIERARCHY":
            raise self.wrong(" does not begin with HIERARCHY: it is no BVH file")
        if self.word().upper() != b"ROOT":
            raise self.wrong(": HIERARCHY is not followed by ROOT: export the file again")
        nodes = [_Node(self.name(), -1)]
        open_nodes = [0]
        while open_nodes:
            node, word = nodes[open_nodes[-1]], self.word().upper()
            if word == b"}":
                open_nodes.pop()
            elif word == b"OFFSET":
                node.offset = self.offset(node.name)
            elif word == b"CHANNELS" and not node.is_end and not node.channels:
                node.channels = self.channels(node.name)
            elif word in (b"JOINT", b"END") and not node.is_end:
                name, is_end = self.name(), word == b"END"
                if len(nodes) == MAX_NODES:
                    raise self.wrong(f" has more than {MAX_NODES} joints: a body has fewer; export it alone")
                nodes.append(_Node(f"{node.name}/end" if is_end else name, open_nodes[-1], is_end))
                open_nodes.append(len(nodes) - 1)
            else:
                raise self.wrong(f": '{shown(word)}' has no place in joint '{node.name}': export the file again")
        if next(self.words, None) is not None:
            raise self.wrong(": no MOTION after the hierarchy, or a second ROOT: keep one person per file")
        bare = next((node.name for node in nodes if node.offset is None), None)
        if bare is not None:
            raise self.wrong(f": joint '{bare}' has no OFFSET: export the file again")
        columns = count()
        return Hierarchy(
            names=tuple(node.name for node in nodes),
            parents=tuple(node.parent for node in nodes),
            offsets=np.array([node.offset for node in nodes], dtype=np.float64),
            channels=tuple(tuple((*channel, next(columns)) for channel in node.channels) for node in nodes),
            ends=tuple(node.is_end for node in nodes),
        )

    def wrong(self, complaint: str) -> InputError:
        return InputError(f"{self.source}{complaint}")

    def word(self) -> bytes:
        word = next(self.words, None)
        if word is None:
            raise self.wrong(" is cut short or no BVH file: its hierarchy is not complete")
        return word

    def name(self) -> str:
        """The words up to the opening brace: some programs put blanks into names."""
        words: list[bytes] = []
        while (word := self.word()) != b"{":
            if word in (b"}", b"OFFSET", b"CHANNELS") or len(words) == 16:
                raise self.wrong(
                    f": joint '{shown(b' '.join(words))}' has no opening brace: export the file again"
                )
            words.append(word)
        return shown(b" ".join(words))

    def offset(self, name: str) -> tuple[float, float, float]:
        x, y, z = (_number(self.word()) for _ in range(3))
        if not max(abs(x), abs(y), abs(z)) <= MAX_VALUE:  # also false for NaN
            raise self.wrong(f": the OFFSET of joint '{name}' is not three usual numbers: export the file again")
        return x, y, z

    def channels(self, name: str) -> tuple[tuple[str, int], ...]:
        number = self.word()
        if number not in (b"0", b"1", b"2", b"3", b"4", b"5", b"6"):
            raise self.wrong(f": joint '{name}' has '{shown(number)}' channels, not 0 to 6: export the file again")
        words = [self.word().decode("latin1").lower() for _ in range(int(number))]
        if len(set(words)) < len(words) or not set(words) <= set(_CHANNELS):
            problem = "has channels that are no Xposition … Zrotation, or one twice"
            raise self.wrong(f": joint '{name}' {problem}: export again")
        return tuple(_CHANNELS[word] for word in words)


def _number(token: bytes) -> float:
    try:
        return float(token)
    except ValueError:
        return math.nan


def _values(text: bytes, frames: int, hierarchy: Hierarchy, source: str) -> tuple[np.ndarray, bool]:
    """The numbers of the motion, ``[frames, C]``, and whether one row more follows, which every viewer ignores."""
    width = sum(map(len, hierarchy.channels))
    if width == 0:
        raise InputError(f"{source}: no joint has channels, so nothing moves: export the file again")
    found = _numbers(text)
    if found is None:
        raise InputError(f"{source}: {_bad_number(text, width)}: repair or remove the file")
    more = len(found) == (frames + 1) * width
    if len(found) != frames * width and not more:
        raise InputError(
            f"{source} declares {frames:,} frames of {width} numbers, but holds {len(found) / width:,.4g}: it is "
            "cut short or 'Frames:' is wrong; get it again or correct that line"
        )
    values = found[: frames * width].reshape(frames, width)
    if not (values.min() >= -MAX_VALUE and values.max() <= MAX_VALUE):  # also true for NaN
        frame, column = np.argwhere(~(np.abs(values) <= MAX_VALUE))[0]
        number = f"{values[frame, column]:g}"
        raise InputError(f"{source}: frame {frame} has {number} in column {column}: repair or remove the file")
    return values, more


def _numbers(text: bytes) -> np.ndarray | None:
    """All numbers of a text; None if there is anything else in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text, sep=" ")
        except (ValueError, DeprecationWarning):  # the latter before NumPy 2.3
            return None


def _bad_number(text: bytes, width: int) -> str:
    """Which word of the motion is no number."""
    for place, match in enumerate(_TOKEN.finditer(text)):
        if b"_" in match[0] or (math.isnan(_number(match[0])) and match[0].lower() != b"nan"):
            frame, column = divmod(place, width)
            return f"frame {frame} has '{shown(match[0])}' in column {column}, which is no number"
    return "its motion is not made of numbers alone"


def _with_whole_translations(motion: Motion) -> Motion:
    """The motion with translations that are the whole distance from the parent, as most programs write them.

    Some write what comes on top of the offset: the reading that leaves less to explain is believed. The middle of
    whole distances takes the place of the offset.
    """
    offsets = motion.hierarchy.offsets.copy()
    moving = [
        (node, axis, column, float(np.median(motion.values[:, column])))
        for node, channels in enumerate(motion.hierarchy.channels[1:], 1)
        for kind, axis, column in channels
        if kind == "position"
    ]
    if_whole = sum(abs(middle - offsets[node, axis]) for node, axis, _, middle in moving)
    if_on_top = sum(abs(middle) for *_, middle in moving)
    for node, axis, column, middle in moving:
        if if_whole > if_on_top:
            motion.values[:, column] += offsets[node, axis]
        else:
            offsets[node, axis] = middle
    return replace(motion, hierarchy=replace(motion.hierarchy, offsets=offsets))


def shown(text: bytes) -> str:
    """A piece of a file as it may be printed: no control characters, and not long."""
    words = text[:200].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in words)[:60]
