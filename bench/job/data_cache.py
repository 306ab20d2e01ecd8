"""Data sets that a command or a worker has loaded, so that its experiments share them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import bench.data
from bench.data.inspect.at_load import check_at_load
from bench.data.sequence import Dataset
from bench.data.splits import held_out_takes

MOST_FRAMES = 8_000_000
"""Kept where nobody else keeps them, about 3 GB; beyond that, the data set used least recently goes first."""


class DataCache:
    """Loaded data sets, and which of their takes are held out.

    Make one for each command and for each worker process. Files are taken not to change while it is in use.
    """

    def __init__(self) -> None:
        self._loaded: dict[tuple[object, ...], Dataset] = {}
        self._kept: WeakValueDictionary[tuple[object, ...], Dataset] = WeakValueDictionary()  # by a job, perhaps
        self._frames: dict[tuple[object, ...], int] = {}
        self._held_out: dict[tuple[str, str, int], list[str]] = {}

    def load(self, name: str, root: Path | None, detections: str, options: Mapping[str, Any]) -> Dataset:
        """The data set of ``bench.data.load``, kept for later calls, after the checks of ``check_at_load``.

        Raises:
            InputError: the data cannot be read, or cannot be right.
        """
        key = (name, root, detections, tuple(sorted(options.items())))
        dataset = self._loaded.pop(key, None) or self._kept.get(key)
        if dataset is None:
            dataset = bench.data.load(name, root, detections, dict(options))
            dataset = check_at_load(dataset, f"data {name}" + (f" in {root}" if root else ""))
            self._frames[key] = sum(map(len, (*dataset.train, *dataset.test)))
        while self._loaded and sum(self._frames[one] for one in (key, *self._loaded)) > MOST_FRAMES:
            del self._loaded[next(iter(self._loaded))]
        self._loaded[key] = self._kept[key] = dataset  # at the end: used last
        return dataset

    def held_out(self, data: Dataset, every: int) -> list[str]:
        """Takes that are kept for validation: ``held_out_takes`` of the training sequences."""
        key = (data.name, data.fingerprint, every)
        if key not in self._held_out:
            self._held_out[key] = held_out_takes(data.train, every, data.validation)
        return self._held_out[key]
