"""Tasks: train, evaluate, measure. The first process that comes to a task does it; others find it done.

A task is described by experiments, so that any process on any machine that sees the store can do it. What it
makes is kept in the store, and so is the reason why it failed.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from filelock import Timeout

from bench.config.experiment import Experiment
from bench.devices import lock_name, use_device
from bench.job import pipeline, weights
from bench.job.data_cache import DataCache
from bench.job.failures import breaks_device, digest_of
from bench.job.jobs import Job, Training
from bench.job.resolve import resolve
from bench.measure import memory
from bench.results.failure import Failure, FailureKind
from bench.results.files import UNWRITABLE
from bench.results.store import Seconds, Store, read_trained
from bench.results.tracking.activity import Activity, Metrics, activities, watched_system
from bench.results.tracking.journal import now
from models.errors import DivergedError, InputError

TaskKind = Literal["train", "evaluate", "measure"]
TaskStatus = Literal["done", "found", "failed", "busy", "crashed"]
"""How a try ended: found means that it was done before, perhaps by another program, busy that another program is
doing it, crashed that the process was lost, or that its device is broken and another process must go on."""


@dataclass(frozen=True)
class Task:
    """One thing to do.

    Attributes:
        kind: train makes the weights of a training, evaluate keeps numbers that are read off the same samples,
            measure finds out what a prediction costs.
        id: identity of the training (of several that are one task), of the samples, or of the cost.
        ids: under which a failure is recorded: of the trainings, the evaluations or the cost.
        experiments: for which it is done.
        needs: names of tasks that come before.
        title: what progress lines call it.
        size: larger ones begin first.
        duration_key: tasks with the same one take about the same time.
        device: "auto", "cpu", "cuda" or "cuda:i".
        number: of the pass of a measurement, from 1.
    """

    kind: TaskKind
    id: str
    ids: tuple[str, ...]
    experiments: tuple[Experiment, ...]
    needs: frozenset[str]
    title: str
    size: float
    duration_key: str
    device: str
    number: int = 1

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.id}"


def run_task(task: Task, root: Path, attempt: int = 0, cache: DataCache | None = None) -> TaskStatus:
    """Do a task of the store in ``root`` if it is not done.

    ``attempt``: how often it was tried before; after a crash, evaluation begins with smaller batches.

    Returns:
        How it ended. After "crashed" a worker's process should end: whatever it does on its device would fail.

    Raises:
        OSError: the store cannot be written.
    """
    store = Store(root)
    if distributed():  # an error ends all of its processes
        return _run_task(task, store, attempt, cache) if task.kind == "train" or first_process() else "done"
    try:
        with store.lock(task.name).acquire(timeout=0):
            return _run_task(task, store, attempt, cache)
    except Timeout:
        return "busy"
    except _BrokenDeviceError:
        return "crashed"


class _BrokenDeviceError(Exception):
    """The device cannot be used by this process any more; why is recorded."""


def distributed() -> bool:
    """Whether this process is one of several that train together (``torchrun``, ``accelerate launch``)."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def first_process() -> bool:
    """Whether this process is the one that evaluates, measures, logs and reports."""
    return os.environ.get("RANK", "0") == "0"


def _run_task(task: Task, store: Store, attempt: int, cache: DataCache | None) -> TaskStatus:
    if not _missing(task, store):
        return "found"
    if has_failed(task, store):
        return "failed"
    cache = cache or DataCache()
    jobs = [resolve(experiment, cache) for experiment in task.experiments]
    device = use_device(task.device)
    # Processes that train together only wait for each other.
    use = nullcontext() if distributed() else store.device(lock_name(device), alone=task.kind == "measure")
    with use:
        missing = _missing(task, store)
        if not missing:  # another program has done it, while this one waited
            return "found"
        started = time.monotonic()  # not before: a measurement waits here until it is alone
        if task.kind == "evaluate":
            failed = _evaluate_watched(jobs, store, device, attempt)
        else:
            train, measure = partial(_train, task, jobs, store), partial(_measure, task, jobs[0], store, device)
            action = train if task.kind == "train" else measure
            # Looked at where it fails only: what another program has trained by then did not fail.
            names = (name for name in task.ids if task.kind != "train" or not store.is_trained(name))
            failed = _record_if_it_fails(names, task.title, task.experiments[0], store, action)
        seconds = time.monotonic() - started
        if device.type == "cuda":  # other processes use it too, and see what this one keeps as taken
            _release_memory()
    if failed:
        return "failed" if _missing(task, store) else "found"
    if task.kind == "train":
        trained = read_trained(store.training(missing[0]))
        # Its time counts what was done before an interruption too, on which this process did not spend any.
        seconds = max(seconds, trained.info.seconds if trained else 0.0)
    if task.kind != "evaluate" or len(missing) == len(task.ids):  # else the rest of an interrupted evaluation
        store.times.put(task.duration_key, Seconds(seconds=seconds))
    return "done"


def _missing(task: Task, store: Store) -> list[str]:
    """Ids of a task whose results are not there."""
    if task.kind == "train":
        return [name for name in task.ids if not store.is_trained(name)]
    if task.kind == "evaluate":
        return [name for name in task.ids if not store.is_evaluated(name)]
    known = store.measurements.get(task.ids[0])
    done = known is not None and len(known.cost.latency.passes or (0,)) >= task.number
    return [] if done else list(task.ids)


def has_failed(task: Task, store: Store) -> bool:
    """Whether nothing of a task is left to do, as it is recorded why the rest of it failed."""
    missing = _missing(task, store)
    return bool(missing) and all(name in store.failures for name in missing)


def is_continued(task: Task, store: Store) -> bool:
    """Whether a task goes on with a training that was interrupted."""
    return task.kind == "train" and any(weights.begun_with(task.ids, store))


def _train(task: Task, jobs: list[Job], store: Store) -> None:
    wanted = [_training_of(job, name) for name, job in zip(task.ids, jobs, strict=True)]
    training, *others = [one for one in wanted if not store.is_trained(one.id)]
    weights.train_or_load(training, training.build(), store, task.device, others)


def _training_of(job: Job, name: str) -> Training:
    """The training with this id among those that a job needs.

    Raises:
        InputError: there is none: the experiment means something else here than where the task was made.
    """
    trainings = {training.id: training for training in job.training.chain}
    if name not in trainings:
        raise InputError(
            f"{job.name}: here its trainings are {', '.join(trainings)}, but {name} was asked for: the code, the "
            "data or the text encoders of this machine differ from those where the sweep was started"
        )
    return trainings[name]


def _measure(task: Task, job: Job, store: Store, device: torch.device) -> None:
    known = store.measurements.get(task.ids[0]) if task.number > 1 else None
    store.measurements.put(task.ids[0], pipeline.measure(job, store, device, known))


def _evaluate_watched(jobs: list[Job], store: Store, device: torch.device, halvings: int) -> bool:
    """Evaluate, and keep for MLflow when that was and what the machine did meanwhile."""
    left = [job for job in jobs if not store.is_evaluated(job.id)]
    missing = [job for job in left if job.id not in store.failures]  # one that broke a device has failed already
    began, seen = now(), list[tuple[int, Metrics]]()
    with watched_system(lambda metrics: seen.append((now(), metrics))):
        failed = _evaluate(missing, store, device, halvings)
    for job in missing:
        if store.evaluations.get(job.id) is not None:
            activities(store.root).put(job.id, Activity(began=began, ended=now(), system=tuple(seen)))
    return failed or len(missing) < len(left)


def _evaluate(missing: list[Job], store: Store, device: torch.device, halvings: int) -> bool:
    """Evaluate together; where that fails, each job by itself, so that one does not take the others with it.

    Returns:
        Whether any of them failed.
    """
    if len(missing) > 1:
        try:
            pipeline.evaluate_together(missing, store, device, halvings)
        except Exception as error:
            if _ends_everything(error):
                raise
            if breaks_device(error):  # each by itself would fail here too
                for job in missing:
                    if not store.is_evaluated(job.id):
                        _record(error, [job.id], job.title, job.portable, store)
                raise _BrokenDeviceError from error
        else:
            return False
    failed = False
    for job in missing:
        action = partial(pipeline.evaluate_together, [job], store, device, halvings)
        failed |= _record_if_it_fails([job.id], job.title, job.portable, store, action)
    return failed


def _record_if_it_fails(
    names: Iterable[str], title: str, experiment: Experiment, store: Store, action: Callable[[], object]
) -> bool:
    """Whether the action failed; the reason is then kept under each of the names.

    Raises:
        _BrokenDeviceError: it failed, and its device cannot be used any more.
    """
    try:
        action()
    except Exception as error:
        _record(error, names, title, experiment, store)
        if breaks_device(error):
            raise _BrokenDeviceError from error
        _release_memory()
        return True
    return False


def _release_memory() -> None:
    """Give back memory that nothing uses any more.

    Raises:
        _BrokenDeviceError: the device cannot be used any more.
    """
    try:
        memory.release()
    except RuntimeError as error:  # what older versions of torch raise for a broken device has no name
        raise _BrokenDeviceError from error


def _record(error: Exception, names: Iterable[str], title: str, experiment: Experiment, store: Store) -> None:
    """Keep why an experiment failed, before anything else is asked of a device that may be broken.

    Raises:
        Exception: the error, if the experiment is not at fault, or other processes train with this one.
    """
    if _ends_everything(error) or distributed():
        raise error
    details = "".join(traceback.format_exception(error))
    record_failure(store, names, title, _kind(error), _reason(error), experiment, details)


def record_failure(
    store: Store,
    names: Iterable[str],
    title: str,
    kind: FailureKind,
    reason: str,
    experiment: Experiment,
    details: str = "",
) -> None:
    """Keep why a task gave no result, under each of the ids ``names``; the rest is as in ``Failure``."""
    method, data = experiment.method, experiment.evaluation.data or experiment.data
    for name in names:
        failure = Failure(
            id=name,
            title=title,
            kind=kind,
            reason=reason,
            details=details,
            failed_at=datetime.now(UTC).isoformat(timespec="seconds"),
            code=digest_of(experiment),
            method=method.name,
            preset=method.preset,
            data=data.name,
            seed=experiment.training.seed,
        )
        store.failures.put(name, failure)


def _ends_everything(error: BaseException | None) -> bool:
    """Whether results cannot be kept, so that the sweep must end; then the experiment is not at fault."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            return True
        error = error.__cause__ or error.__context__
    return False


def _kind(error: Exception) -> FailureKind:
    if memory.is_out_of_memory(error):
        return "out of memory"
    if isinstance(error, DivergedError):
        return "diverged"
    return "bad input" if isinstance(error, InputError) else "error"


def _reason(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}".rstrip(": ")
