"""Data sets by name: one file and one line of ``READERS`` for each.

A reader is a function ``read(root: Path | None, detections: str) -> Dataset``.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import InputError

if TYPE_CHECKING:
    from bench.data.sequence import Dataset

READERS = {
    "synthetic": "bench.data.synthetic:read",
    "human36m": "bench.data.human36m:read",
}


def load(name: str, root: Path | None = None, detections: str = "gt") -> Dataset:
    """Read a data set.

    Args:
        name: a key of ``READERS``.
        root: folder of its files, for readers that need one.
        detections: source of the 2D poses: "gt", "cpn" or what else the reader finds.

    Raises:
        InputError: no reader has this name, or the reader cannot use the files.
    """
    if name not in READERS:
        close = get_close_matches(name, READERS, n=1)
        hint = f"did you mean '{close[0]}'" if close else f"choose one of {', '.join(READERS)}"
        raise InputError(f"there is no data set '{name}': {hint}")
    module, function = READERS[name].split(":")
    dataset: Dataset = getattr(import_module(module), function)(root, detections)
    return dataset
