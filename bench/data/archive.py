"""Read the field's ``.npz`` files, whose values are pickles, without running anything that stands in them.

A pickle may name any function and have it called. Here the only names that exist are those that NumPy arrays,
data types and scalars are stored under (NumPy 1 and 2), and plain containers.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from models.errors import InputError


def read_archive(path: Path, key: str) -> object:
    """The value stored under ``key``: an array, or what a 0-d object array holds (nested dicts of arrays).

    Raises:
        InputError: the file is missing, cut short or no ``.npz``; it has no such key; or its pickle asks for
            something other than arrays and plain containers, which is then neither imported nor run.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist: put the file there, or name the folder that has it")
    try:
        with zipfile.ZipFile(path) as archive:
            member = _member(archive, path, key)
            with archive.open(member) as stream:
                return _read_array(stream)
    except InputError:
        raise
    except _ForeignPickleError as error:
        raise InputError(
            f"{path}, key '{key}': its pickle asks for {error}, neither an array nor a plain container, and "
            "it was not run: get the file from its publisher, or save arrays and dicts only"
        ) from error
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is cut short, damaged or not an .npz archive: get it again") from error
    except Exception as error:  # a damaged pickle can raise almost anything
        raise InputError(
            f"{path} cannot be read at key '{key}' ({type(error).__name__}: {error}): get the file again"
        ) from error


class _ForeignPickleError(Exception):
    """A pickle named something that is not on the list."""


def _member(archive: zipfile.ZipFile, path: Path, key: str) -> str:
    keys = [name.removesuffix(".npy") for name in archive.namelist()]
    if key not in keys:
        raise InputError(
            f"{path} has no key '{key}' but {', '.join(sorted(keys)) or 'none at all'}: check the file"
        )
    return f"{key}.npy"


def _read_array(stream: IO[bytes]) -> object:
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = header(stream)
    if dtype.hasobject:
        value = _ArrayUnpickler(stream, encoding="latin1").load()
        return value.item() if isinstance(value, np.ndarray) and value.shape == () else value
    count = int(np.prod(shape, dtype=np.int64))
    flat = np.frombuffer(bytearray(stream.read(count * dtype.itemsize)), dtype=dtype, count=count)
    return flat.reshape(shape, order="F" if fortran else "C")


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        names = _names()
        if (module, name) not in names:
            raise _ForeignPickleError(f"'{module}.{name}'")
        return names[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise _ForeignPickleError("a persistent object")


def _names() -> dict[tuple[str, str], Any]:
    """What a pickle may call. Functions are made anew each time, so that no pickle can alter them for the next."""
    functions: dict[str, Callable[..., Any]] = {
        "multiarray._reconstruct": lambda kind, shape, code: np.ndarray((0,), dtype=np.int8),
        "multiarray.scalar": lambda dtype, data: _buffer(data, dtype)[0],
        "numeric._frombuffer": lambda data, dtype, shape, order: _buffer(data, dtype).reshape(shape, order=order),
    }
    names: dict[tuple[str, str], Any] = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}
    for path, function in functions.items():
        module, name = path.split(".")
        names[f"numpy.core.{module}", name] = function
        names[f"numpy._core.{module}", name] = function
    for module in ("builtins", "__builtin__"):
        for container in (set, frozenset, bytearray, complex):
            names[module, container.__name__] = container
    names["collections", "OrderedDict"] = OrderedDict
    names["_codecs", "encode"] = lambda text, encoding: text.encode("latin1")
    return names


def _buffer(data: Any, dtype: Any) -> np.ndarray:
    if np.dtype(dtype).hasobject:
        raise _ForeignPickleError("objects inside a buffer")
    return np.frombuffer(bytearray(data.encode("latin1") if isinstance(data, str) else data), dtype=dtype)
