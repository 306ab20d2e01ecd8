"""Writing files so that a kill or a full disk leaves the old file or the new one, never half of it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from models.errors import InputError

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)
"""Errors that say that a place cannot be used: the disk is full or broken, or it may not be written at all."""

MOST_BYTES_OF_A_NAME = 200
"""Most bytes of a file's name in the name of its temporary; systems allow 255 bytes."""


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that takes the name ``path`` when the block ends without an error.

    The content is flushed to the disk before the rename; on an error nothing is left behind. Who may read the file
    follows from the umask, as for any other file. A kill leaves a temporary ".NAME.8 hexadecimal digits".
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = os.fsdecode(os.fsencode(path.name)[:MOST_BYTES_OF_A_NAME])
    temporary = path.parent / f".{name}.{secrets.token_hex(4)}"
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the error that brought us here is the one to tell
            temporary.unlink(missing_ok=True)
        raise


def nearest_existing(path: Path) -> Path:
    """The absolute path, or the nearest folder above it that exists; a link counts, wherever it points."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if os.path.lexists(place))


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as file:
        file.write(text.encode())


def read_bytes(path: Path) -> bytes:
    """The content of a file of the store.

    Raises:
        FileNotFoundError: there is none.
        InputError: it cannot be read now: it belongs to somebody else, or the disk fails. That is not damage.
    """
    with open_to_read(path) as file:
        return file.read()


@contextlib.contextmanager
def open_to_read(path: Path) -> Iterator[BinaryIO]:
    """Open a file of the store; raises as ``read_bytes`` does, also for what fails inside the block."""
    try:
        with open(path, "rb") as file:
            yield file
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
    except PermissionError:
        raise InputError(f"{path}: you may not read it; ask its owner for the right to (chmod a+r)") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its disk and try again") from error


def sha256(*contents: bytes | memoryview) -> str:
    """SHA-256 of contents, one after the other, in hexadecimal digits."""
    found = hashlib.sha256()
    for content in contents:
        found.update(content)
    return found.hexdigest()
