"""The runs of one experiment of MLflow: made, searched, filled, and their files."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench.results.documents import UnreadableError
from bench.results.tracking.journal import DataUse, now
from bench.results.tracking.mlflow_files import active_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

CLAIMED = "bench.claimed_ms"
"""Tag: the age of a run, in milliseconds since 1970: when it was made. Its start may be long before."""

MOST_METRICS, MOST_PARAMS = 800, 100
"""At once: MLflow takes 1000 things, and 100 parameters among them."""


class Runs:
    """Access to the runs of an experiment; errors are those of MLflow.

    Attributes:
        own: folder of the store whose own database this is; None for one that others may use too.
    """

    def __init__(self, client: MlflowClient, experiment: str, own: Path | None) -> None:
        self.client, self.experiment, self.own = client, experiment, own

    def create(
        self, name: str, tags: Mapping[str, str], began: int | None = None, rivals: Mapping[str, str] | None = None
    ) -> Run:
        """A new run that is RUNNING.

        Args:
            began: milliseconds since 1970, now by default.
            rivals: tags of runs that other programs may make at the same time. Then the run gets its age when all
                can see it, and a greater one than those that are there: whoever does not see it is older.
        """
        made = now()
        described = {**_source(), **tags} | ({CLAIMED: str(made)} if rivals is None else {})
        if "git.commit" in tags:
            described["mlflow.source.git.commit"] = tags["git.commit"]  # MLflow's own name for it
        run = self.client.create_run(self.experiment, start_time=began or made, tags=described, run_name=name)
        if rivals is not None:
            ages = [age(other)[0] for other in self.search(rivals) if CLAIMED in other.data.tags]
            self.client.set_tag(run.info.run_id, CLAIMED, str(max([made, *(each + 1 for each in ages)])))
        return run

    def search(self, tags: Mapping[str, str], status: str | None = None) -> list[Run]:
        """Runs with these tags, the oldest first."""
        askable = {name: value for name, value in tags.items() if "'" not in value}  # MLflow cannot escape one
        wanted = [f"tags.`{name}` = '{value}'" for name, value in askable.items()]
        wanted += [f"attributes.status = '{status}'"] * (status is not None)
        found: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment], " and ".join(wanted), max_results=1000, page_token=token
            )
            found += [run for run in page if tags.items() <= run.data.tags.items()]
            token = page.token
            if not token:
                return sorted(found, key=age)

    def has_at_most(self, number: int, tags: Mapping[str, str]) -> bool:
        """Whether there surely are no more runs with these tags; known only of the store's own database.

        MLflow's search takes several times as long, and longer with every run.
        """
        return self.own is not None and len(active_runs(self.own / "mlflow.db", tags)) <= number

    def delete(self, run: Run) -> None:
        """Delete a run, which another program may have done, and what the store's own MLflow keeps beside it."""
        from mlflow.exceptions import MlflowException

        if self.own is not None:  # first: a run that is gone is not found again
            with suppress(FileNotFoundError):
                shutil.rmtree(self.own / "artifacts" / run.info.run_id)
        try:
            self.client.delete_run(run.info.run_id)
        except MlflowException:
            if self.client.get_run(run.info.run_id).info.lifecycle_stage != "deleted":
                raise

    def unused_artifacts(self) -> list[Path]:
        """Folders that the store's own MLflow keeps for runs that it does not have, or that were deleted."""
        if self.own is None or not (self.own / "artifacts").is_dir():
            return []
        folders = sorted((self.own / "artifacts").iterdir())  # read first: a run is older than its folder
        used = active_runs(self.own / "mlflow.db", {})
        return [folder for folder in folders if folder.name.lstrip(".") not in used]

    def log(
        self,
        run_id: str,
        metrics: Sequence[tuple[str, int, float] | Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log to a run; metrics given as name, step and value get the present time. Tags come last."""
        from mlflow.entities import Metric, Param, RunTag

        when = now()
        points = [
            each if isinstance(each, Metric) else Metric(each[0], each[2], when, each[1]) for each in metrics
        ]
        named = [Param(key, value) for key, value in (params or {}).items()]
        batches = max(1, -(-len(points) // MOST_METRICS), -(-len(named) // MOST_PARAMS))
        for number in range(batches):
            self.client.log_batch(
                run_id,
                metrics=points[number * MOST_METRICS : (number + 1) * MOST_METRICS],
                params=named[number * MOST_PARAMS : (number + 1) * MOST_PARAMS],
                tags=[RunTag(*tag) for tag in (tags or {}).items()] if number == batches - 1 else [],
            )

    def log_data(self, run_id: str, uses: Iterable[DataUse]) -> None:
        """Log the data that a run was given."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = []
        for use in uses:
            dataset = Dataset(use.name, use.digest, "lifting-bench", json.dumps({"data": use.source}))
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", use.context)]))
        self.client.log_inputs(run_id, inputs)

    def log_files(self, run_id: str, files: Mapping[str, str | Path]) -> None:
        """Keep files as artifacts; of the store's own MLflow beside it, wherever the store has been moved to.

        Args:
            files: path within the artifacts → its text, or the file whose content it gets.
        """
        own = self.artifacts_of(run_id)
        if own is not None:
            _write(own, files)
            return
        with tempfile.TemporaryDirectory() as temporary:
            _write(Path(temporary), files)
            self.client.log_artifacts(run_id, temporary)

    def artifact(self, run_id: str, name: str) -> bytes:
        """The content of a file that was logged.

        Raises:
            UnreadableError: it is not there.
        """
        from mlflow.exceptions import MlflowException

        folder = self.artifacts_of(run_id)
        if folder is not None:
            try:
                return (folder / name).read_bytes()
            except FileNotFoundError as error:
                raise UnreadableError(f"{error.filename} is missing") from None
        try:
            with tempfile.TemporaryDirectory() as temporary:
                return Path(self.client.download_artifacts(run_id, name, temporary)).read_bytes()
        except (MlflowException, OSError):
            if name in {artifact.path for artifact in self.client.list_artifacts(run_id)}:
                raise
            raise UnreadableError(f"its {name} is missing among its artifacts") from None

    def artifacts_of(self, run_id: str) -> Path | None:
        """Folder of the artifacts of a run in the store's own MLflow; None for another one."""
        return None if self.own is None else self.own / "artifacts" / run_id / "artifacts"


def age(run: Run) -> tuple[int, str]:
    """Sorts runs from the first made to the last, alike for all programs."""
    return int(run.data.tags.get(CLAIMED, run.info.start_time)), run.info.run_id


def _write(folder: Path, files: Mapping[str, str | Path]) -> None:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, target)
        else:
            target.write_text(content, encoding="utf-8")


@functools.cache
def _source() -> dict[str, str]:
    """What MLflow finds out about who runs what: user, program, and its commit."""
    from mlflow.tracking.context.registry import resolve_tags

    return resolve_tags()
