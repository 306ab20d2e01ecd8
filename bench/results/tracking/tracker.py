"""MLflow: one run per evaluated experiment, nested under the run of its training.

Trainings have their runs while they go on (``bench.results.tracking.live``); one whose journal is lost gets its
run from a record. A record becomes parameters (what is not set is left out), metrics (those that all methods have,
one per metric and aggregation at the last denoising step, MPJPE with its interval, and its mean and its bound at
every step, as MLflow's step), tags, the data, and artifacts (``experiment.yaml``, ``record.json``, the arrays).

Where several stores log to one MLflow, no lock is theirs in common. A run is therefore a claim: it is marked
finished only if none of the same evaluation is finished by then and no older one is under way.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bench.config.experiment import Experiment
from bench.results.documents import UnreadableError, unseal
from bench.results.files import atomic, read_bytes, sha256
from bench.results.locks import Patience
from bench.results.record import Record
from bench.results.store import Store
from bench.results.tracking.activity import Activity, activities
from bench.results.tracking.addresses import folder_of, is_database
from bench.results.tracking.connection import say, warn_of_network
from bench.results.tracking.live import LIVE, LOGGED_BY, LiveTrainings
from bench.results.tracking.mlflow_files import (
    EXPERIMENT_NAME,
    follow_store,
    make_database,
    remove_misread_folder,
    tracking_service,
)
from bench.results.tracking.mlflow_runs import CLAIMED, Runs
from bench.results.tracking.run_content import (
    evaluation_metrics,
    evaluation_parameters,
    evaluation_tags,
    run_name,
    tested_data,
    training_metrics,
    training_parameters,
    training_run_name,
    training_tags,
)
from models.errors import InputError

if TYPE_CHECKING:
    from mlflow.entities import Run

DEAD_SECONDS = 150.0
"""After so long a run that another store began is taken for left behind; longer than anyone waits for MLflow."""

POLL_SECONDS = 1.0
"""Seconds between two looks at a run that another store is logging."""

CHECKSUM, NEW = "bench.record_sha256", "bench.new"
"""Tags: the checksum of a run's record.json, whether an experiment is to be filled yet."""

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Tag by which MLflow opens an experiment on its runs, and not on traces of language models."""


@dataclass(frozen=True)
class Logged:
    """What MLflow holds.

    Attributes:
        records: that could be read.
        unreadable: why others could not, by id of the record.
    """

    records: list[Record]
    unreadable: Mapping[str, str]


class Tracker:
    """A connection to the MLflow store at ``MLFLOW_TRACKING_URI``, or to a SQLite file in ``folder``.

    Attributes:
        service: the store, as it is shown to the user.
        is_new: whether the store has not been given yet what was finished before it was made.

    Raises:
        InputError: the store cannot be reached or is refused.
    """

    def __init__(self, folder: Path) -> None:
        self.service = tracking_service(folder)
        self.uri = self.service.address
        self._folder = folder.absolute()
        self._artifacts = self._folder / "artifacts"
        self._own = not os.environ.get("MLFLOW_TRACKING_URI")
        self._training_runs: dict[str, str] = {}
        self.runs, self.is_new = self.service.open(self._open)
        warn_of_network(self.service)

    @cached_property
    def name(self) -> str:
        """Name of the store in the tags of its runs."""
        return Store(self._folder).id

    @cached_property
    def names(self) -> frozenset[str]:
        """Its name, and the one that older versions gave it here."""
        return frozenset({self.name, f"{platform.node()}:{self._folder}"})

    @cached_property
    def live(self) -> LiveTrainings:
        """Runs of trainings that go on."""
        return LiveTrainings(self.runs, self._folder, self.name, self.names)

    def end_new(self) -> None:
        """Keep in mind that the store has been given what was finished before it was made."""
        self.service.patiently(lambda: self.runs.client.set_experiment_tag(self.runs.experiment, NEW, "no"))
        self.is_new = False

    def records(self, ids: Container[str] | None = None) -> Logged:
        """The finished records of these evaluations, as far as the store has them; of all by default.

        All of thousands are slow: the index exists for that.

        Raises:
            InputError: the store cannot be reached.
        """
        return self.service.patiently(lambda: self._records(ids))

    def log(self, record: Record, files: Sequence[Path]) -> Record:
        """Log an evaluation, once however often it is tried; its run is marked finished when everything is stored.

        The caller holds the lock "log" of the store: unfinished runs of this store are taken for left behind.

        Args:
            files: arrays beside it. Where the evaluation was logged before, they become those of then.

        Returns:
            The record with the id of its run; the one of then, where its arrays are there.

        Raises:
            InputError: the store cannot be reached or written; the run is then not marked finished.
        """
        return self.service.patiently(lambda: self._log(record, files))

    def give_back(self, record: Record, files: Iterable[Path]) -> bool:
        """Replace files that are missing, or are not the arrays of a logged record, by what was logged with it.

        Returns:
            Whether all of them are now as the record says.
        """
        return self.service.patiently(lambda: self._give_back(record, files))

    def remove(self, tag: str, name: str) -> set[str]:
        """Delete the runs whose tag says so, and what the store's own MLflow keeps beside them.

        Args:
            tag: "bench.id" or "bench.training_id", which the evaluations of a training have too.

        Returns:
            Ids of those that stay, in an MLflow that is not the store's own: what other stores logged, and the
            run of a training that they logged evaluations of.

        Raises:
            InputError: the store cannot be reached or written.
        """
        return self.service.patiently(lambda: self._remove({tag: name}))

    def _open(self) -> tuple[Runs, bool]:
        """The runs of the experiment, which is made if need be; and whether it is to be filled yet."""
        import mlflow

        if self._own:
            make_database(self._folder / "mlflow.db")
            follow_store(self._folder / "mlflow.db", self._artifacts)
        client = mlflow.MlflowClient(self.uri)
        found = client.get_experiment_by_name(EXPERIMENT_NAME)
        if self._own:
            remove_misread_folder(self._folder / "mlflow.db")
        own = self._folder if self._own else None
        if found is None:
            # A server has its own place for artifacts; for a database MLflow would take the working directory.
            place = self._artifacts.as_uri() if is_database(self.uri) else None
            made = client.create_experiment(EXPERIMENT_NAME, place, tags={NEW: "yes", **KIND})
            return Runs(client, made, own), True
        runs = Runs(client, found.experiment_id, own)
        self._refuse_lost_artifacts(runs, folder_of(found.artifact_location))
        for key, value in KIND.items():
            if key not in found.tags:
                client.set_experiment_tag(found.experiment_id, key, value)
        return runs, found.tags.get(NEW) == "yes"

    def _refuse_lost_artifacts(self, runs: Runs, place: Path | None) -> None:
        """Refuse to go on where artifacts lie in a folder that this machine does not have."""
        if self._own or place is None or place.is_dir():
            return
        if runs.client.search_runs([runs.experiment], "tags.`bench.kind` = 'evaluation'", max_results=1):
            raise InputError(
                f"{self.service.shown}: its artifacts lie in {place}, which this machine does not have; mount "
                "that folder here, or log to another store by MLFLOW_TRACKING_URI"
            )

    def _remove(self, tags: Mapping[str, str]) -> set[str]:
        found = self.runs.search(tags)
        others = [run for run in found if not self._own and run.data.tags.get(LOGGED_BY) not in self.names]
        used = {run.data.tags.get("mlflow.parentRunId") for run in others}
        staying = {run.info.run_id for run in found if run in others or run.info.run_id in used}
        for run in found:
            if run.info.run_id not in staying:
                self.runs.delete(run)
        return staying

    def _records(self, ids: Container[str] | None) -> Logged:
        found: dict[str, Record] = {}
        unreadable: dict[str, str] = {}
        finished = self.runs.search({"bench.kind": "evaluation"}, "FINISHED")
        for run in reversed(finished):  # the arrays of an older one were lost
            name = run.data.tags.get("bench.id", f"run {run.info.run_id}")
            if name in found or (ids is not None and name not in ids):
                continue
            try:
                found[name] = self._read(run)
            except UnreadableError as error:
                unreadable[name] = f"run {run.info.run_id}: {error}"
        return Logged(list(found.values()), {name: why for name, why in unreadable.items() if name not in found})

    def _log(self, record: Record, files: Sequence[Path]) -> Record:
        tags = {**evaluation_tags(record), "mlflow.parentRunId": self._training_run(record)}
        kept = activities(self._folder)
        activity = kept.get(record.id)

        def fill(run: Run) -> None:
            self._fill(run, record, activity, files)

        def counts(run: Run) -> bool:
            try:
                return self._give_back(self._read(run), files)
            except UnreadableError:
                return False

        run = self._once({"bench.id": record.id}, tags, run_name(record), fill, counts, activity)
        try:
            logged = self._read(run)
        except UnreadableError as error:
            raise OSError(f"run {run.info.run_id}: {error}") from None  # damaged meanwhile: it is logged again
        kept.remove(record.id)
        return logged

    def _fill(self, run: Run, record: Record, activity: Activity | None, files: Sequence[Path]) -> None:
        """Log all that is known of an evaluation."""
        from mlflow.entities import Metric

        run_id = run.info.run_id
        logged = record.model_copy(update={"mlflow_run_id": run_id})
        text = logged.model_dump_json(indent=1)
        described = Experiment.from_record(logged.experiment).to_yaml()
        texts = {"experiment.yaml": described, "record.json": text}
        self.runs.log_files(run_id, {**texts, **{path.name: path for path in files}})
        system = enumerate(activity.system) if activity is not None else ()
        watched = [Metric(*each, when, step) for step, (when, found) in system for each in found.items()]
        tags = {CHECKSUM: sha256(text.encode())}
        self.runs.log(run_id, [*evaluation_metrics(logged), *watched], evaluation_parameters(logged), tags)
        self.runs.log_data(run_id, [tested_data(logged)])

    def _training_run(self, record: Record) -> str:
        """Id of the finished run of a record's training, made where it has neither a run nor a journal."""

        def fill(run: Run) -> None:
            self.runs.log(run.info.run_id, training_metrics(record.training), training_parameters(record))

        name = record.training_id
        found = self._training_runs.get(name) or self.live.finish(name, record.training)
        if found is None:
            wanted = {"bench.kind": "training", "bench.training_id": name}
            found = self._once(wanted, training_tags(record), training_run_name(record), fill).info.run_id
        self._training_runs[name] = found
        return found

    def _once(
        self,
        wanted: Mapping[str, str],
        tags: Mapping[str, str],
        name: str,
        fill: Callable[[Run], None],
        counts: Callable[[Run], bool] = lambda run: True,
        activity: Activity | None = None,
    ) -> Run:
        """The one finished run with the wanted tags that counts; made and filled where there is none."""
        while True:
            if (finished := self._finished(wanted, counts)) is not None:
                return finished
            began = activity.began if activity else None
            rivals = None if self._own else wanted
            run = self.runs.create(name, {**tags, LOGGED_BY: self.name}, began, rivals)
            fill(run)
            if self._leads(run, wanted, counts):
                self.runs.client.set_terminated(run.info.run_id, end_time=activity.ended if activity else None)
                return run
            self.runs.delete(run)

    def _claims(self, wanted: Mapping[str, str]) -> list[Run]:
        """Runs with these tags that are finished, or that a record is being logged to; the oldest first.

        A run that a training logs to itself may take days, and nobody waits for it.
        """
        found = self.runs.search(wanted)
        return [run for run in found if run.info.status == "FINISHED" or LIVE not in run.data.tags]

    def _finished(self, wanted: Mapping[str, str], counts: Callable[[Run], bool]) -> Run | None:
        """The finished run with these tags; others that live are waited for, those left behind are deleted."""
        if self.runs.has_at_most(0, wanted):
            return None
        seen: dict[str, float] = {}
        patience = Patience()
        while True:
            runs = self._claims(wanted)
            unfinished = [run for run in runs if run.info.status != "FINISHED"]
            finished = next((run for run in runs if run.info.status == "FINISHED" and counts(run)), None)
            left = [run for run in unfinished if self._is_own(run)]  # an attempt failed, or a program died
            if finished is None:
                left += [run for run in unfinished if run not in left and self._is_given_up(run, seen, patience)]
            for run in left:
                self.runs.delete(run)
            if finished is not None or len(left) == len(unfinished):
                return finished
            time.sleep(POLL_SECONDS)

    def _is_own(self, run: Run) -> bool:
        """Whether an unfinished run is this store's or was ended, so that nobody logs it any more."""
        by = run.data.tags.get(LOGGED_BY)
        return run.info.status != "RUNNING" or by in self.names or (by is None and self._own)

    def _is_given_up(self, run: Run, seen: dict[str, float], patience: Patience) -> bool:
        """Whether another store's run is given up for dead; ``seen``: when this program first saw each."""
        waited = time.monotonic() - seen.setdefault(run.info.run_id, time.monotonic())
        if patience.is_over():
            say(
                f"waiting for another store ({waited:.0f} s, passed over after {DEAD_SECONDS:.0f} s), "
                f"which logs the same to {self.service.shown}"
            )
        return waited > DEAD_SECONDS

    def _leads(self, run: Run, wanted: Mapping[str, str], counts: Callable[[Run], bool]) -> bool:
        """Whether a run is the one to be kept: it is there, none is finished, and none that runs is older."""
        if self.runs.has_at_most(1, wanted):
            return True
        seen: dict[str, float] = {}
        patience = Patience()
        while True:
            runs = self._claims(wanted)
            if any(other.info.status == "FINISHED" and counts(other) for other in runs):
                return False
            running = [other for other in runs if other.info.status == "RUNNING"]
            without_age = [other for other in running if CLAIMED not in other.data.tags]
            if all(self._is_given_up(other, seen, patience) for other in without_age):
                return bool(running) and running[0].info.run_id == run.info.run_id
            time.sleep(POLL_SECONDS)

    def _give_back(self, record: Record, files: Iterable[Path]) -> bool:
        written = {Path(name).name: checksum for name, checksum in record.files.items()}
        for path in files:
            expected = written.get(path.name)
            if expected is None or (path.exists() and sha256(read_bytes(path)) == expected):
                continue
            try:
                content = self.runs.artifact(str(record.mlflow_run_id), path.name)
            except UnreadableError:
                return False
            if sha256(content) != expected:
                return False
            with atomic(path) as file:
                file.write(content)
        return True

    def _read(self, run: Run) -> Record:
        """The record of a finished run; ``UnreadableError`` where it has none that this version can read."""
        text = self.runs.artifact(run.info.run_id, "record.json")
        checksum = run.data.tags.get(CHECKSUM)
        if checksum is not None and sha256(text) != checksum:
            raise UnreadableError("its record.json is damaged: the checksum differs")
        return unseal(text, Record)
