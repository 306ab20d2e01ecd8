"""The store: the folder that keeps results between calls, shared by all programs and workers that use it.

Trainings, evaluations, costs and failures are files named by identity; each appears whole or not at all. Finished
records are such files too until ``fold`` moves them into the index, a parquet file with one row per record, for
reading thousands of runs at once. MLflow holds the same records; ``Tracker.records`` makes the index again from
there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Generic, TypeVar

import pandas as pd
from pydantic import BaseModel, ValidationError

from bench.results.arrays import RunFiles
from bench.results.cost import Measurement
from bench.results.files import atomic, write_text
from bench.results.locks import Lock, use_device
from bench.results.record import SCHEMA_VERSION, Evaluation, Failure, Record
from models.errors import InputError

TRAINED = "training.json"
"""The file that a training writes last."""

Document = TypeVar("Document", bound=BaseModel)


class Shelf(Generic[Document]):
    """A folder of small typed documents by id, one JSON file each."""

    def __init__(self, folder: Path, model: type[Document]) -> None:
        self.folder, self.model = folder, model

    def __contains__(self, name: str) -> bool:
        return self._path(name).exists()

    def ids(self) -> set[str]:
        """Ids of all documents, read from the names of their files."""
        try:
            return {entry.name[:-5] for entry in os.scandir(self.folder) if entry.name.endswith(".json")}
        except FileNotFoundError:
            return set()

    def get(self, name: str) -> Document | None:
        """The document; None where there is none, or one that an older version of the suite wrote."""
        try:
            return self.model.model_validate_json(self._path(name).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def put(self, name: str, document: Document) -> None:
        write_text(self._path(name), document.model_dump_json())

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


class Seconds(BaseModel):
    """How long a task took the last time that one like it was done."""

    seconds: float


class Store:
    """A folder of finished and unfinished work; several programs may use it at once.

    Attributes:
        evaluations: numbers that wait for their cost, by id of the evaluation.
        measurements: of cost, by identity of what it depends on.
        failures: by id of a training, an evaluation or a cost.
        times: how long tasks took, by ``Task.duration_key``.
        files: arrays beside the records.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = root / "index.parquet"
        self.evaluations = Shelf(root / "evaluations", Evaluation)
        self.measurements = Shelf(root / "prices", Measurement)  # as stores of older versions name the folder
        self.failures = Shelf(root / "failures", Failure)
        self.times = Shelf(root / "times", Seconds)
        self.files = RunFiles(root)
        self._fresh = Shelf(root / "records", Record)
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--store {root}: cannot be made ({error.strerror}); name another folder") from None

    def training(self, training_id: str) -> Path:
        """Folder of one training."""
        return self.root / "trainings" / training_id

    def is_trained(self, training_id: str) -> bool:
        """Whether a training is finished."""
        return (self.training(training_id) / TRAINED).exists()

    def lock(self, name: str) -> Lock:
        """A lock that other programs on this store respect (``bench.results.locks``)."""
        return Lock(self.root / "locks", name, passes_over=name != "index")

    def device(self, name: str, alone: bool) -> AbstractContextManager[None]:
        """Use a device of this machine: together with others, or alone."""
        return use_device(self.root / "locks", name, alone)

    def finished(self) -> set[str]:
        """Ids of all finished records."""
        fresh = self._fresh.ids()
        rows = self._rows(["id", "schema_version"])
        return fresh.union(rows["id"][rows["schema_version"] == SCHEMA_VERSION])

    def records(self, ids: Iterable[str] | None = None) -> dict[str, Record]:
        """Finished records of the current schema, by id: all, or those of ``ids`` that there are.

        Raises:
            InputError: the index is damaged.
        """
        wanted = None if ids is None else list(dict.fromkeys(ids))
        names = self._fresh.ids() if wanted is None else self._fresh.ids().intersection(wanted)
        fresh = {name: record for name in sorted(names) if (record := self._fresh.get(name))}
        rows = self._rows(_COLUMNS, wanted)
        current = rows[rows["schema_version"] == SCHEMA_VERSION]
        found = {
            str(name): Record.model_validate_json(text)
            for name, text in zip(current["id"], current["record"], strict=True)
            if name not in fresh
        }
        return found | fresh

    def add(self, record: Record) -> None:
        """Keep a finished record; one with a known id replaces the older one."""
        self._fresh.put(record.id, record)

    def fold(self) -> None:
        """Move the records added since the last time into the index."""
        with self.lock("index"):
            names = sorted(self._fresh.ids())
            new = pd.DataFrame([_row(record) for name in names if (record := self._fresh.get(name))])
            if not new.empty:
                rows = pd.concat([self._rows(_COLUMNS), new]).drop_duplicates("id", keep="last")
                with atomic(self.index) as file:
                    rows.to_parquet(file, index=False)
            for name in names:
                self._fresh.remove(name)

    def _rows(self, columns: list[str], ids: list[str] | None = None) -> pd.DataFrame:
        if not self.index.exists() or ids == []:
            return pd.DataFrame(columns=columns)
        try:
            chosen = None if ids is None else [("id", "in", ids)]
            return pd.read_parquet(self.index, columns=columns, filters=chosen)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{self.index}: is damaged ({error}); delete it and run `python -m bench report --rebuild-index`"
            ) from None


_COLUMNS = ["id", "training_id", "schema_version", "method", "preset", "variant", "finished_at", "record"]


def _row(record: Record) -> dict[str, object]:
    values: dict[str, object] = {column: getattr(record, column) for column in _COLUMNS[:-1]}
    return {**values, "record": record.model_dump_json()}
