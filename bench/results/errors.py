"""The errors of one evaluation, kept so that every table can be made again without the model.

Shapes: K steps, S sequences, T takes, J joints, N counted frames.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from bench.results.files import atomic
from models.errors import InputError

Name = tuple[str, str | None]
"""(metric, aggregation); no aggregation for a deterministic method."""


@dataclass(frozen=True)
class FrameErrors:
    """Errors of one evaluated (H, K) over counted frames, in millimetres or percent.

    Attributes:
        hypotheses, steps: H and K; 1 and 1 for a deterministic method.
        keys, takes, actions: of the S sequences that have counted frames: name, take, action class.
        sequence, frame: ``[N]`` int32, where each frame comes from, in ascending order; a frame that was counted
            twice stands there twice.
        counts: ``[S]`` int64, counted frames of each sequence.
        sums: name → ``[K', S]`` float64, sum of the errors of each sequence at the last K' steps.
        frames: name → ``[N]`` float32, error of each frame at the last step.
        joints: name → ``[S, J]`` float64, sum of the errors of each joint at the last step.
        activity: ``[N]`` names of what is done in each frame; None where the data do not say.
    """

    hypotheses: int
    steps: int
    keys: tuple[str, ...]
    takes: tuple[str, ...]
    actions: tuple[str, ...]
    sequence: np.ndarray
    frame: np.ndarray
    counts: np.ndarray
    sums: dict[Name, np.ndarray]
    frames: dict[Name, np.ndarray]
    joints: dict[Name, np.ndarray]
    activity: np.ndarray | None = None


@dataclass(frozen=True)
class Takes:
    """The test takes, cameras together, in sorted order: what is resampled for an interval.

    Attributes:
        names, actions: of the T takes.
        frames: ``[T]`` counted frames.
        member: ``[T, S]`` 1 where a sequence belongs to a take.
    """

    names: tuple[str, ...]
    actions: tuple[str, ...]
    frames: np.ndarray
    member: np.ndarray


def takes(errors: FrameErrors) -> Takes:
    """The same for every evaluation of the same frames, so that two can be compared take by take."""
    names, first, owner = np.unique(errors.takes, return_index=True, return_inverse=True)
    member = (owner == np.arange(len(names))[:, None]).astype(np.float64)
    actions = tuple(np.array(errors.actions)[first].tolist())
    return Takes(tuple(names.tolist()), actions, member @ errors.counts, member)


def save_errors(path: Path, errors: FrameErrors) -> None:
    """Write errors as a plain ``.npz``; the file appears whole or not at all."""
    arrays = {field: getattr(errors, field) for field in ("sequence", "frame", "counts")}
    arrays |= {field: np.array(getattr(errors, field), dtype=np.str_) for field in ("keys", "takes", "actions")}
    arrays |= {} if errors.activity is None else {"activity": errors.activity}
    arrays["hypotheses_steps"] = np.array([errors.hypotheses, errors.steps])
    for kind in ("sums", "frames", "joints"):
        named = getattr(errors, kind)
        arrays |= {f"{kind}/{metric}/{aggregation or ''}": array for (metric, aggregation), array in named.items()}
    with atomic(path) as file:
        np.savez(file, **arrays)


def load_errors(path: Path) -> FrameErrors:
    """Read what ``save_errors`` wrote.

    Raises:
        InputError: the file is missing, damaged, or something else.
    """
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        named: dict[str, dict[Name, np.ndarray]] = {"sums": {}, "frames": {}, "joints": {}}
        for name in [name for name in arrays if "/" in name]:
            kind, metric, aggregation = name.split("/")
            named[kind][metric, aggregation or None] = arrays.pop(name)
        hypotheses, steps = arrays.pop("hypotheses_steps").tolist()
        arrays |= {field: tuple(arrays[field].tolist()) for field in ("keys", "takes", "actions")}
        expected = {field.name for field in fields(FrameErrors)} - {"hypotheses", "steps", "activity", *named}
        if arrays.keys() - {"activity"} != expected:
            raise KeyError(sorted(expected ^ arrays.keys())[0])
        content: dict[str, Any] = {"hypotheses": hypotheses, "steps": steps, **arrays, **named}
        return FrameErrors(**content)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{path}: is not a file of evaluation errors ({error}); evaluate again") from None
