"""Folders for files in the making, beside the place that they are moved to when they are whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

REPORT, LATEX = ".report-", ".latex-"
"""How names of the folders begin: of the files of a report, and of a LaTeX run."""

LOCK = ".in-use"
"""A file in each of them that its program holds a lock on."""

OLD_SECONDS = 3600
"""Age from which a folder without that file is no longer one that another program is just making."""


@contextlib.contextmanager
def staging(out: Path, prefix: str) -> Iterator[Path]:
    """A folder of its own below ``out`` that is gone at the end of the block.

    Those of programs that were killed are removed first; those of programs that still run are left alone.
    """
    for left in [*out.glob(f"{REPORT}*"), *out.glob(f"{LATEX}*")]:
        _remove_if_left(left)
    folder, handle = _make(out, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _make(out: Path, prefix: str) -> tuple[Path, int]:
    """The folder, and its lock file: open until the folder is given up."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=out, prefix=prefix))
        handle = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR)
        with contextlib.suppress(OSError):  # a file system without locks: nobody will take it for left
            fcntl.flock(handle, fcntl.LOCK_EX)
        if (folder / LOCK).exists():
            return folder, handle
        os.close(handle)  # another program took it for left, before it was locked


def _remove_if_left(folder: Path) -> None:
    with contextlib.suppress(OSError):  # gone by now, of another user, or in use
        try:
            handle = os.open(folder / LOCK, os.O_RDWR)
        except FileNotFoundError:
            if time.time() - folder.stat().st_mtime > OLD_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
