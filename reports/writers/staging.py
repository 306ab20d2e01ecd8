"""Folders for files in the making, beside the place that they are moved to when they are whole."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

REPORT, LATEX = ".report-", ".latex-"
"""How names of the folders begin: of the files of a report, and of a LaTeX run."""

LOCK = ".in-use"
"""A file in each of them that its program holds a lock on."""

OLD_SECONDS = 3600
"""Age from which what has no such file is no longer something that another program is just making."""

HALF_WRITTEN = re.compile(r"\.(runset\.json|comparison\.\w+)\.[0-9a-f]{8}")
"""What ``bench.results.files.atomic`` leaves of a killed program."""


@contextlib.contextmanager
def staging(out: Path, prefix: str) -> Iterator[Path]:
    """A folder of its own below ``out`` that is gone at the end of the block.

    Those of programs that were killed are removed first; those of programs that still run are left alone.
    """
    for left in [*out.glob(f"{REPORT}*"), *out.glob(f"{LATEX}*")]:
        _remove_if_left(left)
    for left in out.glob(".*"):
        with contextlib.suppress(OSError):
            if HALF_WRITTEN.fullmatch(left.name) and _age(left) > OLD_SECONDS:
                left.unlink()
    folder, lock = _make(out, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _make(out: Path, prefix: str) -> tuple[Path, FileLock]:
    """The folder, and the lock on the file in it, held until the folder is given up."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=out, prefix=prefix))
        lock = FileLock(folder / LOCK)
        with contextlib.suppress(OSError, NotImplementedError):  # a file system without locks, or it is gone
            lock.acquire()
        if folder.exists():
            return folder, lock
        lock.release()  # another program took it for left, before it was locked


def _remove_if_left(folder: Path) -> None:
    with contextlib.suppress(OSError, NotImplementedError):  # gone by now, of another user, or in use
        if (folder / LOCK).exists():
            with FileLock(folder / LOCK, blocking=False):
                shutil.rmtree(folder, ignore_errors=True)
        elif _age(folder) > OLD_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _age(path: Path) -> float:
    """Seconds since it was changed."""
    return time.time() - path.stat().st_mtime
