"""Ways to damage an input: bytes, texts, nested values, arrays, pickles and archives. Each is drawn at random."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np

from tests.hostile import ATTACKS

CANARY = "canary-that-sang"
"""Name of the folder that hostile pickles and texts try to make: code was run where it appears."""

DEEP = 3000
NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 255, 256, 2**31, 2**32, 2**63 - 1, -(2**63), 2**64, 10**30, 10**4000,
    0.0, -0.0, 0.5, 1e-300, 1e9, 1e30, 1e300, float("nan"), float("inf"), -float("inf"), True, False,
)  # fmt: skip
TEXTS = (
    "", " ", "a", "x" * 300, "x" * 100_000, "\0", "\x1b[31mred", "a\nb", "²", "é", "日本", "\u202e", "../..",
    "/etc", "%s%n",
    "nan", "1e999", "{}", "=1+1", "<script>alert(1)</script>", "\\input{/etc/passwd}", "None", "\ud800", "con",
)  # fmt: skip


class Canary:
    """An object whose pickle makes a folder when it is read carelessly."""

    def __reduce__(self) -> Any:
        return os.mkdir, (CANARY,)


def hostile_pickle(rng: Random) -> bytes:
    """A pickle that runs code, or takes memory or time, in a reader that is not careful."""
    own = {
        "canary": pickle.dumps({"a": Canary()}, protocol=2),
        "system": b"cos\nmkdir\n(S'%b'\ntR." % CANARY.encode(),
    }
    return rng.choice([*ATTACKS.values(), *own.values(), *own.values()])


def damaged_bytes(data: bytes, rng: Random) -> bytes:
    """One to four of: bits flipped, cut short, blocks exchanged, doubled, removed, inserted, blanked."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_OF_BYTES)(data, rng)
    return data


def _flip(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20)) if data else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _block(data: bytes, rng: Random) -> tuple[int, int]:
    begin = rng.randrange(len(data) + 1)
    return begin, min(len(data), begin + rng.choice((1, 2, 4, 16, 100, 1000)))


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.choice((0, 1, 8, rng.randrange(len(data) + 1), max(0, len(data) - rng.randrange(64))))]


def _exchange(data: bytes, rng: Random) -> bytes:
    (a, b), (c, d) = sorted((_block(data, rng), _block(data, rng)))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _double(data: bytes, rng: Random) -> bytes:
    begin, end = _block(data, rng)
    return data[:end] + data[begin:end] * rng.choice((1, 1, 5)) + data[end:]


def _remove(data: bytes, rng: Random) -> bytes:
    begin, end = _block(data, rng)
    return data[:begin] + data[end:]


def _insert(data: bytes, rng: Random) -> bytes:
    begin, _ = _block(data, rng)
    return data[:begin] + rng.randbytes(rng.choice((1, 4, 50))) + data[begin:]


def _blank(data: bytes, rng: Random) -> bytes:
    begin, end = _block(data, rng)
    return data[:begin] + rng.choice((b"\0", b"\xff", b"9")) * (end - begin) + data[end:]


def _put_number(data: bytes, rng: Random) -> bytes:
    """A length or an offset of the file becomes an extreme one."""
    begin, _ = _block(data, rng)
    number = struct.pack("<Q", rng.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, len(data))))
    width = rng.choice((2, 4, 8))
    return data[:begin] + number[:width] + data[begin + width :]


_OF_BYTES = (_flip, _flip, _cut, _exchange, _double, _remove, _insert, _blank, _put_number)


def damaged_text(text: str, rng: Random, odd: Sequence[str] = ()) -> str:
    """Words, numbers and lines of a text replaced, exchanged, doubled or removed; ``odd``: words to put in."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        action = rng.randrange(6)
        if action < 3:
            words = list(re.finditer(r"[^\s,:\[\]{}]+" if action else r"[-+.\d]+", text))
            if words:
                word = rng.choice(words)
                new = rng.choice((*odd, *map(written, NUMBERS), *TEXTS, rng.choice(words).group()))
                text = text[: word.start()] + new + text[word.end() :]
            continue
        lines = text.split("\n")
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        if action == 3:
            lines[at], lines[other] = lines[other], lines[at]
        elif action == 4:
            lines[at:at] = [lines[other]] * rng.choice((1, 1, 1, 2000))
        else:
            del lines[at : at + rng.choice((1, 1, 10))]
        text = "\n".join(lines)
    return text


def written(number: Any) -> str:
    """A number as a text; also one of more digits than Python likes to write."""
    return "1" + "0" * 4999 if isinstance(number, int) and abs(number) > 10**300 else repr(number)


def odd_value(rng: Random) -> Any:
    """A number, a text or a container that a field rarely expects."""
    kind = rng.randrange(10)
    if kind < 4:
        return rng.choice(NUMBERS[:13] + NUMBERS[14:])
    if kind < 7:
        return rng.choice(TEXTS)
    return rng.choice((None, [], {}, [None], [[1, 2], [3]], {"a": 1}, {"": {"": {}}}, [0] * 10_000, nested(rng)))


def nested(rng: Random) -> Any:
    """Lists or mappings in each other."""
    value: Any = rng.choice((0, "x", None))
    for _ in range(rng.choice((5, 50, 200))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def damaged_value(value: Any, rng: Random, leaf: Callable[[Any, Random], Any] | None = None) -> Any:
    """A copy of nested dicts and lists with one place changed.

    ``leaf``: makes a new value of one that is neither dict nor list; by default ``odd_value`` does.
    """
    deeper = isinstance(value, dict | list) and value and rng.random() < 0.85
    if not deeper:
        return leaf(value, rng) if leaf is not None and rng.random() < 0.8 else odd_value(rng)
    if isinstance(value, list):
        at, action = rng.randrange(len(value)), rng.randrange(8)
        changed = list(value)
        if action == 0:
            del changed[at]
        elif action == 1:
            changed.insert(at, changed[rng.randrange(len(changed))])
        else:
            changed[at] = damaged_value(changed[at], rng, leaf)
        return changed
    at, action = rng.choice(list(value)), rng.randrange(10)
    changed = dict(value)
    if action == 0:
        del changed[at]
    elif action == 1:
        changed[rng.choice(TEXTS)] = changed.pop(at)
    elif action == 2:
        changed[rng.choice(TEXTS)] = odd_value(rng)
    elif action == 3:
        changed[at] = changed[rng.choice(list(changed))]
    else:
        changed[at] = damaged_value(changed[at], rng, leaf)
    return changed


def odd_array(array: Any, rng: Random) -> Any:
    """What an array may become: other shapes, kinds of numbers, and values; or no array at all."""
    if not isinstance(array, np.ndarray) or rng.random() < 0.1:
        return odd_value(rng)
    action = rng.randrange(4)
    if action == 0:
        flat = array.reshape(-1)
        shapes = (
            np.array(1.0), array[:0], array[:1], array[..., :1], array[None], flat, array.T, array[..., :0],
            array[::-2], np.zeros((0, 17, 2)), np.zeros((3, 0)), np.empty((), object),
            np.array([[1], [1, 2]], object),
            flat[:3],
        )  # fmt: skip
        return rng.choice(shapes)
    if action == 1:
        kinds = ("f2", ">f8", "i1", "u8", "c16", "?", "S3", "U2", "O", "M8[s]", "m8[s]", "f4,f4", "V8", "g")
        with np.errstate(all="ignore"):
            try:
                return array.astype(rng.choice(kinds))
            except (TypeError, ValueError):
                return array
    extreme = (np.nan, np.inf, -np.inf, 1e300, -1e300, 1e38, 1e9, 1e-300, 0.0, -1.0)
    if action == 2 or not array.size:
        whole = (-(2**63), 2**63 - 1, 0, 1)
        number = rng.choice(whole) if rng.random() < 0.4 else rng.choice(extreme)
        return np.full(array.shape, number, np.int64 if isinstance(number, int) else np.float64)
    changed = array.astype(np.float64)
    part = (slice(None), 0, slice(None, 2))[rng.randrange(3)]
    changed[part if array.ndim else ()] = rng.choice(extreme)
    return changed


def damaged_array_file(data: bytes, rng: Random) -> bytes:
    """A ``.npy`` file: its header edited, a hostile pickle in place of its content, or bytes damaged."""
    action = rng.randrange(4)
    length = struct.unpack("<H", data[8:10])[0] if len(data) > 10 else 0
    if action == 0 and length:
        header = data[10 : 10 + length].decode("latin-1")
        odd = (
            "|O",
            "'<f8'",
            "(1099511627776,)",
            "(-1,)",
            "()",
            "(2, 3",
            "'|V0'",
            "None",
            "__import__('os')",
            "True",
        )
        header = damaged_text(header, rng, odd)
        text = header.encode("utf-8", "replace")[:60_000]
        return data[:8] + struct.pack("<H", len(text)) + text + data[10 + length :]
    if action == 1:
        header_bytes = io.BytesIO()
        described = {"descr": "|O", "fortran_order": False, "shape": rng.choice(((), (1,), (1 << 40,)))}
        np.lib.format.write_array_header_1_0(header_bytes, described)
        return header_bytes.getvalue() + hostile_pickle(rng)
    if action == 2:  # a version of the format that there is not, or another place of the header's end
        return data[:6] + rng.randbytes(rng.choice((2, 4))) + data[10:]
    return damaged_bytes(data, rng)


def damaged_archive(data: bytes, rng: Random, member: Callable[[bytes, Random], bytes] = damaged_bytes) -> bytes:
    """A zip file: a member removed, doubled, renamed or damaged, its checksums right; or bytes damaged."""
    if rng.random() < 0.3:
        return damaged_bytes(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at, action = rng.randrange(len(members)), rng.randrange(8)
    name, content = members[at]
    if action == 0:
        del members[at]
    elif action == 1:
        members.append((name, member(content, rng)))
    elif action == 2:
        members[at] = (
            rng.choice(("", "../../escaped", "/tmp/escaped", "a\x1b[31m", "x" * 5000, "é.npy")),
            content,
        )
    elif action == 3:
        members.append((rng.choice(("a.npy", "../escaped.npy", "archive/data.pkl")), rng.randbytes(20)))
    elif action == 4 and rng.random() < 0.1:
        members[at] = (name, bytes(1 << 28))  # unpacks to far more than its size
    else:
        members[at] = (name, member(content, rng))
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", rng.choice(methods)) as new:
        for each, inside in members:
            new.writestr(zipfile.ZipInfo(each or "a"), inside, new.compression)
    return packed.getvalue()
