"""What a killed program leaves besides results: temporaries of files, states of trainings that are finished."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from bench.results.store import TRAINED, WEIGHTS

OLD_SECONDS = 24 * 3600.0
"""Nobody writes one file for so long."""

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}")
"""Names of temporaries, as ``bench.results.files.atomic`` gives them: .NAME.XXXXXXXX."""

STATE = re.compile(r"state(-before)?\.pt|best-\d+(-.+)?\.safetensors")
"""Files that only an unfinished training needs; older versions numbered the best weights alone."""

FOLDERS = ("", "evaluations", "prices", "failures", "times", "records", "errors", "examples", "unreadable", "live")


def remove_leftovers(root: Path) -> int:
    """Remove temporaries, and what finished trainings no longer need, where they were not touched for a day.

    Args:
        root: of a store.

    Returns:
        How many were removed. What cannot be removed stays.
    """
    trainings = root / "trainings"
    folders = [root / name for name in FOLDERS] + [trainings]
    with suppress(OSError):
        folders += [Path(entry.path) for entry in os.scandir(trainings) if entry.is_dir()]
    removed = 0
    for folder in folders:
        finished = folder.parent == trainings and _is_finished(folder)
        with suppress(OSError):
            for entry in os.scandir(folder):
                left = TEMPORARY.fullmatch(entry.name) or (finished and STATE.fullmatch(entry.name))
                if left and _is_old(entry):
                    os.unlink(entry.path)
                    removed += 1
            if finished and "+" in folder.name:
                folder.rmdir()
    return removed


def remove_leftovers_of(path: Path) -> None:
    """Remove old temporaries of one file, in a folder whose others are not the suite's."""
    with suppress(OSError):
        for entry in os.scandir(path.absolute().parent):
            if TEMPORARY.fullmatch(entry.name) and entry.name[1:-9] == path.name and _is_old(entry):
                os.unlink(entry.path)


def _is_finished(folder: Path) -> bool:
    """Whether the training in a folder is finished, or those of one trajectory that it is named after."""
    members = [folder.parent / name for name in folder.name.split("+")]
    return all((member / file).exists() for member in members for file in (TRAINED, WEIGHTS))


def _is_old(entry: os.DirEntry[str]) -> bool:
    found = entry.stat(follow_symlinks=False)
    return entry.is_file(follow_symlinks=False) and time.time() - found.st_mtime > OLD_SECONDS
