"""Pieces of work: train, evaluate, price. Whoever comes first does one that is not done; the others find it done.

A piece is described by experiments, so that any process on any machine that sees the store can do it. What it
makes is kept in the store, and so is why it failed.
"""

from __future__ import annotations

import errno
import os
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from filelock import Timeout
from tqdm import tqdm

from bench.config.experiment import Experiment
from bench.job.resolve import Job, resolve
from bench.measure import memory
from bench.results.record import Failure, FailureKind
from bench.results.store import Seconds, Store
from models.errors import DivergedError, InputError

if TYPE_CHECKING:
    import torch

Kind = Literal["train", "evaluate", "measure"]
TaskStatus = Literal["done", "failed", "busy", "crashed"]
"""How a try ended: busy means that another program is at it, crashed that the process was lost."""

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
"""Errors of the place where results are kept: no experiment's fault, and the end of a sweep."""


@dataclass(frozen=True)
class Task:
    """A piece of work.

    Attributes:
        kind: train makes the weights of a training, evaluate keeps numbers that are read off the same samples,
            price measures what a prediction costs.
        id: identity of the training (of several that are one piece of work), the samples or the price.
        ids: under which a failure is recorded: of the trainings, the experiments or the price.
        experiments: for which it is done.
        needs: names of items that come before.
        title: what progress lines call it.
        size: larger ones begin first.
        shape: items of one shape take about the same time.
        device: "auto", "cpu", "cuda" or "cuda:i".
    """

    kind: Kind
    id: str
    ids: tuple[str, ...]
    experiments: tuple[Experiment, ...]
    needs: frozenset[str]
    title: str
    size: float
    shape: str
    device: str

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.id}"


def run_task(item: Task, root: Path, attempt: int = 0) -> TaskStatus:
    """Do a piece of work if it is not done.

    Args:
        item: what to do.
        root: of the store.
        attempt: how often it was tried before; after a crash, evaluation goes in smaller batches.

    Raises:
        OSError: the store cannot be written.
    """
    store = Store(root)
    if distributed():
        return _run_task(item, store, attempt) if item.kind == "train" or first_process() else "done"
    try:
        with store.lock(item.name).acquire(timeout=0):
            return _run_task(item, store, attempt)
    except Timeout:
        return "busy"


def distributed() -> bool:
    """Whether this process is one of several that train together (``torchrun``, ``accelerate launch``)."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def first_process() -> bool:
    """Whether this process is the one that evaluates, prices and logs."""
    return os.environ.get("RANK", "0") == "0"


def _run_task(item: Task, store: Store, attempt: int) -> TaskStatus:
    if _is_done(item, store):
        return "done"
    if all(name in store.failures for name in item.ids):
        return "failed"
    from bench.devices import device_of

    jobs = [resolve(experiment) for experiment in item.experiments]
    device = device_of(item.device)
    started = time.monotonic()
    with _used(store, device, item):
        if item.kind == "train":
            failed = _caught(item.ids, item.title, store, partial(_train, item, jobs, store))
        elif item.kind == "measure":
            failed = _caught(item.ids, item.title, store, partial(_price, item, jobs[0], store, device))
        else:
            failed = _evaluate(jobs, store, device, attempt)
    if failed:
        return "failed"
    store.times.put(item.shape, Seconds(seconds=time.monotonic() - started))
    return "done"


def _used(store: Store, device: torch.device, item: Task) -> AbstractContextManager[None]:
    """The device, alone for a price; processes that train together only wait for each other."""
    return nullcontext() if distributed() else store.device(str(device), alone=item.kind == "measure")


def _is_done(item: Task, store: Store) -> bool:
    if item.kind == "train":
        return all(map(store.is_trained, item.ids))
    return item.kind == "measure" and item.id in store.measurements


def _train(item: Task, jobs: list[Job], store: Store) -> None:
    from bench.job.weights import train_or_load

    pairs = zip(item.ids, jobs, strict=True)
    wanted = [(next(t for t in job.training.chain if t.id == name), job.test) for name, job in pairs]
    (training, judges), *others = [pair for pair in wanted if not store.is_trained(pair[0].id)]
    train_or_load(training, training.build(), jobs[0].train, judges, store, item.device, others)


def _price(item: Task, job: Job, store: Store, device: torch.device) -> None:
    from bench.job.pipeline import measure

    store.measurements.put(item.id, measure(job, store, device))


def _evaluate(jobs: list[Job], store: Store, device: torch.device, halvings: int) -> bool:
    """Evaluate together; where that fails, each by itself, so that one does not take the others with it."""
    from bench.job.pipeline import evaluate_together

    known = store.evaluations.ids()
    known |= store.finished()
    missing = [job for job in jobs if job.id not in known]
    if len(missing) > 1:
        try:
            evaluate_together(missing, store, device, halvings)
        except Exception as error:
            if _ends_everything(error):
                raise
        else:
            return False
    alone = partial(evaluate_together, store=store, device=device, halvings=halvings)
    results = [_caught([job.id], job.title, store, partial(alone, [job])) for job in missing]
    return any(results)


def _caught(names: Iterable[str], title: str, store: Store, action: Callable[[], object]) -> bool:
    """Whether the action failed; why is then kept under each of the names."""
    try:
        action()
    except Exception as error:
        if _ends_everything(error) or distributed():
            raise
        memory.release()
        record_failure(store, names, title, _kind(error), _reason(error), traceback.format_exc())
        return True
    return False


def record_failure(
    store: Store, names: Iterable[str], title: str, kind: FailureKind, reason: str, details: str = ""
) -> None:
    """Keep why a piece of work gave no result."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for name in names:
        failure = Failure(id=name, title=title, kind=kind, reason=reason, details=details, failed_at=now)
        store.failures.put(name, failure)
    tqdm.write(f"failed {title}: {failure.sentence}")


def _ends_everything(error: BaseException | None) -> bool:
    """Whether the place where results are kept is at fault, not the experiment."""
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
