"""Data sets by name: one file and one line of ``READERS`` for each.

A reader is a function ``read(root: Path | None, detections: str, *, option: type = default, …) -> Dataset``; its
keyword arguments are the options of the data set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from models.errors import InputError

if TYPE_CHECKING:
    from bench.data.sequence import Dataset

READERS = {
    "synthetic": "bench.data.synthetic.reader:read",
    "human36m": "bench.data.human36m.reader:read",
    "bvh": "bench.data.bvh.reader:read",
    "mpi_inf_3dhp": "bench.data.mpi_inf_3dhp.reader:read",
}


def load(
    name: str, root: Path | None = None, detections: str = "gt", options: Mapping[str, Any] | None = None
) -> Dataset:
    """Read a data set.

    Args:
        name: a key of ``READERS``.
        root: folder of its files, for readers that need one.
        detections: source of the 2D poses: "gt", "cpn" or what else the reader finds.
        options: keyword arguments of the reader.

    Raises:
        InputError: no reader has this name, it has no such option, or it cannot use the files.
    """
    if name not in READERS:
        close = get_close_matches(name, READERS, n=1)
        hint = f"did you mean '{close[0]}'" if close else f"choose one of {', '.join(READERS)}"
        raise InputError(f"there is no data set '{name}': {hint}")
    module, function = READERS[name].split(":")
    read = getattr(import_module(module), function)
    dataset: Dataset = read(root, detections, **_checked(name, read, options or {}))
    return dataset


def _checked(name: str, read: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, brought to the types that the reader declares."""
    from pydantic import TypeAdapter, ValidationError

    hints = get_type_hints(read)
    keywords = signature(read).parameters.values()
    known = [parameter.name for parameter in keywords if parameter.kind is parameter.KEYWORD_ONLY]
    checked = {}
    for key, value in options.items():
        if key not in known:
            raise InputError(f"data set {name} has no option '{key}': it has {', '.join(known) or 'none'}")
        try:
            checked[key] = TypeAdapter(hints[key]).validate_python(value)
        except ValidationError as error:
            allowed = error.errors()[0]["msg"]
            raise InputError(
                f"key 'data.options.{key}' is {value!r}, but {allowed[0].lower()}{allowed[1:]}"
            ) from None
    return checked
