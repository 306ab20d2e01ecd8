"""MLflow: one run per evaluated experiment, nested under the run of its training.

A record becomes parameters (what is not set is left out), metrics (one per metric and aggregation at the last
denoising step; MPJPE with its interval, and its mean and its bound at every step, as MLflow's step), tags, and
artifacts (``experiment.yaml``, ``record.json``, the arrays that lie beside it).

Where several stores log to one MLflow, no lock is theirs in common. A run is therefore a claim: it is marked
finished only if none of the same evaluation is finished by then and no older one is under way.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.config.experiment import Experiment
from bench.results.documents import UnreadableError, unseal
from bench.results.files import atomic, read_bytes, sha256
from bench.results.locks import Patience
from bench.results.record import Record
from bench.results.tracking.addresses import folder_of, is_database
from bench.results.tracking.connection import say, warn_of_network
from bench.results.tracking.mlflow_files import (
    EXPERIMENT_NAME,
    active_runs,
    count_runs,
    follow_store,
    make_database,
    remove_misread_folder,
    tracking_service,
)
from bench.results.tracking.run_content import (
    evaluation_metrics,
    evaluation_tags,
    parameters,
    run_name,
    training_metrics,
    training_tags,
)
from models.errors import InputError

if TYPE_CHECKING:
    from mlflow.entities import Run

DEAD_SECONDS = 150.0
"""After so long a run that another store began is taken for left behind; longer than anyone waits for MLflow."""

POLL_SECONDS = 1.0
"""Between looks at a run that another store is logging."""

LOGGED_BY, CHECKSUM, NEW = "bench.logged_by", "bench.record_sha256", "bench.new"
"""Tags: which store logs a run, the checksum of its record.json, whether an experiment is to be filled yet."""


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
        uri: of the store.
        service: the same, as it is shown to the user.
        is_new: whether the store has not been given yet what was finished before it was made.

    Raises:
        InputError: the store cannot be reached or is refused.
    """

    def __init__(self, folder: Path) -> None:
        self.service = tracking_service(folder)
        self.uri = self.service.address
        self._folder = folder.absolute()
        self._own = not os.environ.get("MLFLOW_TRACKING_URI")
        self._logs = f"{platform.node()}:{self._folder}"
        self._training_runs: dict[str, str] = {}
        self.is_new = self.service.open(self._open)
        warn_of_network(self.service)

    def end_new(self) -> None:
        """Keep in mind that the store has been given what was finished before it was made."""
        self.service.patiently(lambda: self._client.set_experiment_tag(self._experiment, NEW, "no"))
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
            record: of the evaluation.
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

    def remove(self, tag: str, name: str) -> None:
        """Delete the runs whose tag says so, and what the store's own MLflow keeps beside them.

        Args:
            tag: "bench.id" or "bench.training_id", which the evaluations of a training have too.
            name: of the evaluation or the training.

        Raises:
            InputError: the store cannot be reached or written.
        """
        self.service.patiently(lambda: self._remove(_filter({tag: name})))

    def unused_artifacts(self) -> list[Path]:
        """Folders that the store's own MLflow keeps for runs that it does not have, or that were deleted."""
        if not self._own or not self._artifacts.is_dir():
            return []
        folders = sorted(self._artifacts.iterdir())  # read first: a run is older than its folder
        used = active_runs(self._folder / "mlflow.db")
        return [folder for folder in folders if folder.name.lstrip(".") not in used]

    def _remove(self, wanted: str) -> None:
        for run in self._search(wanted):
            self._delete(run)
            if self._own:
                shutil.rmtree(self._artifacts / run.info.run_id, ignore_errors=True)

    def _open(self) -> bool:
        import mlflow

        if self._own:
            make_database(self._folder / "mlflow.db")
            follow_store(self._folder / "mlflow.db", self._artifacts)
        self._client = mlflow.MlflowClient(self.uri)
        found = self._client.get_experiment_by_name(EXPERIMENT_NAME)
        if self._own:
            remove_misread_folder(self._folder / "mlflow.db")
        if found is None:
            # A server has its own place for artifacts; for a database MLflow would take the working directory.
            place = self._artifacts.as_uri() if is_database(self.uri) else None
            self._experiment = self._client.create_experiment(EXPERIMENT_NAME, place, tags={NEW: "yes"})
            return True
        self._experiment = found.experiment_id
        self._refuse_lost_artifacts(folder_of(found.artifact_location))
        return found.tags.get(NEW) == "yes"

    @property
    def _artifacts(self) -> Path:
        return self._folder / "artifacts"

    def _refuse_lost_artifacts(self, place: Path | None) -> None:
        """Refuse to go on where artifacts lie in a folder that this machine does not have."""
        if self._own or place is None or place.is_dir():
            return
        if self._client.search_runs([self._experiment], "tags.`bench.kind` = 'evaluation'", max_results=1):
            raise InputError(
                f"{self.service.shown}: its artifacts lie in {place}, which this machine does not have; mount "
                "that folder here, or log to another store by MLFLOW_TRACKING_URI"
            )

    def _records(self, ids: Container[str] | None) -> Logged:
        runs = self._search(f"attributes.status = 'FINISHED' and {_filter({'bench.kind': 'evaluation'})}")
        found: dict[str, Record] = {}
        unreadable: dict[str, str] = {}
        for run in sorted(runs, key=_age, reverse=True):  # the arrays of an older one were lost
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

        def fill(run: Run) -> None:
            logged = record.model_copy(update={"mlflow_run_id": run.info.run_id})
            text = logged.model_dump_json(indent=1)
            tags = {CHECKSUM: sha256(text.encode())}
            self._log_batch(run, evaluation_metrics(logged), parameters(logged.experiment), tags)
            described = Experiment.from_record(logged.experiment).to_yaml()
            self._log_files(run, {"experiment.yaml": described, "record.json": text}, files)

        def counts(run: Run) -> bool:
            try:
                return self._give_back(self._read(run), files)
            except UnreadableError:
                return False

        run = self._once({"bench.id": record.id}, tags, run_name(record), fill, counts)
        try:
            return self._read(run)
        except UnreadableError as error:
            raise OSError(f"run {run.info.run_id}: {error}") from None  # damaged meanwhile: it is logged again

    def _training_run(self, record: Record) -> str:
        """Id of the run of a record's training, made when there is none yet."""
        described = {key: record.experiment[key] for key in ("method", "data", "training")}

        def fill(run: Run) -> None:
            self._log_batch(run, training_metrics(record), parameters(described))

        name = record.training_id
        if name not in self._training_runs:
            wanted = {"bench.kind": "training", "bench.training_id": name}
            run = self._once(wanted, training_tags(record), f"train {run_name(record)}", fill)
            self._training_runs[name] = run.info.run_id
        return self._training_runs[name]

    def _once(
        self,
        wanted: Mapping[str, str],
        tags: Mapping[str, str],
        name: str,
        fill: Callable[[Run], None],
        counts: Callable[[Run], bool] = lambda run: True,
    ) -> Run:
        """The one finished run with the wanted tags that counts; made and filled where there is none."""
        while True:
            if (finished := self._finished(wanted, counts)) is not None:
                return finished
            run = self._client.create_run(self._experiment, tags={**tags, LOGGED_BY: self._logs}, run_name=name)
            fill(run)
            if self._leads(run, wanted, counts):
                self._client.set_terminated(run.info.run_id)
                return run
            self._delete(run)

    def _finished(self, wanted: Mapping[str, str], counts: Callable[[Run], bool]) -> Run | None:
        """The finished run with these tags; others that live are waited for, those left behind are deleted."""
        if self._has_at_most(0, wanted):
            return None
        seen: dict[str, float] = {}
        patience = Patience()
        while True:
            runs = sorted(self._search(_filter(wanted)), key=_age)
            for run in runs:
                if run.info.status == "FINISHED" and counts(run):
                    return run
            unfinished = [run for run in runs if run.info.status != "FINISHED"]
            left = [run for run in unfinished if self._is_left(run, seen, patience)]
            for run in left:
                self._delete(run)
            if len(left) == len(unfinished):
                return None
            time.sleep(POLL_SECONDS)

    def _is_left(self, run: Run, seen: dict[str, float], patience: Patience) -> bool:
        """Whether nobody logs an unfinished run any more; ``seen``: when this program first saw each."""
        by = run.data.tags.get(LOGGED_BY)
        if run.info.status != "RUNNING" or by == self._logs or (by is None and self._own):
            return True
        waited = time.monotonic() - seen.setdefault(run.info.run_id, time.monotonic())
        if patience.is_over():
            say(
                f"waiting for {by or 'another store'} ({waited:.0f} s, passed over after {DEAD_SECONDS:.0f} s), "
                f"which logs the same to {self.service.shown}"
            )
        return waited > DEAD_SECONDS

    def _leads(self, run: Run, wanted: Mapping[str, str], counts: Callable[[Run], bool]) -> bool:
        """Whether a run is the one to be kept: it is there, none is finished, and none that runs is older."""
        if self._has_at_most(1, wanted):
            return True
        runs = sorted(self._search(_filter(wanted)), key=_age)
        if any(other.info.status == "FINISHED" and counts(other) for other in runs):
            return False
        running = [other.info.run_id for other in runs if other.info.status == "RUNNING"]
        return bool(running) and running[0] == run.info.run_id

    def _has_at_most(self, number: int, wanted: Mapping[str, str]) -> bool:
        """Whether there surely are no more runs with these tags; known only of the store's own database.

        MLflow's search takes several times as long, and longer with every run.
        """
        return self._own and count_runs(self._folder / "mlflow.db", wanted) <= number

    def _delete(self, run: Run) -> None:
        """Delete a run; another program may have done so."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.delete_run(run.info.run_id)
        except MlflowException:
            if self._client.get_run(run.info.run_id).info.lifecycle_stage != "deleted":
                raise

    def _log_batch(
        self,
        run: Run,
        metrics: list[tuple[str, int, float]],
        params: dict[str, str],
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self._client.log_batch(
            run.info.run_id,
            metrics=[Metric(key, value, now, step) for key, step, value in metrics],
            params=[Param(key, value) for key, value in params.items()],
            tags=[RunTag(key, value) for key, value in (tags or {}).items()],
        )

    def _log_files(self, run: Run, texts: Mapping[str, str], files: Sequence[Path]) -> None:
        """Keep files as artifacts; of the store's own MLflow beside it, wherever the store has been moved to."""
        with tempfile.TemporaryDirectory() as temporary:
            folder = self._artifacts_of(run.info.run_id) if self._own else Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                (folder / name).write_text(text, encoding="utf-8")
            for path in files:
                shutil.copyfile(path, folder / path.name)
            if not self._own:
                self._client.log_artifacts(run.info.run_id, str(folder))

    def _artifacts_of(self, run_id: str) -> Path:
        return self._artifacts / run_id / "artifacts"

    def _search(self, wanted: str) -> list[Run]:
        found: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs([self._experiment], wanted, max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _give_back(self, record: Record, files: Iterable[Path]) -> bool:
        written = {Path(name).name: checksum for name, checksum in record.files.items()}
        for path in files:
            expected = written.get(path.name)
            if expected is None or (path.exists() and sha256(read_bytes(path)) == expected):
                continue
            try:
                content = self._artifact(str(record.mlflow_run_id), path.name)
            except UnreadableError:
                return False
            if sha256(content) != expected:
                return False
            with atomic(path) as file:
                file.write(content)
        return True

    def _read(self, run: Run) -> Record:
        """The record of a finished run.

        Raises:
            UnreadableError: it has none that this version can read.
        """
        text = self._artifact(run.info.run_id, "record.json")
        checksum = run.data.tags.get(CHECKSUM)
        if checksum is not None and sha256(text) != checksum:
            raise UnreadableError("its record.json is damaged: the checksum differs")
        return unseal(text, Record)

    def _artifact(self, run_id: str, name: str) -> bytes:
        """The content of a file that was logged.

        Raises:
            UnreadableError: it is not there.
        """
        from mlflow.exceptions import MlflowException

        if self._own:
            try:
                return (self._artifacts_of(run_id) / name).read_bytes()
            except FileNotFoundError as error:
                raise UnreadableError(f"{error.filename} is missing") from None
        try:
            with tempfile.TemporaryDirectory() as temporary:
                return Path(self._client.download_artifacts(run_id, name, temporary)).read_bytes()
        except (MlflowException, OSError):
            if name in {artifact.path for artifact in self._client.list_artifacts(run_id)}:
                raise
            raise UnreadableError(f"its {name} is missing among its artifacts") from None


def _filter(tags: Mapping[str, str]) -> str:
    return " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())


def _age(run: Run) -> tuple[int, str]:
    """Sorts runs from the oldest to the newest, alike for all programs."""
    return run.info.start_time, run.info.run_id
