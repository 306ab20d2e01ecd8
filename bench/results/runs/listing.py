"""What a store holds, run by run: evaluations, and trainings of which nothing is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Literal, get_args

from bench.config.parsing import Frozen
from bench.results.record import Evaluation, Record, TrainingInfo
from bench.results.store import Store, read_trained
from models.errors import InputError, quoted, some_of

Status = Literal["finished", "evaluated", "failed", "trained", "unfinished"]
STATUSES: tuple[Status, ...] = get_args(Status)


class Run(Frozen):
    """An evaluation, or a training without one; what is not known of it is empty.

    Attributes:
        id: of the evaluation, or of the training.
        status: "finished": it has a record; "evaluated": its numbers wait for their cost; "failed": ``reason``
            says why; "trained": weights without an evaluation; "unfinished": a training that goes on or was ended.
        data, detections: name of the data set, and source of the 2D poses of the test.
        seed: of the training.
        mpjpe: in millimetres, at the last step, of the first aggregation that needs no ground truth.
        finished_at: ISO 8601.
        training_id: "" for what failed before it had numbers; its ``title`` then is that of the failure.
    """

    id: str
    status: Status
    training_id: str = ""
    title: str = ""
    method: str = ""
    preset: str = ""
    variant: str = ""
    data: str = ""
    detections: str = ""
    seed: int | None = None
    hypotheses: int | None = None
    steps: int | None = None
    mpjpe: float | None = None
    finished_at: str = ""
    reason: str = ""

    @property
    def name(self) -> str:
        """Title, size and variant; the title of what has no evaluation has them already."""
        parts = (self.title, self.preset, self.variant) if self.training_id else (self.title,)
        return " ".join(filter(None, parts))

    @property
    def finished(self) -> datetime | None:
        """``finished_at``; without a zone it is UTC."""
        found = datetime.fromisoformat(self.finished_at) if self.finished_at else None
        return found.replace(tzinfo=UTC) if found and not found.tzinfo else found


def moment(text: str, option: str, end_of_day: bool = False) -> datetime:
    """A date or a time that the user gives; without a zone it is of this machine's.

    Args:
        text: ISO 8601: "2026-11-28", "2026-11-28T10:00".
        end_of_day: whether a date stands for its end, not for its beginning.

    Raises:
        InputError: it is neither, or at an end of the calendar, where other zones have no such time.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {quoted(text)}: is not a date; write 2026-11-28 or 2026-11-28T10:00") from None
    if end_of_day and len(text) <= len("2026-11-28"):
        found = datetime.combine(found, time.max)
    try:
        return found.astimezone()
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} {quoted(text)}: is too far away; write a date of a run, or leave it out"
        ) from None


def runs_of(store: Store) -> dict[str, Run]:
    """Everything in a store by id, the oldest first; what has no time stands behind."""
    found = {name: _described(evaluation, "evaluated") for name, evaluation in store.evaluations.each()}
    records = store.records()  # after the evaluations, which become records meanwhile
    found |= {name: _described(record, "finished") for name, record in records.items()}
    for name, failure in store.failures.all().items():
        if name not in records:
            shared = {key: getattr(failure, key) for key in ("title", "method", "preset", "data", "seed")}
            known = found.get(name, Run(id=name, status="failed", **shared))
            told = {"status": "failed", "reason": failure.sentence, "finished_at": failure.failed_at}
            found[name] = known.model_copy(update=told)
    evaluated = {run.training_id for run in found.values()}
    for folder in training_folders(store):
        if folder.name not in evaluated and folder.name not in found:
            status: Status = "trained" if read_trained(folder) else "unfinished"
            found[folder.name] = Run(id=folder.name, status=status, training_id=folder.name)
    ordered = sorted(found.values(), key=lambda run: (not run.finished_at, run.finished_at, run.id))
    return {run.id: run for run in ordered}


def training_folders(store: Store) -> list[Path]:
    """Folders of all trainings, finished or not; of several that go together the name joins theirs by "+"."""
    return sorted(path for path in store.root.glob("trainings/*") if path.is_dir())


def training_infos(store: Store) -> dict[str, TrainingInfo]:
    """Information of finished trainings, by id; that of one that began from another repeats that of the other."""
    found = ((folder.name, read_trained(folder)) for folder in training_folders(store))
    return {name: trained.info for name, trained in found if trained is not None}


def find_id(beginning: str, store: Store, runs: Mapping[str, Run]) -> str:
    """The id of an evaluation, a training or a failure of a store that begins so.

    Args:
        runs: ``runs_of`` the store.

    Raises:
        InputError: there is none, or there are several.
    """
    ids = runs.keys() | {folder.name for folder in training_folders(store)}
    found = [beginning] if beginning in ids else sorted(name for name in ids if name.startswith(beginning))
    if not found:
        raise InputError(
            f"{quoted(beginning)}: no id in {store.root} begins so; "
            f"`python -m bench runs list --store {store.root}` shows them"
        )
    if len(found) > 1:
        raise InputError(
            f"{quoted(beginning)}: {len(found)} ids begin so: {some_of(found)}; give more of the one that you mean"
        )
    return found[0]


def dependents(store: Store, name: str, runs: Mapping[str, Run]) -> list[str]:
    """Ids of what was made from a training: evaluations, trainings that began from it, and their evaluations."""
    infos = training_infos(store)
    found: list[str] = []
    waiting = [name]
    while waiting:
        training = waiting.pop()
        evaluations = [run.id for run in runs.values() if run.training_id == training and run.id != training]
        known = infos.get(training)
        later = [other for other, info in infos.items() if known is not None and info.first_stage == known]
        found += evaluations + later
        waiting += later
    return found


def _described(evaluation: Evaluation, status: Status) -> Run:
    steps = evaluation.conditions.steps
    errors = (v for v in evaluation.values if (v.metric, v.step) == ("mpjpe", steps))
    without_truth = (value.action_mean for value in errors if value.kind in ("deterministic", "deployable"))
    shared = ("id", "training_id", "title", "method", "preset", "variant")
    return Run(
        **{name: getattr(evaluation, name) for name in shared},
        status=status,
        data=evaluation.data.name,
        detections=evaluation.data.test_detections,
        seed=evaluation.experiment.get("training", {}).get("seed"),
        hypotheses=evaluation.conditions.hypotheses,
        steps=steps,
        mpjpe=next(without_truth, None),
        finished_at=evaluation.finished_at if isinstance(evaluation, Record) else "",
    )
