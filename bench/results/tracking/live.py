"""Runs of trainings in MLflow from their first step on.

A training writes a journal (``bench.results.tracking.journal``); here journals become runs. Each run remembers in
a tag how much of its journal it has, and MLflow takes the same point twice for one, so nothing is lost or logged
twice, whoever sends it and whatever is killed in between.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.results.record import TrainingInfo
from bench.results.tracking.journal import Head, Point, head_of, journals, read
from bench.results.tracking.mlflow_runs import Runs
from bench.results.tracking.run_content import training_metrics

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

LIVE, SENT = "bench.live", "bench.journal_bytes"
"""Tags: that a run was there from the first step of its training on, and how much of the journal it has."""

LOGGED_BY = "bench.logged_by"
"""Tag: which store logs a run."""

NOTE = "mlflow.note.content"
"""Tag that MLflow shows as the description of a run."""


@dataclass
class _Sent:
    """What MLflow has of a journal: ids of its runs and their statuses, in the order of the head.

    It began at ``began`` and is sent up to ``place``, with points up to ``moment``, in milliseconds since 1970.
    """

    began: int
    runs: list[str]
    statuses: list[str]
    place: int
    moment: int


class LiveTrainings:
    """Sends the journals of one store. The caller holds the store's lock "log"."""

    def __init__(self, runs: Runs, folder: Path, logged_by: str, names: Container[str]) -> None:
        """``logged_by``: name of the store in ``folder`` in the tags of its runs; ``names``: older ones too."""
        self._runs, self._folder, self._logged_by, self._names = runs, folder, logged_by, names
        self._sent: dict[Path, _Sent] = {}

    def send(self, path: Path) -> bool:
        """Send what is new in a journal; whether there was anything."""
        head = head_of(path)
        if head is None:
            return False
        sent = self._sent.get(path)
        if sent is None or sent.began != head.began:
            sent = self._meet(path, head)
        try:
            points, end = read(path, sent.place)
        except FileNotFoundError:
            return False
        if end > sent.place:
            for number, run in enumerate(sent.runs):
                self._runs.log(run, _metrics(points, number), tags={SENT: str(end)})
            sent.place, sent.moment = end, max([sent.moment, *(point.moment for point in points)])
        return bool(points)

    def set_status(self, path: Path, status: str, reason: str = "") -> None:
        """Let the runs of a journal have a status: "RUNNING", "KILLED", or "FAILED" for a reason."""
        if (sent := self._sent.get(path)) is None:
            return
        for number, run in enumerate(sent.runs):
            if sent.statuses[number] not in (status, "FINISHED"):
                self._runs.client.set_tag(run, NOTE, reason)
                self._set(sent, number, status)

    def finish(self, training_id: str, info: TrainingInfo) -> str | None:
        """Finish the run of a training that is finished, and remove its journal when no other run needs it.

        Returns:
            Id of the run; None where the training has no journal.
        """
        for path in journals(self._folder):
            if training_id in path.stem.split("+") and (head := head_of(path)) is not None:
                ids = [run.id for run in head.runs]
                return self._finish(path, ids.index(training_id), info) if training_id in ids else None
        return None

    def _finish(self, path: Path, number: int, info: TrainingInfo) -> str:
        self.send(path)
        sent = self._sent[path]
        if sent.statuses[number] != "FINISHED":
            from mlflow.entities import Metric

            points, _ = read(path)
            seen = {key for point in points if point.run in (None, number) for key in point.metrics}
            moment = max((point.moment for point in points), default=sent.moment)  # the same when it is repeated
            rest = [(key, step, value) for key, step, value in training_metrics(info) if key not in seen]
            self._runs.log(sent.runs[number], [Metric(key, value, moment, step) for key, step, value in rest])
            if sent.statuses[number] == "FAILED":  # of an earlier try
                self._runs.client.set_tag(sent.runs[number], NOTE, "")
            self._set(sent, number, "FINISHED")
        if set(sent.statuses) == {"FINISHED"}:
            path.unlink(missing_ok=True)
            del self._sent[path]
        return sent.runs[number]

    def _set(self, sent: _Sent, number: int, status: str) -> None:
        run = sent.runs[number]
        if status == "RUNNING":
            self._runs.client.update_run(run, status)
        else:
            self._runs.client.set_terminated(run, status, sent.moment)
        sent.statuses[number] = status

    def _meet(self, path: Path, head: Head) -> _Sent:
        """The runs of a journal, which an earlier program may have made."""
        runs = [self._run_of(head, number) for number in range(len(head.runs))]
        places = [int(run.data.tags.get(SENT, 0)) for run in runs]
        whole = path.stat().st_size
        sent = _Sent(
            began=head.began,
            runs=[run.info.run_id for run in runs],
            statuses=[run.info.status for run in runs],
            place=min(places) if max(places) <= whole else 0,  # a longer one was lost, and this one is another
            moment=max([head.began, *(run.info.end_time or 0 for run in runs)]),
        )
        self._sent[path] = sent
        return sent

    def _run_of(self, head: Head, number: int) -> Run:
        described = head.runs[number]
        tags = {"bench.kind": "training", "bench.training_id": described.id}
        tags |= {LIVE: "yes"}
        found = [] if self._runs.has_at_most(0, tags) else self._runs.search(tags)
        found = [
            run
            for run in found
            if run.info.start_time == head.began  # others: of a try of other code
            and (self._runs.own is not None or run.data.tags.get(LOGGED_BY) in self._names)
        ]
        tags |= {**described.tags, LOGGED_BY: self._logged_by}
        run = found[0] if found else self._runs.create(described.name, tags, head.began)
        if SENT not in run.data.tags:
            self._runs.log_data(run.info.run_id, described.data)
            self._runs.log(run.info.run_id, params=described.params, tags={SENT: "0"})
        return run


def _metrics(points: Sequence[Point], number: int) -> list[Metric]:
    """The points of one run, as MLflow takes them."""
    from mlflow.entities import Metric

    mine = [point for point in points if point.run in (None, number)]
    return [Metric(key, value, point.moment, point.step) for point in mine for key, value in point.metrics.items()]
