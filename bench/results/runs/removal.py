"""Removing runs from store, index and MLflow: those that are named, or all that no run set names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from bench.results.record import TrainingInfo
from bench.results.run_set import RunSet
from bench.results.runs.listing import Run, dependents, runs_of, training_folders, training_infos
from bench.results.store import TRAINED, Store
from bench.results.tracking.connection import say
from bench.results.tracking.journal import path_of
from bench.results.tracking.tracker import Tracker
from models.errors import InputError

ID_LENGTH = 16
"""Characters of an id, with which the names of files of arrays begin."""


@dataclass(frozen=True)
class Removal:
    """What is to be removed.

    Attributes:
        runs: ids of evaluations: records, arrays beside them, reasons of failures, runs of MLflow.
        trainings: folders of trainings, finished or not.
        arrays: files beside no record.
        artifacts: folders of artifacts of runs that MLflow does not have.
        costs: ids of measurements of cost.
    """

    runs: tuple[str, ...] = ()
    trainings: tuple[Path, ...] = ()
    arrays: tuple[Path, ...] = ()
    artifacts: tuple[Path, ...] = ()
    costs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.runs or self.trainings or self.arrays or self.artifacts or self.costs)

    def lines(self, store: Store) -> Iterator[str]:
        """What it is, kind by kind, and how many bytes are freed."""
        arrays = [path for name in self.runs for path in store.files.of(name)]
        costs = [store.measurements.path(name) for name in self.costs]
        kinds = [
            (len(self.runs), "runs with their arrays", arrays),
            (len(self.trainings), "trainings", self.trainings),
            (len(self.costs), "measurements of cost that no other run has", costs),
            (len(self.arrays), "files of arrays without a record", self.arrays),
            (len(self.artifacts), "folders of artifacts without a run in MLflow", self.artifacts),
        ]
        for count, kind, paths in kinds:
            if count:
                yield f"{count} {kind}: {in_words(sum(map(size_of, paths)))}"


def removal_of(store: Store, names: Iterable[str], runs: dict[str, Run]) -> Removal:
    """The removal of evaluations and trainings, with everything that was made from them.

    ``runs``: ``runs_of`` the store.
    """
    chosen = list(dict.fromkeys(names))
    chosen = list(dict.fromkeys(chosen + [other for name in chosen for other in dependents(store, name, runs)]))
    folders = {folder.name: folder for folder in training_folders(store)}
    trainings = [folder for name, folder in folders.items() if set(name.split("+")) & set(chosen)]
    evaluations = [name for name in chosen if name not in folders or name in store.failures]
    return Removal(tuple(evaluations), tuple(trainings), costs=_costs_of(store, evaluations))


def unnamed(store: Store, run_sets: Iterable[RunSet]) -> Removal:
    """Everything in a store that no run set needs: runs, trainings, arrays and artifacts.

    Raises:
        InputError: none of the run sets names a run of this store, one is of a search that has not ended, or
            MLflow cannot be reached.
    """
    run_sets = list(run_sets)
    missing = {name: found for runset in run_sets for name, found in runset.missing.items()}
    named = missing.keys() | {name for runset in run_sets for name in runset.ids}
    runs = runs_of(store)
    kept = [run for run in runs.values() if run.id in named]
    if runs and not kept:
        raise InputError(
            f"{store.root}: has none of the {len(named)} runs that these results name, so all would be removed; "
            "name the results of this store, or give the --store of these"
        )
    for runset in run_sets:
        if searched := ", ".join(name for name, table in runset.tables.items() if table.searching):
            raise InputError(
                f"{store.root}: nothing was removed, as the runs of {searched} are not known before the search "
                f"has ended; let `{runset.command}` end, or give it again without {searched}"
            )
    trainings = {run.training_id for run in kept}
    trainings |= {name for found in missing.values() for name in (found.training_id, *found.first_stages)}
    needed = _with_first_stages(trainings, training_infos(store))
    tracker = tracker_of(store)
    return Removal(
        # The reason of a failed training or cost is a few bytes, and whose it is is not known.
        tuple(run.id for run in runs.values() if run.training_id not in ("", run.id) and run.id not in named),
        tuple(folder for folder in training_folders(store) if not needed.intersection(folder.name.split("+"))),
        tuple(path for path in _arrays(store) if path.name[:ID_LENGTH] not in runs),
        tuple(tracker.service.patiently(tracker.runs.unused_artifacts) if tracker else ()),
    )


def remove(store: Store, removal: Removal) -> None:
    """Remove it. After a kill, the same again removes the rest.

    Costs go first: whose they are is told by the records.

    Raises:
        InputError: MLflow cannot be reached, or the index is damaged.
        OSError: something cannot be removed.
    """
    tracker = tracker_of(store) if removal.runs or removal.trainings else None
    if tracker is not None:
        with store.lock("log"):
            tags = [("bench.id", name) for name in removal.runs]
            tags += [("bench.training_id", folder.name) for folder in removal.trainings]
            staying = {run for tag in tags for run in tracker.remove(*tag)}
        if staying:
            say(f"{tracker.service.shown} keeps {len(staying)} of the runs: other stores logged or use them")
    for name in removal.costs:
        store.measurements.remove(name)
    if removal.runs:
        store.remove(removal.runs)
    for folder in removal.trainings:
        path_of(store.root, folder.name).unlink(missing_ok=True)
        store.failures.remove(folder.name)
        (folder / TRAINED).unlink(missing_ok=True)  # without it the rest counts as unfinished
        shutil.rmtree(folder)  # last: by its name the rest is found again after a kill
    for path in removal.arrays:
        path.unlink(missing_ok=True)
    for folder in removal.artifacts:
        shutil.rmtree(folder)


def refuse_in_use(store: Store) -> None:
    """Refuse to remove anything while a program works on the store.

    One that is between two tasks is not seen. It finds what is gone missing, and makes it again.

    Raises:
        InputError: a lock is held.
    """
    for file in sorted((store.root / "locks").glob("*.lock")):
        lock = store.lock(file.stem)
        try:
            with lock.acquire(timeout=0):
                pass
        except Timeout:
            holder = lock.holder() or "another process"
            raise InputError(
                f"{store.root}: is in use by {holder}; nothing was removed. Wait until that has ended, or end it"
            ) from None


def tracker_of(store: Store) -> Tracker | None:
    """The MLflow that a store logs to; None where there is none yet.

    Raises:
        InputError: it cannot be reached.
    """
    there = "MLFLOW_TRACKING_URI" in os.environ or (store.root / "mlflow.db").exists()
    return Tracker(store.root) if there else None


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def in_words(size: float) -> str:
    """Bytes, in the largest unit of which there is at least one."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _with_first_stages(trainings: set[str], infos: Mapping[str, TrainingInfo]) -> set[str]:
    """The trainings, and those that they began from."""
    firsts = [infos[name].first_stage for name in trainings & infos.keys()]
    found = {name for name, info in infos.items() if info in firsts}
    return trainings if found <= trainings else _with_first_stages(trainings | found, infos)


def _costs_of(store: Store, runs: Iterable[str]) -> tuple[str, ...]:
    """Measurements of cost that only these runs have, so that the next ones like them are measured again."""
    records = store.records()
    going = [records.pop(name) for name in runs if name in records]
    found = []
    for name, measurement in store.measurements.each() if going else ():
        here, there = (
            any(
                (record.cost, record.environment) == (measurement.cost, measurement.environment)
                for record in group
            )
            for group in (going, records.values())
        )
        if here and not there:
            found.append(name)
    return tuple(found)


def _arrays(store: Store) -> list[Path]:
    paths = [*store.root.glob("errors/*.npz"), *store.root.glob("examples/*.npz")]
    return sorted(path for path in paths if not path.name.startswith("."))
