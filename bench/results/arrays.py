"""Arrays kept in files next to the records of runs: errors of every frame, and example poses for pictures.

Shapes: S sequences, N frames, J joints, H hypotheses.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from bench.results.documents import set_aside
from bench.results.files import atomic, open_to_read, read_bytes, sha256
from bench.results.record import Record
from models.errors import InputError

DAMAGED = "its content does not have its checksum"

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

    def checksums(self, run: str) -> dict[str, str]:
        """Path in the store → SHA-256 of every file of a run."""
        return {path.relative_to(self.root).as_posix(): sha256(read_bytes(path)) for path in self.of(run)}

    def lost(self, files: Iterable[str]) -> list[str]:
        """Paths of ``files`` that are not in the store."""
        return [name for name in files if not (self.root / name).exists()]

    def whole(self, files: Mapping[str, str]) -> bool:
        """Whether all of these files are there as they were written; a damaged one is set aside.

        Args:
            files: path in the store → SHA-256.
        """
        damaged = False
        for name, expected in files.items():
            path = self.root / name
            if path.exists() and not _has_checksum(path, expected, path.stat().st_mtime_ns):
                set_aside(path, self.root, DAMAGED)
                damaged = True
        return not damaged and not self.lost(files)

    def missing(self, record: Record) -> list[str]:
        """Paths of the arrays that a record had and that are lost, or were damaged and moved aside."""
        written = record.files or [self.errors_path(run).relative_to(self.root).as_posix() for run in record.runs]
        return self.lost(written)

    def runs(self) -> set[str]:
        """Ids of all runs whose errors are kept."""
        return {path.stem for path in self.root.glob("errors/*.npz") if not path.name.startswith(".")}

    def examples(self, record: Record) -> Examples | None:
        """Examples of the first of a record's runs that has some; None where none were kept."""
        for run in record.runs:
            wanted = [field.name for field in fields(Examples)]
            arrays = self._read(self.examples_path(run), wanted, record)
            if arrays is not None and arrays.keys() == set(wanted):
                names = {name: tuple(arrays[name].tolist()) for name in ("keys", "joints")}
                content: dict[str, Any] = {**arrays, **names}
                return Examples(**content)
        return None

    def frame_errors(self, record: Record, metric: str, aggregation: str | None) -> np.ndarray | None:
        """Errors of every counted frame ``[N]`` at the last step, run after run; None where none were kept."""
        name = f"frames/{metric}/{aggregation or ''}"
        found = [self._read(self.errors_path(run), [name], record) for run in record.runs]
        kept = [arrays[name] for arrays in found if arrays is not None and name in arrays]
        return np.concatenate(kept) if kept else None

    def _read(self, path: Path, names: list[str], record: Record) -> dict[str, np.ndarray] | None:
        """The named arrays of a file, as far as it has them; None where it is missing or damaged.

        Raises:
            InputError: it may not be read, or the disk fails.
        """
        if not path.exists():
            return None
        reason = DAMAGED
        expected = record.files.get(path.relative_to(self.root).as_posix())
        if expected is None or _has_checksum(path, expected, path.stat().st_mtime_ns):
            try:
                with open_to_read(path) as source, np.load(source) as file:
                    return {name: file[name] for name in names if name in file}
            except InputError:  # the disk fails: that is not damage
                raise
            except Exception as error:  # a damaged archive can raise almost anything
                reason = f"{type(error).__name__}: {error}"[:200]
        set_aside(path, self.root, reason)
        return None


@functools.cache
def _has_checksum(path: Path, expected: str, modified: int) -> bool:
    """Whether a file, last ``modified`` then, has this content; found out once."""
    return sha256(read_bytes(path)) == expected
