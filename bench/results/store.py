"""The store: the folder that keeps results between calls, shared by all programs and workers that use it.

Trainings, evaluations, costs and failures are sealed files named by identity (``bench.results.documents``); each
appears whole or not at all. Finished records are such files too until ``fold`` moves them into the index, for
reading thousands of runs at once. MLflow holds the same records; ``Store.rebuild`` makes the index again from
there.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, model_validator

from bench.results.arrays import RunFiles
from bench.results.cost import Measurement
from bench.results.documents import Shelf, keep_copy, read_document
from bench.results.failure import Failure
from bench.results.files import write_text
from bench.results.index import Index
from bench.results.locks import Lock, use_device
from bench.results.record import Evaluation, Record, TrainingInfo
from models.errors import InputError, some_of

TRAINED, WEIGHTS, MODEL = "training.json", "weights.safetensors", "model.json"
"""Files of a finished training; the first is written last."""


class Seconds(BaseModel):
    """How long a task took the last time that one like it was done."""

    seconds: float


class Trained(BaseModel):
    """A finished training.

    Attributes:
        info: how the weights came to be.
        weights_sha256: of the file of weights; None where an older version of the suite made it.
    """

    info: TrainingInfo
    weights_sha256: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_older_versions(cls, content: Any) -> Any:
        """Older versions wrote the information alone."""
        return {"info": content} if isinstance(content, dict) and "info" not in content else content


def read_trained(folder: Path) -> Trained | None:
    """The finished training in a folder of a store; None where there is none, or none with weights.

    Whether the weights are those that were written is found out by whoever reads them.
    """
    trained = read_document(folder / TRAINED, Trained, folder.parents[1])
    return trained if trained is not None and (folder / WEIGHTS).exists() else None


class Store:
    """A folder of finished and unfinished work; several programs may use it at once.

    The folder is made by the first that is written to it.

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
        self._index = Index(self.index)

    def make(self) -> None:
        """Make the folder, if there is none yet.

        Raises:
            InputError: it cannot be made.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"--store {self.root}: cannot be made ({error.strerror}); name another folder"
            ) from None

    @property
    def id(self) -> str:
        """What tells this store from others, whatever machine sees it at whatever path; a copy keeps it.

        Raises:
            OSError: it has none yet, and cannot be written.
        """
        path, older = self.root / "store.id", self.root / "studies.id"  # older versions named studies by it only
        if not path.exists():
            with self.lock("store-id"):
                if not path.exists():
                    write_text(path, older.read_text() if older.exists() else uuid.uuid4().hex)
        return path.read_text().strip()

    def training(self, training_id: str) -> Path:
        """Folder of one training."""
        return self.root / "trainings" / training_id

    def is_trained(self, training_id: str) -> bool:
        """Whether a training is finished."""
        return read_trained(self.training(training_id)) is not None

    def lock(self, name: str) -> Lock:
        """A lock that other programs on this store respect (``bench.results.locks``)."""
        self.make()
        return Lock(self.root / "locks", name, passes_over=name != "index")

    def device(self, name: str, alone: bool) -> AbstractContextManager[None]:
        """Use a device of this machine: together with others, or alone."""
        return use_device(self.root / "locks", name, alone)

    def evaluated(self) -> set[str]:
        """Ids of all evaluations that wait for their cost and whose arrays are there as they were written."""
        return {name for name, found in self.evaluations.each() if self.files.whole(found.files)}

    def is_evaluated(self, name: str) -> bool:
        """Whether there is an evaluation that waits for its cost, or a finished record, with its arrays."""
        waiting = self.evaluations.get(name) or self._fresh.get(name)
        files = waiting.files if waiting is not None else self._index.files([name]).get(name)
        return files is not None and not self.files.lost(files)

    def finished(self) -> set[str]:
        """Ids of all finished records whose arrays are there."""
        fresh = {name: record.files for name, record in self._fresh.each()}
        return {name for name, files in (self._index.files() | fresh).items() if not self.files.lost(files)}

    def records(self, ids: Iterable[str] | None = None) -> dict[str, Record]:
        """Finished records by id: all, or those of ``ids`` that there are.

        Raises:
            InputError: the index is damaged.
        """
        if ids is None:
            fresh = self._fresh.all()  # before the index, into which another program may move them meanwhile
            return self._index.records() | fresh
        wanted = list(dict.fromkeys(ids))
        fresh = {name: record for name in wanted if (record := self._fresh.get(name)) is not None}
        return self._index.records([name for name in wanted if name not in fresh]) | fresh

    def add(self, record: Record) -> None:
        """Keep a finished record; one with a known id replaces the older one."""
        self._fresh.put(record.id, record)

    def fold(self) -> None:
        """Move the records added since the last time into the index.

        Raises:
            InputError: the index is damaged; the records stay where they are.
        """
        with self.lock("index"):
            for name in self._index.add(record for _, record in self._fresh.each()):
                self.evaluations.remove(name)  # where a kill left it
                self._fresh.remove(name)

    def remove(self, ids: Iterable[str]) -> None:
        """Remove evaluations and why they failed: their arrays first, so that a kill leaves none without a record.

        Raises:
            InputError: the index is damaged; then nothing is changed.
        """
        gone = set(ids)
        with self.lock("index"):
            self._index.files()
            for name in gone:
                for path in self.files.of(name):
                    path.unlink()
                for shelf in (self._fresh, self.evaluations, self.failures):
                    shelf.remove(name)
            self._index.remove(gone)

    def rebuild(self, logged: Iterable[Record], unreadable: Mapping[str, str]) -> None:
        """Make the index again from what can still be read of it, records that are not in it yet, and others.

        Args:
            logged: records from elsewhere: from MLflow.
            unreadable: id of a record that is there but cannot be read → why.

        Raises:
            InputError: the new index would lack records that the old one has; then nothing is changed.
        """
        with self.lock("index"):
            surviving, known = self._index.salvage()
            if self.index.exists() and not known:  # nothing tells what it held but the arrays of its records
                known = self.files.runs() - self.evaluations.ids()
            fresh = self._fresh.all()
            found = {record.id: record for record in logged} | surviving | fresh
            lost = sorted(known - found.keys())
            if lost:
                named = [f"{name} ({unreadable.get(name, 'MLflow does not have it')})" for name in lost]
                raise InputError(
                    f"{self.index}: a new index would lack {len(lost)} of its records: {some_of(named)}; "
                    "nothing was changed. Check MLFLOW_TRACKING_URI and the store's artifacts; to go on without "
                    "these records, move this file away and repeat the command"
                )
            if self.index.exists() and len(surviving) < len(known):
                keep_copy(self.index, self.root)
            self._index.replace(found.values())
            for name in self.evaluations.ids() & found.keys():
                self.evaluations.remove(name)  # where a kill left it
            for name in fresh:
                self._fresh.remove(name)
