"""What a training says of itself while it runs: a file in the store.

Whoever follows trainings (``bench.results.tracking.live``) reads along and sends it to MLflow. So a training on
any machine that sees the store needs no connection to MLflow, waits for nothing, and loses nothing when MLflow is
away. The first line describes the runs, each further line is a point of their curves. A training that is gone on
with after an interruption adds to the same file, and repeats no point.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from bench.config.parsing import Frozen

FOLDER = "live"
"""Folder of a store for journals of trainings and activities of evaluations until MLflow has them."""


class DataUse(Frozen):
    """Data that a run was given: name, hash, and what for ("training", "validation", "test").

    Attributes:
        source: where they come from, in words: label and detections.
    """

    name: str
    digest: str
    context: str
    source: str


class RunHead(Frozen):
    """What is known of the run of a training at its first step.

    Attributes:
        params: keys joined by dots → values; texts as they are, all else as JSON.
    """

    id: str
    name: str
    params: dict[str, str]
    tags: dict[str, str] = {}
    data: tuple[DataUse, ...] = ()


class Head(Frozen):
    """The first line of a journal.

    Attributes:
        began: milliseconds since 1970.
        runs: of the trainings that go through the same weights and differ in their selection.
    """

    began: int
    runs: tuple[RunHead, ...]


class Point(NamedTuple):
    """Metrics at a step of the optimiser.

    Attributes:
        moment: milliseconds since 1970.
        run: number of the run in the head that they are of; None for all of them.
    """

    moment: int
    step: int
    metrics: dict[str, float]
    run: int | None


class Journal:
    """The journal that a training writes."""

    def __init__(self, path: Path, runs: tuple[RunHead, ...]) -> None:
        """Begin a journal, or go on with the one of an interrupted training.

        Raises:
            OSError: the store cannot be written.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if head_of(path) is None:
            path.write_bytes(_line(Head(began=now(), runs=runs).model_dump()))
        points, whole = read(path)
        os.truncate(path, whole)  # a kill may have left half a line
        self._known = {(point.run, point.step, key) for point in points for key in point.metrics}

    def note(self, step: int, metrics: Mapping[str, float], run: int | None = None) -> None:
        """Add a point; what an interrupted training has said before is not said again.

        Args:
            step: steps of the optimiser that are done.
            metrics: of the training after this step.
            run: number of the run that they are of; None for all runs.

        Raises:
            OSError: the disk is full. Half a line may be written, which a continued journal begins without.
        """
        new = {key: value for key, value in metrics.items() if (run, step, key) not in self._known}
        if not new:
            return
        self._known.update((run, step, key) for key in new)
        with suppress(FileNotFoundError):  # a journal that was removed is not begun again
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                line = _line(Point(now(), step, new, run)._asdict())
                if os.write(file, line) < len(line):  # by one write: two threads may add
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            finally:
                os.close(file)


def journals(root: Path) -> list[Path]:
    """Files of all journals of a store."""
    return sorted((root / FOLDER).glob("*.jsonl"))


def path_of(root: Path, name: str) -> Path:
    """File of the journal of a training, or of several that are named together."""
    return root / FOLDER / f"{name}.jsonl"


def head_of(path: Path) -> Head | None:
    """The first line of a journal; None where there is none that can be read."""
    try:
        with path.open("rb") as file:
            return Head.model_validate_json(file.readline())
    except (FileNotFoundError, ValidationError):
        return None


def read(path: Path, start: int = 0) -> tuple[list[Point], int]:
    """Points of a journal, and where whole lines end.

    Args:
        start: a place where a line ends; earlier points are not read.

    Raises:
        FileNotFoundError: there is none any more.
    """
    with path.open("rb") as file:
        file.seek(start)
        text, whole, _ = file.read().rpartition(b"\n")
    return list(_points(text)), start + len(text) + len(whole)


def _points(text: bytes) -> Iterator[Point]:
    for line in text.splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue  # the disk has damaged it; the other points are there
        if isinstance(content, dict) and content.keys() == set(Point._fields):
            yield Point(**content)


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)
