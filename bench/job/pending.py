"""What is left to do for a set of jobs: which trainings, evaluations and measurements are missing.

The store is read once, when the work is found; from then on what is known of it changes as tasks end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import asdict

from bench.config.experiment import identity
from bench.job.failures import method_digest
from bench.job.jobs import Job, Training
from bench.job.task import Task, TaskStatus
from bench.job.weights import forget_unfinished
from bench.protocol.evaluate import shared_samples
from bench.results.cost import PASSES
from bench.results.failure import Failure
from bench.results.grouping import grouped
from bench.results.store import Store
from bench.training.recipe import TrainingRecipe

FRAMES_OF_A_TFLOP = 200_000
"""About what tiny methods see for so many operations; only the order of tasks depends on it."""

MANY_WINDOWS = 10_000
"""Taken for "all of them" where only the order of tasks depends on it."""


class StoreContents:
    """Ids of the results in a store, read once; whoever adds a result notes it here.

    Other programs may add results too. A task whose result is there already is found done when it is begun.

    Attributes:
        finished: jobs with a record.
        evaluated: jobs whose numbers wait for their cost.
        measured: costs.
        failed: trainings, evaluations and costs that failed.
    """

    def __init__(self, store: Store) -> None:
        self.evaluated = store.evaluated()
        self.finished = store.finished()
        self.measured = store.measurements.ids()
        self.failed = store.failures.ids()


class PendingWork:
    """What is left to do for some jobs.

    Attributes:
        jobs: all of them, by id.
        failures: id of a job → why it has no record; it is left alone until ``forget_failures``, or until the code
            of its method is another.
        ready: jobs whose numbers and cost are there, and wait to become records.
    """

    def __init__(
        self, jobs: Iterable[Job], store: Store, device: str, where: str, contents: StoreContents | None = None
    ) -> None:
        """Find out what is left to do. What cannot be read counts as not done.

        Jobs may repeat. ``where``: name of the device on which costs are measured; a cost of another one does not
        count. ``contents``: of the store, where they are known; else they are read.
        """
        self.jobs = {job.id: job for job in jobs}
        self._store, self._device = store, device
        self._contents = contents or StoreContents(store)
        self._cost_ids = {job.id: identity([job.cost_id, where]) for job in self.jobs.values()}
        self._by_cost = grouped(self.jobs.values(), self.cost_id)
        self._needs = {  # ids of all results that a job depends on, in the order in which they are made
            job.id: (*(training.id for training in job.training.chain), job.id, self.cost_id(job))
            for job in self.jobs.values()
        }
        self._outdated: set[str] = set()
        self.failures = self._known_failures()
        self.ready: deque[Job] = deque()
        self._note_ready(self.evaluated)

    @property
    def finished(self) -> set[str]:
        """Ids of the jobs that have a record."""
        return self._contents.finished.intersection(self.jobs)

    @property
    def left(self) -> list[Job]:
        """Jobs that have neither a record nor failed."""
        done = self._contents.finished
        return [job for job in self.jobs.values() if job.id not in done and job.id not in self.failures]

    @property
    def evaluated(self) -> list[Job]:
        """Jobs of ``left`` whose numbers are there and wait for their cost."""
        return [job for job in self.left if job.id in self._contents.evaluated]

    def cost_id(self, job: Job) -> str:
        """Identity of what a job's prediction costs on the device where it is measured."""
        return self._cost_ids[job.id]

    def tasks(self) -> list[Task]:
        """Trainings and evaluations that are missing, in the order of the jobs, each after those that it needs."""
        missing = [job for job in self.left if job.id not in self._contents.evaluated]
        trainings = _training_tasks(missing, self._store, self._device)
        evaluations = _evaluation_tasks(missing, trainings, self._device)
        evaluating = {name: task for task in evaluations for name in task.ids}
        ordered: dict[str, Task] = {}
        for job in missing:
            needed = [trainings[one.id] for one in job.training.chain if one.id in trainings]
            ordered |= {task.name: task for task in (*needed, evaluating[job.id])}
        return list(ordered.values())

    def measurements(self, jobs: Iterable[Job]) -> list[Task]:
        """Measurements of cost that are missing for some of the jobs; one for all that cost the same.

        Each has several passes. The first of all come first, so that those of one lie apart.
        """
        first = {cost_id: members[0] for cost_id, members in grouped(jobs, self.cost_id).items()}
        done = {cost_id: self._passes(cost_id) for cost_id in first}
        return [
            _measurement_task(cost_id, job, number, self._device)
            for number in range(1, PASSES + 1)
            for cost_id, job in first.items()
            if number > done[cost_id]
        ]

    def _passes(self, cost_id: str) -> int:
        """How many passes of a measurement are done; those of older versions are finished."""
        known = self._store.measurements.get(cost_id)
        return 0 if known is None else len(known.cost.latency.passes) or PASSES

    def end_task(self, task: Task, status: TaskStatus) -> None:
        """Note what has become of a task that is done or has failed."""
        for name in task.ids:
            failure = self._store.failures.get(name) if status == "failed" else None
            if failure is not None:
                self._contents.failed.add(name)
                for job_id, needs in self._needs.items():
                    if name in needs:
                        self.failures.setdefault(job_id, failure)
            elif task.kind == "evaluate":
                self._contents.evaluated.add(name)
                self._note_ready([self.jobs[name]] if name in self.jobs else [])
            elif task.kind == "measure" and task.number == PASSES:
                self._contents.measured.add(name)
                evaluated, finished = self._contents.evaluated, self._contents.finished
                members = self._by_cost.get(name, ())
                self._note_ready(job for job in members if job.id in evaluated and job.id not in finished)

    def _note_ready(self, evaluated: Iterable[Job]) -> None:
        self.ready += (job for job in evaluated if self._is_measured(self.cost_id(job)))

    def _is_measured(self, cost_id: str) -> bool:
        """Whether all passes are done; an interruption leaves some."""
        return cost_id in self._contents.measured and self._passes(cost_id) >= PASSES

    def add_finished(self, ids: Collection[str]) -> None:
        """Note that jobs have a record now."""
        self._contents.finished.update(ids)
        self._contents.evaluated.difference_update(ids)

    def forget_failures(self) -> None:
        """Forget, also in the store, why jobs failed: they are left to do again."""
        self._forget(name for job_id in self.failures for name in self._needs[job_id])
        self.failures = {}

    def forget_outdated(self) -> list[str]:
        """Forget, in the store, failures of methods whose code has changed since; titles of what failed."""
        titles = [job.title for job in self.left if self._outdated.intersection(self._needs[job.id])]
        self._forget(self._outdated)
        self._outdated = set()
        return list(dict.fromkeys(titles))

    def _forget(self, names: Iterable[str]) -> None:
        """Forget failures; what other code has trained, or what diverged, is not gone on with."""
        for name in names:
            failure = self._store.failures.get(name) if name in self._contents.failed else None
            if failure is not None and (name in self._outdated or failure.kind == "diverged"):
                forget_unfinished(name, self._store)
            self._store.failures.remove(name)
            self._contents.failed.discard(name)

    def _known_failures(self) -> dict[str, Failure]:
        """Id of a job → the first failure among the results that it depends on, in the order they are made.

        Left out are those of methods whose code has changed since.
        """
        found: dict[str, Failure] = {}
        for job_id, needs in self._needs.items():
            if job_id in self._contents.finished:  # another program may have made what failed here
                continue
            for name in needs:
                failure = self._store.failures.get(name) if name in self._contents.failed else None
                if failure is not None and failure.code in ("", method_digest(self.jobs[job_id].lifter)):
                    found.setdefault(job_id, failure)
                elif failure is not None:
                    self._outdated.add(name)
        return found


def _training_tasks(jobs: Iterable[Job], store: Store, device: str) -> dict[str, Task]:
    """Id of a training that is missing → the task that makes it; each after the one that it begins from.

    Trainings that go through the same weights and only choose another checkpoint are one task.
    """
    missing: dict[str, tuple[Training, Job]] = {}
    for job in jobs:
        if job.published is None and job.training_id not in missing and not store.is_trained(job.training_id):
            for training in job.training.chain:
                if not store.is_trained(training.id):
                    missing.setdefault(training.id, (training, job))
    tasks: dict[str, Task] = {}
    for members in grouped(missing.values(), lambda member: member[0].trajectory_id).values():
        task = _training_task(members, tasks, device)
        tasks |= dict.fromkeys(task.ids, task)
    return tasks


def _training_task(members: list[tuple[Training, Job]], before: dict[str, Task], device: str) -> Task:
    training, _ = members[0]
    recipe = training.recipe
    frames = sum(map(len, training.data.train))
    earlier = before.get(training.first.id) if training.first else None
    settings = {key: value for key, value in recipe.described().items() if key != "seed"}
    like = [training.data.name, frames, training.lifter.title, asdict(training.config)]
    ids = tuple(member.id for member, _ in members)
    return Task(
        kind="train",
        id=ids[0] if len(ids) == 1 else identity(ids),
        ids=ids,
        experiments=tuple(wanted.portable for _, wanted in members),
        needs=frozenset({earlier.name} if earlier else ()),
        title=training.title,
        size=_frames_seen(recipe, frames),
        duration_key=identity(["train", *like, settings]),
        device=device,
    )


def _frames_seen(recipe: TrainingRecipe, frames: int) -> float:
    """About how many training frames a training sees, of a set with so many."""
    if recipe.compute is not None:
        return recipe.compute * FRAMES_OF_A_TFLOP
    return max(recipe.epochs * frames, recipe.least_steps * (recipe.batch_frames or recipe.batch_windows or 1))


def _evaluation_tasks(jobs: Iterable[Job], trainings: dict[str, Task], device: str) -> list[Task]:
    """One task for each (H, K) that is drawn: it evaluates all jobs that are read off these samples."""
    tasks = []
    for together in grouped(jobs, lambda job: job.sampling_id).values():
        by_size = grouped(together, _size)
        for (hypotheses, steps), sizes in shared_samples(by_size, together[0].lifter).items():
            members = [job for size in sizes for job in by_size[size]]
            tasks.append(_evaluation_task(members, hypotheses, steps, trainings, device))
    return tasks


def _evaluation_task(
    jobs: list[Job], hypotheses: int, steps: int, trainings: dict[str, Task], device: str
) -> Task:
    first = jobs[0]
    spec = first.experiment.evaluation
    windows = min(spec.windows or MANY_WINDOWS, spec.sequences or MANY_WINDOWS)
    training = trainings.get(first.training_id)
    like = [first.test.name, first.experiment.method.name, asdict(first.evaluated_config), hypotheses, steps]
    return Task(
        kind="evaluate",
        id=identity([first.sampling_id, hypotheses, steps]),
        ids=tuple(job.id for job in jobs),
        experiments=tuple(job.portable for job in jobs),
        needs=frozenset({training.name} if training else ()),
        title=f"{first.name} H={hypotheses} K={steps}" if first.lifter.probabilistic else first.name,
        size=windows * hypotheses * steps * (1 + spec.flip),
        duration_key=identity(["evaluate", *like, spec.flip, spec.arithmetic, spec.windows, spec.sequences]),
        device=device,
    )


def _measurement_task(cost_id: str, job: Job, number: int, device: str) -> Task:
    """One pass of a measurement, after the one before it."""
    names = [cost_id if n == 1 else f"{cost_id}-{n}" for n in (number - 1, number)]
    return Task(
        kind="measure",
        id=names[1],
        ids=(cost_id,),
        experiments=(job.portable,),
        needs=frozenset({f"measure-{names[0]}"} if number > 1 else ()),
        title=f"cost of {job.title}",
        size=0,
        duration_key=f"price-{names[1]}",  # as stores of older versions name it
        device=device,
        number=number,
    )


def _size(job: Job) -> tuple[int, int]:
    """H and K."""
    return job.experiment.evaluation.hypotheses, job.experiment.evaluation.steps
