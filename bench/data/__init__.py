"""Data sets: sequences of people in motion, seen by cameras, and the windows that methods are given of them.

Each data set is a ``Reader``, found by its name in ``bench.config.registry.DATASETS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.config.registry import DATASETS
from models.errors import InputError

if TYPE_CHECKING:
    from bench.data.reader import Reader
    from bench.data.sequence import Dataset


def load(
    name: str, root: Path | None = None, detections: str = "gt", options: Mapping[str, Any] | None = None
) -> Dataset:
    """Read a data set of the registry, with 2D poses of a source and with options of its own.

    Raises:
        InputError: no data set has this name, it has no such option, or its files cannot be used.
    """
    return find_reader(name).load(root, detections, options or {})


def find_reader(name: str) -> Reader:
    """The reader of a data set, of this repository or of another package.

    Raises:
        InputError: no data set has this name, it does not import, or what it names is no ``Reader``.
    """
    from bench.data.reader import Reader  # here, so that processes that only parse files need not load torch

    found = DATASETS.load(name)
    if not (isinstance(found, type) and issubclass(found, Reader)):
        raise InputError(f"data set {name!r} is {found!r}, no subclass of bench.data.reader.Reader: make it one")
    return found()
