"""How long tasks should take, and what they need: as one like them took, or from what is counted of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import psutil
import torch

from bench.data.splits import split_validation
from bench.data.windows import train_table
from bench.job.blueprint import Blueprints, step_windows
from bench.job.jobs import Job, Training
from bench.job.pending import PendingWork
from bench.job.task import Task
from bench.measure.counts import Counts
from bench.protocol.evaluate import windows_per_call
from bench.results.store import Store
from bench.sweep.device_speed import Speed, with_optimizer
from bench.training.compute import affordable_steps
from bench.training.selection import LEAST_CHECKS, VALIDATION_BATCH, validation_windows
from models.errors import InputError
from models.lifter import Lifter, Sampling

TASK_SECONDS = 0.5
"""Seconds of every task, whatever it does: data, weights and results are read and written."""

POSE_BYTES = 90_000
"""What the errors of a predicted pose under all metrics and aggregations cost, in bytes that operations write."""

PASSES_OF_A_MEASUREMENT, SECONDS_OF_A_MEASUREMENT = 8, 1.0
"""A cost is measured for so long, and by so many predictions at least."""

EXPERIMENT_BYTES, FRAME_BYTES = 350_000, 100
"""Bytes on the disk: of an experiment, with its record, pictures and entries in MLflow; of each counted frame."""

STATES, MOMENTS, BEST_WEIGHTS = 2, 2, 3
"""While a training runs, so many states of it are on the disk, each with weights and moments of the optimiser; and
so many times the best weights of each that is kept: those of these states, and those of the next one."""


class Estimates:
    """What is known of the tasks of some jobs before they are done."""

    def __init__(self, pending: PendingWork, store: Store, blueprints: Blueprints, speed: Speed) -> None:
        """``speed``: of the device that computes."""
        self._store, self._blueprints, self._speed = store, blueprints, speed
        jobs = pending.jobs.values()
        self._trainings = {training.id: training for job in jobs for training in job.training.chain}
        self._jobs = pending.jobs | {pending.cost_id(job): job for job in jobs}  # by what tasks are named after
        self._seconds: dict[str, float | None] = {}

    def seconds(self, task: Task) -> float | None:
        """Expected seconds of a task; None where they are not known."""
        if task.duration_key not in self._seconds:
            before = self._store.times.get(task.duration_key)
            self._seconds[task.duration_key] = before.seconds if before else self._counted(task)
        return self._seconds[task.duration_key]

    def kind(self, task: Task) -> str:
        """What a task has in common with others like it: method and size."""
        return f"{self._training(task).lifter.title} {task.experiments[0].method.preset}"

    def memory(self, tasks: Iterable[Task]) -> tuple[int, str]:
        """Bytes of the largest training step with weights and optimiser, and the title of its training."""
        largest = 0, ""
        for task in tasks:
            if task.kind == "train":
                training = self._training(task)
                lifter = self._lifter(training)
                if lifter is None:
                    continue
                counts = self._blueprints.step(training, step_windows(training, lifter))
                needed = self._blueprints.size(lifter).state + (counts.peak if counts else 0)
                largest = max(largest, (needed, task.title))
        return largest

    def disk(self, tasks: Iterable[Task], workers: int) -> int:
        """Bytes that the results of tasks take, and the states of the largest trainings that may run at once."""
        total, states = 0, [0]
        for task in tasks:
            lifter = self._lifter(self._training(task))
            if lifter is None:
                continue
            if task.kind == "train":
                size = self._blueprints.size(lifter)
                weights = len(task.ids) * size.stored
                total += weights
                states.append(STATES * (size.stored + MOMENTS * size.trained) + BEST_WEIGHTS * weights)
            elif task.kind == "evaluate":
                frames = _evaluated_windows(self._jobs[task.ids[0]], lifter) * lifter.frames
                total += len(task.ids) * (EXPERIMENT_BYTES + FRAME_BYTES * frames)
        return total + sum(sorted(states)[-workers:])

    def free_memory(self) -> tuple[int, str]:
        """Bytes that are free on the device that computes, and what it is called."""
        device = self._blueprints.device
        if device.type == "cuda":
            return torch.cuda.mem_get_info(device)[0], str(device)
        return psutil.virtual_memory().available, "this machine"

    def _lifter(self, training: Training) -> Lifter | None:
        """The method of a training; None where it cannot be built here."""
        try:
            return self._blueprints.lifter(training)
        except InputError:
            return None

    def _training(self, task: Task) -> Training:
        name = task.ids[0]
        return self._trainings[name] if task.kind == "train" else self._jobs[name].training

    def _counted(self, task: Task) -> float | None:
        training = self._training(task)
        lifter = self._lifter(training)
        if lifter is None:
            return None
        if not self._blueprints.size(lifter).trained:
            return TASK_SECONDS
        if task.kind == "train":
            found = self._of_training(training, lifter)
        else:
            jobs = [self._jobs[name] for name in task.ids]
            found = (self._of_evaluation if task.kind == "evaluate" else self._of_measurement)(jobs, lifter)
        return None if found is None else TASK_SECONDS + found

    def _of_training(self, training: Training, lifter: Lifter) -> float | None:
        step = self._blueprints.step(training, step_windows(training, lifter))
        if step is None:
            return None
        steps, epochs = _length(training, lifter, step)
        seconds = steps * self._speed.seconds(with_optimizer(step, self._blueprints.size(lifter).trained))
        if training.selection != "last":
            batches = validation_windows(training.recipe) / VALIDATION_BATCH
            validation = self._prediction(training, lifter, VALIDATION_BATCH) or 0.0
            seconds += max(LEAST_CHECKS, epochs) * batches * validation
        return seconds

    def _of_evaluation(self, jobs: Sequence[Job], lifter: Lifter) -> float | None:
        windows = _evaluated_windows(jobs[0], lifter)
        specs = [job.experiment.evaluation for job in jobs]
        hypotheses, steps = max(spec.hypotheses for spec in specs), max(spec.steps for spec in specs)
        size = min(windows, windows_per_call(hypotheses * lifter.frames, self._blueprints.device))
        per_step = self._prediction(jobs[0].training, lifter, size * hypotheses * (1 + specs[0].flip))
        if per_step is None:
            return None
        poses = windows * lifter.frames * hypotheses * steps
        return windows / size * steps * per_step + poses * POSE_BYTES * self._speed.per_byte

    def _of_measurement(self, jobs: Sequence[Job], lifter: Lifter) -> float | None:
        spec = jobs[0].experiment.evaluation
        per_step = self._prediction(jobs[0].training, lifter, spec.hypotheses * (1 + spec.flip))
        if per_step is None:
            return None
        return SECONDS_OF_A_MEASUREMENT + PASSES_OF_A_MEASUREMENT * spec.steps * per_step

    def _prediction(self, training: Training, lifter: Lifter, passes: int) -> float | None:
        """Seconds of a denoising step, or of a prediction without any, of so many windows times hypotheses.

        Mirror images count as further windows. What a prediction does is taken from a third of a training step,
        its forward pass, where it cannot be counted.
        """
        one = self._blueprints.prediction(training, 1, Sampling(flip=False))
        if one is None:
            windows = step_windows(training, lifter)
            step = self._blueprints.step(training, windows)
            if step is None:
                return None
            one = Counts(step.calls // 3, step.flops // (3 * windows), step.moved // (3 * windows), 0)
        return self._speed.seconds(one._replace(moved=passes * one.moved, flops=passes * one.flops))


def _length(training: Training, lifter: Lifter, step: Counts) -> tuple[int, int]:
    """Steps of a training, and the epochs that they make."""
    recipe, data = training.recipe, training.data
    fitted, _ = split_validation(data.train, recipe.holdout, data.validation)
    lengths = [len(sequence) for sequence in fitted]
    plain = train_table(lengths, lifter.train_frames, False, lifter.train_stride, lifter.train_beyond)
    windows = len(plain) * (2 if recipe.flips and recipe.mirrored == "both" else 1)
    per_epoch = max(1, round(windows / step_windows(training, lifter)))
    if recipe.compute is not None:
        steps = affordable_steps(recipe.compute, step.flops)
        return steps, -(-steps // per_epoch)
    epochs = max(recipe.epochs, -(-recipe.least_steps // per_epoch))
    return epochs * per_epoch, epochs


def _evaluated_windows(job: Job, lifter: Lifter) -> int:
    """Test windows of an experiment."""
    spec = job.experiment.evaluation
    every = sum(-(-len(sequence) // lifter.frames) for sequence in job.test.test)
    if spec.windows is not None:
        return min(every, spec.windows)
    sequences = len(job.test.test)
    return max(1, round(every * min(spec.sequences or sequences, sequences) / sequences))
