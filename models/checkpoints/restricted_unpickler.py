"""Reading archives and pickles of unknown origin: nothing in them is run, and memory and time stay bounded.

Python's own unpickler calls any function that a file names. Refusing names is not enough: one opcode can make the
memo reserve 64 GiB, hashing a deeply nested key can crash the process, and an array may claim any size. Here only
listed opcodes, names and kinds of keys are accepted, and reading a file takes no more memory than a small multiple
of the file's size.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path
from typing import IO, Any

from models.errors import InputError

EXPANSION = 100
"""An archive may unpack to so many times its size, plus ``ROOM``; motion data compresses to a third at best."""

ROOM = 64 << 20  # bytes that every file may take, however small it is
LARGEST = 16 << 30  # bytes that an archive may unpack to at most; the largest file of Human3.6M has 0.3 GiB
STEPS = 1_000_000  # reads that one pickle may take; those of Human3.6M take some 50,000
KEY_LIMIT = 1 << 32  # whole numbers below this may be keys of a dict


def check_archive(archive: zipfile.ZipFile) -> None:
    """Refuse an archive that would unpack to far more than its size, before anything is unpacked.

    Raises:
        InputError: it would, or it is compressed in a way that neither NumPy nor torch uses.
    """
    path = Path(str(archive.filename))
    unpacked = sum(member.file_size for member in archive.infolist())
    allowed = min(LARGEST, EXPANSION * path.stat().st_size + ROOM)
    if unpacked > allowed:
        raise InputError(
            f"{path} would unpack to {unpacked:,} bytes, more than the {allowed:,} that a file of its size may, "
            "and was not read: get it from its publisher"
        )
    usual = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if any(member.compress_type not in usual for member in archive.infolist()):
        raise InputError(f"{path} is packed with something other than deflate and was not read: save it again")


def one_line(error: Exception) -> str:
    """Name and message of an exception, short enough for a sentence."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(error)[:400])
    return f"{type(error).__name__}: {' '.join(text.split())[:200]}"


class PlainUnpickler(pickle._Unpickler):
    """Base of unpicklers that accept a list of names and nothing else.

    A subclass defines ``find_class``, which must return only functions written for this purpose or inert classes,
    and may extend ``build``. Keys of dicts are strings or small whole numbers: a file can make the hashing of
    anything else slow, or let it crash the process. Python's own class is the one written in Python, whose table
    of opcodes can be changed; the faster one in C cannot be restricted.
    """

    inert: type | tuple[type, ...] = ()
    """Classes whose objects ignore the items and the state that a file gives them."""

    def __init__(self, stream: IO[bytes], size: int, encoding: str) -> None:
        """Prepare to read one pickle from a stream in which ``size`` bytes are left.

        ``encoding`` is that of text that Python 2 wrote.
        """
        self._room = 4 * size + ROOM
        super().__init__(_Bounded(stream, size), encoding=encoding)

    def charge(self, count: int) -> None:
        """Count bytes that are about to be allocated for the file's content.

        Raises:
            pickle.UnpicklingError: together they are more than a file of this size can need.
        """
        self._room -= count
        if count < 0 or self._room < 0:
            raise pickle.UnpicklingError("it asks for more memory than its size explains")

    def build(self, target: Any, state: Any) -> None:
        """Give an object its state; inert objects ignore it."""
        if not isinstance(target, self.inert):
            raise pickle.UnpicklingError(f"it changes the state of a {type(target).__name__}")

    def put(self, target: Any, items: list[Any]) -> None:
        """Put items, alternately keys and values, into a dict."""
        if isinstance(target, self.inert):
            return
        keys = items[::2]
        if not isinstance(target, dict) or not all(
            type(key) is str or (type(key) is int and 0 <= key < KEY_LIMIT) for key in keys
        ):
            raise pickle.UnpicklingError("it has a key that is neither a text nor a small number")
        target.update(zip(keys, items[1::2], strict=True))


class _Bounded:
    """A stream that ends after ``size`` bytes, or with an error after ``STEPS`` reads."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left, self._reads = stream, size, 0

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self._left:
            raise EOFError("it ends too early")
        return self._counted(self._stream.read(count))

    def readline(self) -> bytes:
        return self._counted(self._stream.readline(self._left))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        self._reads += 1
        if self._reads > STEPS:
            raise pickle.UnpicklingError(f"it has more than {STEPS:,} steps")
        return data


def _frame(unpickler: Any) -> None:
    """Skip a frame's length: frames only group the opcodes that follow."""
    unpickler.read(8)


def _bytearray(unpickler: Any) -> None:
    unpickler.append(bytearray(unpickler.read(*struct.unpack("<Q", unpickler.read(8)))))


def _build(unpickler: Any) -> None:
    state = unpickler.stack.pop()
    unpickler.build(unpickler.stack[-1], state)


def _set_item(unpickler: Any) -> None:
    value, key = unpickler.stack.pop(), unpickler.stack.pop()
    unpickler.put(unpickler.stack[-1], [key, value])


def _set_items(unpickler: Any) -> None:
    items = unpickler.pop_mark()
    unpickler.put(unpickler.stack[-1], items)


def _dict(unpickler: Any) -> None:
    made: dict[Any, Any] = {}
    unpickler.put(made, unpickler.pop_mark())
    unpickler.append(made)


# Opcodes that build objects by name or that no data file needs; without a handler the unpickler refuses them.
_REFUSED = (
    pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.EMPTY_SET,
    pickle.ADDITEMS, pickle.FROZENSET, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
)  # fmt: skip
_REPLACED = {
    pickle.FRAME: _frame,
    pickle.BYTEARRAY8: _bytearray,
    pickle.BUILD: _build,
    pickle.SETITEM: _set_item,
    pickle.SETITEMS: _set_items,
    pickle.DICT: _dict,
}
PlainUnpickler.dispatch = pickle._Unpickler.dispatch | {code[0]: handler for code, handler in _REPLACED.items()}
for _code in _REFUSED:
    del PlainUnpickler.dispatch[_code[0]]
