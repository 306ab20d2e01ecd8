"""What a killed program leaves in a store besides results: temporaries of files that it was writing."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

OLD_SECONDS = 24 * 3600.0
"""Nobody writes one file for so long."""

TEMPORARY = re.compile(r"\..+\.[0-9a-z_]{8}")
"""".NAME.XXXXXXXX", as ``bench.results.files.atomic`` names them."""

FOLDERS = ("", "evaluations", "prices", "failures", "times", "records", "errors", "examples", "unreadable")


def remove_leftovers(root: Path) -> int:
    """Remove temporaries that were not touched for a day from a store.

    Returns:
        How many were removed. What cannot be removed stays.
    """
    trainings = root / "trainings"
    folders = [root / name for name in FOLDERS] + [trainings]
    with suppress(OSError):
        folders += [Path(entry.path) for entry in os.scandir(trainings) if entry.is_dir()]
    removed = 0
    for folder in folders:
        with suppress(OSError):
            for entry in os.scandir(folder):
                if TEMPORARY.fullmatch(entry.name) and _is_old(entry):
                    os.unlink(entry.path)
                    removed += 1
    return removed


def _is_old(entry: os.DirEntry[str]) -> bool:
    found = entry.stat(follow_symlinks=False)
    return entry.is_file(follow_symlinks=False) and time.time() - found.st_mtime > OLD_SECONDS
