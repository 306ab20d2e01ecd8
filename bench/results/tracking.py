"""MLflow: one run per evaluated experiment, nested under the run of its training.

A record becomes parameters (what is not set is left out), metrics (one per metric and aggregation at the last
denoising step; MPJPE with its interval, and its mean and its bound at every step, as MLflow's step), tags, and
artifacts (``experiment.yaml``, ``record.json``, the arrays that lie beside it).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from bench.config.experiment import Experiment
from bench.results.record import Record
from models.errors import InputError

EXPERIMENT_NAME = "lifting-bench"

CURVES = ("P-Agg", "J-Best")
"""Aggregations whose MPJPE is logged at every step. MLflow is slow with many metrics; record.json has all."""

WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each further try where the store cannot be reached."""

Result = TypeVar("Result")


class Tracker:
    """A connection to the MLflow store at ``MLFLOW_TRACKING_URI``, or to a SQLite file in ``folder``.

    Attributes:
        uri: of the store.
    """

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("DO_NOT_TRACK", "true")
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        database = folder.absolute() / "mlflow.db"
        given = os.environ.get("MLFLOW_TRACKING_URI")
        self.uri = given or f"sqlite:///{database}"
        artifacts = None if given else (folder.absolute() / "artifacts").as_uri()
        self._training_runs: dict[str, str] = {}
        self._with_retries(lambda: self._open(None if given else database, artifacts))

    def _open(self, database: Path | None, artifacts: str | None) -> None:
        import mlflow

        if database is not None:
            make_database(database)
        self._client = mlflow.MlflowClient(self.uri)
        found = self._client.get_experiment_by_name(EXPERIMENT_NAME)
        if found is None:
            self._experiment = self._client.create_experiment(EXPERIMENT_NAME, artifact_location=artifacts)
        else:
            self._experiment = found.experiment_id

    def records(self, ids: Container[str] | None = None) -> list[Record]:
        """The finished records of these evaluations, as far as the store has them; of all by default.

        All of thousands are slow: the index exists for that.
        """
        return self._with_retries(lambda: self._records(ids))

    def log(self, record: Record, files: Sequence[Path]) -> Record:
        """Log an evaluation, once however often it is tried; its run is marked finished when everything is stored.

        Returns:
            The record with the id of its run.

        Raises:
            InputError: the store cannot be reached or written; the run is then not marked finished.
        """
        return self._with_retries(lambda: self._log(record, files))

    def _records(self, ids: Container[str] | None) -> list[Record]:
        runs = self._search("attributes.status = 'FINISHED' and tags.`bench.kind` = 'evaluation'")
        wanted = [run for run in runs if ids is None or run.data.tags["bench.id"] in ids]
        found = [self._read(run.info.run_id) for run in wanted]
        return [record for record in found if record is not None]

    def _log(self, record: Record, files: Sequence[Path]) -> Record:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        done = self._finished_run(f"tags.`bench.id` = '{record.id}'")
        known = self._read(done) if done else None
        if known is not None:
            return known
        tags = {
            "bench.kind": "evaluation",
            "bench.id": record.id,
            "bench.training_id": record.training_id,
            "mlflow.parentRunId": self._training_run(record),
            "git.commit": record.git_commit,
            "data.hash": record.data.fingerprint,
            "data.label": record.data.label,
            "device": record.environment.device,
            "conditions": record.conditions.model_dump_json(),
        }
        run = self._client.create_run(self._experiment, tags=tags, run_name=_name(record))
        run_id = run.info.run_id
        logged = record.model_copy(update={"mlflow_run_id": run_id})
        self._log_batch(run_id, _metrics(logged), _flat(logged.experiment))
        with tempfile.TemporaryDirectory() as folder:
            artifacts = Path(folder)
            (artifacts / "experiment.yaml").write_text(Experiment.from_record(logged.experiment).to_yaml())
            (artifacts / "record.json").write_text(logged.model_dump_json(indent=1))
            for path in files:
                shutil.copy(path, artifacts)
            get_artifact_repository(run.info.artifact_uri, self.uri).log_artifacts(folder)
        self._client.set_terminated(run_id)
        return logged

    def _training_run(self, record: Record) -> str:
        """Id of the run of a record's training, made when there is none yet."""
        if record.training_id not in self._training_runs:
            wanted = f"tags.`bench.kind` = 'training' and tags.`bench.training_id` = '{record.training_id}'"
            self._training_runs[record.training_id] = self._finished_run(wanted) or self._log_training(record)
        return self._training_runs[record.training_id]

    def _log_training(self, record: Record) -> str:
        tags = {"bench.kind": "training", "bench.training_id": record.training_id, "git.commit": record.git_commit}
        name = f"train {_name(record)}"
        run = self._client.create_run(self._experiment, tags=tags, run_name=name)
        run_id = run.info.run_id
        training = record.training
        curve = [("train.loss", epoch, loss) for epoch, loss in enumerate(training.loss, 1)]
        curve += [
            ("validation.mpjpe", round(epoch * training.steps / training.epochs), value)
            for epoch, value in training.validation_mpjpe
        ]
        curve += [("train.seconds", 0, record.training.total_seconds)]
        described = {key: record.experiment[key] for key in ("method", "data", "training")}
        self._log_batch(run_id, curve, _flat(described))
        self._client.set_terminated(run_id)
        return run_id

    def _finished_run(self, wanted: str) -> str | None:
        """Id of the finished run that a filter finds; runs that an interruption left unfinished are deleted."""
        finished = None
        for run in self._search(wanted):
            if run.info.status == "FINISHED" and finished is None:
                finished = run.info.run_id
            elif run.info.status != "FINISHED":
                self._client.delete_run(run.info.run_id)
        return finished

    def _with_retries(self, action: Callable[[], Result]) -> Result:
        """Try again for a while where MLflow, its database or its disk fails; then say so in one sentence."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        for wait in (*WAITS_SECONDS, None):
            try:
                return action()
            except (MlflowException, SQLAlchemyError, OSError) as error:
                if wait is None:
                    reason = str(error).split("\n")[0]
                    raise InputError(
                        f"MLflow store {self.uri}: {reason}; check the disk and MLFLOW_TRACKING_URI, then run the "
                        "same command again: what is finished is kept and logged then"
                    ) from error
                time.sleep(wait)
        raise AssertionError

    def _log_batch(self, run_id: str, metrics: list[tuple[str, int, float]], params: dict[str, str]) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, now, step) for key, step, value in metrics],
            params=[Param(key, value) for key, value in params.items()],
        )

    def _search(self, wanted: str) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs([self._experiment], wanted, max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _read(self, run_id: str) -> Record | None:
        import mlflow
        from mlflow.exceptions import MlflowException

        uri = self._client.get_run(run_id).info.artifact_uri
        try:
            text = mlflow.artifacts.load_text(f"{uri}/record.json")
        except (MlflowException, OSError):
            return None
        return Record.model_validate_json(text)


def make_database(path: Path) -> None:
    """Make a SQLite file with MLflow's tables, if there is none yet.

    It is made under another name first, so that an interruption leaves no half-made database.
    """
    import mlflow

    with FileLock(path.with_suffix(".lock")):
        if path.exists():
            return
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        mlflow.MlflowClient(f"sqlite:///{unfinished}").get_experiment_by_name(EXPERIMENT_NAME)
        os.replace(unfinished, path)


def _name(record: Record) -> str:
    variant = f" {record.variant}" if record.variant else ""
    return f"{record.title}{variant} {record.preset} {record.data.name}/{record.data.test_detections}"


def _metrics(record: Record) -> list[tuple[str, int, float]]:
    metrics = []
    for value in record.values:
        key, last = f"{value.metric}/{value.aggregation or 'deterministic'}", value.step == record.conditions.steps
        if last or (value.metric == "mpjpe" and value.aggregation in CURVES):
            metrics.append((key, value.step, value.action_mean))
        if last and value.metric == "mpjpe":
            metrics += [(f"{key}/low", value.step, value.low), (f"{key}/high", value.step, value.high)]
    cost = record.cost
    costs = {
        "parameters": cost.parameters,
        "frozen_parameters": cost.frozen_parameters,
        "flops_per_window": cost.flops_per_window,
        "latency_median_ms": cost.latency.median_ms,
        "latency_p95_ms": cost.latency.p95_ms,
        "latency_ms_per_frame": cost.latency.ms_per_frame,
        "throughput_windows_per_s": cost.latency.throughput_windows_per_s,
        "peak_memory_mb": cost.peak_memory_mb,
        "added_memory_mb": cost.added_memory_mb,
        "energy_j": cost.energy_j,
        "percent_of_peak": cost.percent_of_peak,
    }
    return metrics + [(f"cost/{name}", 0, float(value)) for name, value in costs.items() if value is not None]


def _flat(description: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in description.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat
