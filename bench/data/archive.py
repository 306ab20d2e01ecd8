"""Read the field's ``.npz`` files, whose values are pickles, without running anything that stands in them.

A pickle may name any function and have it called. Here the only names that exist are those that NumPy arrays,
data types and scalars are stored under (NumPy 1 and 2), and plain containers. Functions of ours stand behind them,
because NumPy's own trust the shapes, flags and pointers that a file gives them.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from models.checkpoints.restricted_unpickler import PlainUnpickler, check_archive, one_line
from models.errors import InputError

_SHOWN_KEYS = 10


def read_archive(path: Path, key: str, optional: bool = False) -> object:
    """The value stored under ``key``: an array, or what a 0-d object array holds (nested dicts of arrays).

    None where the file has no such key and it is ``optional``.

    Raises:
        InputError: the file is missing, cut short or no ``.npz``; it has no such key; it claims to hold more than
            a file of its size can; or its pickle asks for something other than arrays and plain containers, which
            is then neither imported nor run.
    """
    _check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive)
            if optional and f"{key}.npy" not in archive.namelist():
                return None
            _check_key(archive, path, key)
            member = archive.getinfo(f"{key}.npy")
            with archive.open(member) as stream:
                return _read_array(stream, member.file_size)
    except InputError:
        raise
    except _ForeignPickleError as error:
        raise InputError(
            f"{path}, key '{key}': its pickle asks for {error}, neither an array nor a plain container, and "
            "it was not run: get the file from its publisher, or save arrays and dicts only"
        ) from error
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} {_what_it_is(path)}") from error
    except Exception as error:  # a damaged pickle can raise almost anything
        raise InputError(
            f"{path} cannot be read at key '{key}' ({one_line(error)}): get the file again"
        ) from error


def _check_file(path: Path) -> None:
    """``InputError`` if there is no such file, or one that may not be read."""
    try:
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):  # ValueError: NUL in its name
        raise InputError(f"{path} does not exist: put the file there, or name the folder that has it") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): correct its name or its permissions"
        ) from None


def _what_it_is(path: Path) -> str:
    """What a file is that is no archive, and the way out."""
    with path.open("rb") as file:
        begin = file.read(200).lstrip().lower()
    for known, sentence in _OTHER_FILES.items():
        if begin.startswith(known):
            return sentence
    return "is cut short, damaged or not an .npz archive: get it again"


_OTHER_FILES = {
    b"<!doctype": "is a web page, not an .npz archive: the download was refused, get it again in a browser",
    b"<html": "is a web page, not an .npz archive: the download was refused, get it again in a browser",
    b"version https://git-lfs": "is a pointer of Git LFS, not the .npz archive itself: run `git lfs pull`",
    b"\x93numpy": "is a single array (.npy), not an .npz archive: save it with np.savez under its key",
}


class _ForeignPickleError(Exception):
    """A pickle named something that is not on the list."""


def _check_key(archive: zipfile.ZipFile, path: Path, key: str) -> None:
    keys = [name.removesuffix(".npy") for name in archive.namelist()]
    if key not in keys:
        shown = ", ".join(ascii(name)[1:-1] for name in sorted(keys)[:_SHOWN_KEYS])
        raise InputError(f"{path} has no key '{key}' but {shown or 'none at all'}: check the file")


def _read_array(stream: IO[bytes], size: int) -> object:
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = header(stream)
    if dtype.hasobject:
        value = _ArrayUnpickler(stream, size - stream.tell(), encoding="latin1").load()
        return value.item() if isinstance(value, np.ndarray) and value.shape == () else value
    count = math.prod(shape)
    if not 0 <= count * dtype.itemsize <= size:
        raise ValueError(f"its shape {shape} does not fit its {size:,} bytes")
    flat = np.frombuffer(bytearray(stream.read(count * dtype.itemsize)), dtype=dtype, count=count)
    return flat.reshape(shape, order="F" if fortran else "C")


class _ArrayUnpickler(PlainUnpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core", "numpy._core").replace("__builtin__", "builtins")
        if (module, name) not in _NAMES:
            raise _ForeignPickleError(ascii(f"{module}.{name}"[:100]))
        stand_in = _NAMES[module, name]
        return lambda *arguments: stand_in(self, *arguments)  # made anew, so that no pickle alters it for the next

    def persistent_load(self, pid: Any) -> Any:
        raise _ForeignPickleError("a persistent object")

    def put(self, target: Any, items: list[Any]) -> None:
        """Put items into a dict; keys that NumPy's whole numbers are become Python's."""
        keys = [key.item() if type(key) in _WHOLE_NUMBERS else key for key in items[::2]]
        super().put(target, [part for pair in zip(keys, items[1::2], strict=True) for part in pair])

    def build(self, target: Any, state: Any) -> None:
        """Fill an array that ``_reconstruct`` made, or set a data type's byte order."""
        if isinstance(target, _DataType):
            order, *parts = state[1:5]
            if order not in ("<", ">", "|", "=") or any(part is not None for part in parts):
                raise _ForeignPickleError("a data type with parts")
            target.order = order
        elif type(target) is np.ndarray:
            shape, dtype, fortran, content = state[-4:]
            held = dtype.resolved
            if held.hasobject and not (type(content) is list and len(content) == _count(shape)):
                raise _ForeignPickleError("an array of objects without the objects")
            if not held.hasobject:
                content = _bytes_of(self, content)
                if len(content) != _count(shape) * held.itemsize:
                    raise ValueError(f"{len(content):,} bytes do not fill an array of shape {shape}")
            np.ndarray.__setstate__(target, (1, shape, held, bool(fortran), content))  # type: ignore[arg-type]
        else:
            super().build(target, state)


class _DataType:
    """A data type that a pickle describes: numbers, texts, or objects, never with parts."""

    def __init__(self, code: Any) -> None:
        if type(code) is not str or not re.fullmatch(r"[biufcSUO]\d{0,9}", code):
            raise _ForeignPickleError(f"the data type {code!r:.40}")
        self.code = code
        self.order: Literal["<", ">", "|", "="] = "="

    @property
    def resolved(self) -> np.dtype[Any]:
        return np.dtype(self.code).newbyteorder(self.order)


def _count(shape: Any) -> int:
    if type(shape) is not tuple or not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError("a shape must be a tuple of numbers")
    return math.prod(shape)


def _bytes_of(unpickler: PlainUnpickler, data: Any) -> bytes:
    """Bytes that a pickle holds as such, or as text in its older protocols."""
    if not isinstance(data, bytes | bytearray | str):
        raise TypeError(f"the content of an array is a {type(data).__name__}")
    unpickler.charge(len(data))
    return data.encode("latin1") if isinstance(data, str) else bytes(data)


def _buffer(unpickler: PlainUnpickler, data: Any, dtype: Any) -> np.ndarray:
    if dtype.resolved.hasobject:
        raise _ForeignPickleError("objects inside a buffer")
    return np.frombuffer(bytearray(_bytes_of(unpickler, data)), dtype=dtype.resolved)


def _reshaped(unpickler: PlainUnpickler, data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    return _buffer(unpickler, data, dtype).reshape(shape, order=order)


def _scalar(unpickler: PlainUnpickler, dtype: Any, data: Any) -> Any:
    """A NumPy scalar; a text as Python's, which may be a key."""
    value = _buffer(unpickler, data, dtype)[0]
    return value.item() if isinstance(value, np.str_) else value


_WHOLE_NUMBERS = tuple(np.dtype(code).type for code in np.typecodes["AllInteger"])
# what a pickle may name; each is called with the unpickler and the pickle's arguments
_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): lambda unpickler, code, *flags: _DataType(code),
    ("numpy._core.multiarray", "_reconstruct"): lambda unpickler, *unused: np.ndarray((0,), dtype=np.int8),
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _reshaped,
    ("collections", "OrderedDict"): lambda unpickler: OrderedDict(),
    ("collections", "defaultdict"): lambda unpickler, *factory: {},
    ("builtins", "dict"): lambda unpickler: {},
    ("builtins", "list"): lambda unpickler: [],
    ("_codecs", "encode"): lambda unpickler, text, encoding: _bytes_of(unpickler, text),
}
