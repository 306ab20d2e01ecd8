"""Data sets: a reader for each, found by its name in ``bench.config.registry``.

A reader is a function ``read(root: Path | None, detections: str, *, option: type = default, …) -> Dataset``; its
keyword arguments are the options of the data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from bench.config.parsing import checked_options
from bench.config.registry import DATASETS

if TYPE_CHECKING:
    from bench.data.sequence import Dataset


def load(
    name: str, root: Path | None = None, detections: str = "gt", options: Mapping[str, Any] | None = None
) -> Dataset:
    """Read a data set.

    Args:
        name: of the registry.
        root: folder of its files, for readers that need one.
        detections: source of the 2D poses: "gt", "cpn" or what else the reader finds.
        options: keyword arguments of the reader.

    Raises:
        InputError: no reader has this name, it has no such option, or it cannot use the files.
    """
    read = DATASETS.load(name)
    hints = get_type_hints(read)
    keywords = [entry.name for entry in signature(read).parameters.values() if entry.kind is entry.KEYWORD_ONLY]
    own = {keyword: hints[keyword] for keyword in keywords}
    dataset: Dataset = read(root, detections, **checked_options(options or {}, own, "data.options", name))
    return dataset
