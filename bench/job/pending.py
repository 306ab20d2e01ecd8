"""What there is to do for a set of experiments: which trainings, evaluations and prices are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TypeVar

from bench.config.experiment import identity
from bench.job.resolve import Job, Training
from bench.job.task import Task
from bench.protocol.evaluate import shared_samples
from bench.results.record import Failure
from bench.results.store import Store

Member = TypeVar("Member")

MANY_WINDOWS = 10_000
"""Taken for "all of them" where only the order of work depends on it."""


@dataclass(frozen=True)
class PendingWork:
    """What there is to do.

    Attributes:
        jobs: every experiment, by id.
        finished: ids of those with a record.
        failures: why others failed before, by id; they are left alone.
        work: trainings and evaluations.
        prices: what is to be measured.
        cost_id_of: id of an experiment → id of its price.
    """

    jobs: dict[str, Job]
    finished: set[str]
    failures: dict[str, Failure]
    work: list[Task]
    prices: list[Task]
    cost_id_of: dict[str, str]

    @property
    def left(self) -> list[Job]:
        """Experiments that have neither a record nor failed."""
        return [job for job in self.jobs.values() if job.id not in self.finished and job.id not in self.failures]


def pending_work(jobs: Iterable[Job], store: Store, device: str, where: str) -> PendingWork:
    """Find out what is to do; of what is done, only names of files are read.

    Args:
        jobs: in any order, repeats allowed.
        store: what is done already.
        device: "auto", "cpu", "cuda" or "cuda:i".
        where: name of the device on which prices are measured; a price of another one does not count.
    """
    wanted = {job.id: job for job in jobs}
    evaluated = store.evaluations.ids()
    finished = store.finished().intersection(wanted)
    cost_id_of = {job.id: identity([job.cost_id, where]) for job in wanted.values()}
    failures = _failures(wanted.values(), cost_id_of, store)
    left = [job for job in wanted.values() if job.id not in finished and job.id not in failures]
    missing = [job for job in left if job.id not in evaluated]
    trainings = _trainings(missing, store, device)
    ways = {item.name: item for item in trainings.values()}
    priced = store.measurements.ids()
    to_price = grouped([job for job in left if cost_id_of[job.id] not in priced], lambda job: cost_id_of[job.id])
    return PendingWork(
        jobs=wanted,
        finished=finished,
        failures=failures,
        work=[*ways.values(), *_evaluations(missing, trainings, device)],
        prices=[_price(key, members[0], device) for key, members in to_price.items()],
        cost_id_of=cost_id_of,
    )


def grouped(members: Iterable[Member], key: Callable[[Member], str]) -> dict[str, list[Member]]:
    """Members by key, in order of first appearance."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(key(member), []).append(member)
    return groups


def _failures(jobs: Iterable[Job], cost_id_of: dict[str, str], store: Store) -> dict[str, Failure]:
    known = store.failures.ids()
    found = {}
    for job in jobs if known else ():
        for name in needed_ids(job, cost_id_of[job.id]):
            failure = store.failures.get(name) if name in known else None
            if failure is not None:
                found[job.id] = failure
                break
    return found


def needed_ids(job: Job, price: str) -> tuple[str, ...]:
    """Ids of all work that a job depends on, in order."""
    return (*(training.id for training in job.training.chain), job.id, price)


def _trainings(jobs: Iterable[Job], store: Store, device: str) -> dict[str, Task]:
    """Id → the item in which a training is done that is not; each after the one that it begins from.

    Trainings that only choose another checkpoint of the same way are one item.
    """
    missing: dict[str, tuple[Training, Job]] = {}
    for job in jobs:
        if job.published is None and job.training_id not in missing and not store.is_trained(job.training_id):
            for training in job.training.chain:
                if not store.is_trained(training.id):
                    missing.setdefault(training.id, (training, job))
    items: dict[str, Task] = {}
    for members in grouped(missing.values(), lambda member: member[0].trajectory_id).values():
        item = _training(members, items, device)
        items |= dict.fromkeys(item.ids, item)
    return items


def _training(members: list[tuple[Training, Job]], before: dict[str, Task], device: str) -> Task:
    training, job = members[0]
    recipe = training.recipe
    frames = sum(map(len, job.train.train))
    earlier = before.get(training.first.id) if training.first else None
    settings = {key: value for key, value in asdict(recipe).items() if key != "seed"}
    shape = [job.train.name, frames, training.lifter.title, asdict(training.config)]
    ids = tuple(member.id for member, _ in members)
    return Task(
        kind="train",
        id=ids[0] if len(ids) == 1 else identity(ids),
        ids=ids,
        experiments=tuple(wanted.portable for _, wanted in members),
        needs=frozenset({earlier.name} if earlier else ()),
        title=training.title,
        size=max(recipe.epochs * frames, recipe.least_steps * recipe.batch_frames),
        shape=identity(["train", *shape, settings]),
        device=device,
    )


def _evaluations(jobs: Iterable[Job], trainings: dict[str, Task], device: str) -> list[Task]:
    """One item for each (H, K) that is drawn."""
    items = []
    for together in grouped(jobs, lambda job: job.sampling_id).values():
        by_size = grouped(together, _size)
        drawn = shared_samples({_pair(job) for job in together})
        for (hypotheses, steps), pairs in drawn.items():
            members = [job for pair in pairs for job in by_size[str(pair)]]
            items.append(_evaluation(members, hypotheses, steps, trainings, device))
    return items


def _evaluation(jobs: list[Job], hypotheses: int, steps: int, trainings: dict[str, Task], device: str) -> Task:
    first = jobs[0]
    spec = first.experiment.evaluation
    windows = min(spec.windows or MANY_WINDOWS, spec.sequences or MANY_WINDOWS)
    training = trainings.get(first.training_id)
    shape = [first.test.name, first.experiment.method.name, asdict(first.evaluated_config), hypotheses, steps]
    return Task(
        kind="evaluate",
        id=identity([first.sampling_id, hypotheses, steps]),
        ids=tuple(job.id for job in jobs),
        experiments=tuple(job.portable for job in jobs),
        needs=frozenset({training.name} if training else ()),
        title=f"{first.name} H={hypotheses} K={steps}" if first.lifter.probabilistic else first.name,
        size=windows * hypotheses * steps * (1 + spec.flip),
        shape=identity(["evaluate", *shape, spec.flip, spec.arithmetic, spec.windows, spec.sequences]),
        device=device,
    )


def _price(name: str, job: Job, device: str) -> Task:
    return Task(
        kind="measure",
        id=name,
        ids=(name,),
        experiments=(job.portable,),
        needs=frozenset(),
        title=f"price of {job.title}",
        size=0,
        shape=f"price-{name}",
        device=device,
    )


def _pair(job: Job) -> tuple[int, int]:
    return job.experiment.evaluation.hypotheses, job.experiment.evaluation.steps


def _size(job: Job) -> str:
    return str(_pair(job))
