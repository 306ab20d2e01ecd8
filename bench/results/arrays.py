"""Arrays kept in files next to the records of runs: errors of every frame, and example poses for pictures.

Shapes: S sequences, N frames, J joints, H hypotheses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from bench.results.files import atomic
from bench.results.record import Record

Name = tuple[str, str | None]
"""(metric, aggregation); no aggregation for a deterministic method."""


@dataclass(frozen=True)
class Examples:
    """Input and prediction of a method in a few test sequences, the same ones for every method on the same data.

    Poses are stored in half precision: good enough for pictures, too coarse to compute errors from.

    Attributes:
        keys: names of the S sequences.
        fps: ``[S]`` frames per second of the sequences; ``frame`` says which of them are here.
        joints: names of the J joints.
        parents: ``[J]`` the joint that each one hangs on, -1 for the root.
        left: ``[J]`` bool, joints of the left side.
        sequence, frame: ``[N]`` where each frame comes from, ascending.
        pose_2d: ``[N, J, 2]`` the input, normalised screen coordinates, y down.
        target: ``[N, J, 3]`` ground truth, metres in camera axes (y down), relative to the root.
        answer: ``[N, J, 3]`` the prediction; the mean of all hypotheses (P-Agg) of a method that has several.
        hypotheses: ``[N, H', J, 3]`` the first H' ≤ 5 of them; H' = 0 for a deterministic method.
    """

    keys: tuple[str, ...]
    fps: np.ndarray
    joints: tuple[str, ...]
    parents: np.ndarray
    left: np.ndarray
    sequence: np.ndarray
    frame: np.ndarray
    pose_2d: np.ndarray
    target: np.ndarray
    answer: np.ndarray
    hypotheses: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """``[J]`` bool, joints of the right side, by their names."""
        return np.array([name.startswith("R") for name in self.joints]) & ~self.left

    def save(self, path: Path) -> None:
        """Write a plain ``.npz``; the file appears whole or not at all."""
        arrays: dict[str, Any] = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        with atomic(path) as file:
            np.savez_compressed(file, **arrays)


def save_frame_errors(
    path: Path, frames: Mapping[Name, np.ndarray], keys: Sequence[str], sequence: np.ndarray, frame: np.ndarray
) -> None:
    """Write the errors of a run as a plain ``.npz``; the file appears whole or not at all.

    Args:
        path: of the file.
        frames: name → ``[N]`` error of each frame; in the file "frames/METRIC/AGGREGATION".
        keys: names of the S sequences.
        sequence, frame: ``[N]`` where each frame comes from.
    """
    named = {f"frames/{metric}/{aggregation or ''}": array for (metric, aggregation), array in frames.items()}
    arrays: dict[str, Any] = {"keys": np.array(keys, dtype=np.str_), "sequence": sequence, "frame": frame, **named}
    with atomic(path) as file:
        np.savez(file, **arrays)


@dataclass(frozen=True)
class RunFiles:
    """The folder in which a store keeps the arrays of its runs."""

    root: Path

    def errors_path(self, run: str) -> Path:
        return self.root / "errors" / f"{run}.npz"

    def examples_path(self, run: str) -> Path:
        return self.root / "examples" / f"{run}-examples.npz"

    def of(self, run: str) -> list[Path]:
        """Every file of a run."""
        return [path for path in (self.errors_path(run), self.examples_path(run)) if path.exists()]

    def examples(self, record: Record) -> Examples | None:
        """Examples of the first of a record's runs that has some; None where none were kept."""
        for run in record.runs:
            arrays = _read(self.examples_path(run), [field.name for field in fields(Examples)])
            if arrays is not None:
                names = {name: tuple(arrays[name].tolist()) for name in ("keys", "joints")}
                content: dict[str, Any] = {**arrays, **names}
                return Examples(**content)
        return None

    def frame_errors(self, record: Record, metric: str, aggregation: str | None) -> np.ndarray | None:
        """Errors of every counted frame ``[N]`` at the last step, run after run; None where none were kept."""
        name = f"frames/{metric}/{aggregation or ''}"
        found = [arrays[name] for run in record.runs if (arrays := _read(self.errors_path(run), [name]))]
        return np.concatenate(found) if found else None


def _read(path: Path, names: list[str]) -> dict[str, np.ndarray] | None:
    """The named arrays of a file; None where it is missing or damaged."""
    try:
        with np.load(path) as file:
            return {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
