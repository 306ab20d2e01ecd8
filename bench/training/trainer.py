"""Training a method, in such a way that an interrupted training ends with the same weights as any other.

All randomness of a step follows from its number (``bench.training.order``). So a training that was interrupted
needs only the weights and the state of the optimiser to go on from its last saved step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from bench.data.windows import Windows
from bench.devices import precision_of_sums, seed_generators
from bench.measure import memory
from bench.measure.compilation import compile_part, eagerly, release_part
from bench.measure.environment import cpu_name
from bench.results.record import TrainingInfo
from bench.results.store import read_trained
from bench.results.tracking.activity import watched_system
from bench.results.tracking.journal import Journal
from bench.training import checkpoints
from bench.training.best import BestWeights, load_best
from bench.training.compute import COUNTED_STEPS, affordable_steps, one_number, step_flops
from bench.training.curves import Curves
from bench.training.optimizer import build_optimizer
from bench.training.order import epoch_rows, share, step_rows, step_seed
from bench.training.recipe import TrainingRecipe
from bench.training.selection import LEAST_CHECKS, CheckpointSelector
from bench.training.signals import HeldBack
from models.errors import DivergedError, InputError
from models.lifter import Lifter
from models.optim import learning_rate
from models.optim.norm_momentum import decay_norm_momentum

if TYPE_CHECKING:
    from accelerate import Accelerator

SAVE_EVERY_SECONDS = 20.0
"""Seconds between two times that the state is saved."""

SAVE_SECONDS, SAVE_BYTES = 0.2, 40e6
"""A save that takes longer than 1 % of that pause, or writes more, makes the next pause longer in proportion."""

Order = Callable[[int], np.ndarray]
"""From the number of an epoch, from 0 on, to the rows of its windows in the order in which they are trained on."""


@dataclass
class _Progress:
    """How far a training is: what is saved of it, apart from weights and optimiser."""

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss: list[float] = field(default_factory=list)
    errors: list[list[tuple[float, float]]] = field(default_factory=list)
    micro_batches: int = 1
    processes: int = 1


def train(
    lifter: Lifter,
    windows: Windows,
    selectors: Sequence[CheckpointSelector],
    recipe: TrainingRecipe,
    folder: Path,
    accelerator: Accelerator,
    title: str,
    first_stage: TrainingInfo | None = None,
    order: Order | None = None,
    journal: Journal | None = None,
) -> TrainingInfo:
    """Train, or continue a training that was interrupted, and keep the selected weights.

    Selecting a checkpoint does not change the training. So one training serves several selectors.

    Args:
        lifter: freshly built, initial weights already drawn; at the end it has those of the first selector.
        windows: training windows (with their mirrored rows when ``recipe.flips``).
        selectors: at least one; each keeps weights in a folder of its own.
        folder: for what an interrupted training is continued from.
        first_stage: the training that ``lifter`` begins from.
        order: of the windows, in place of a random one, for comparison with a recorded training.
        journal: is told loss, learning rate and so on while the training runs; its runs are of the selectors.

    Returns:
        How the weights of the first selector came to be.

    Raises:
        DivergedError: the loss stopped being a number; what was saved of the training is removed.
        InputError: the best weights so far were lost or damaged; the method cannot be compiled and shall be; its
            loss is not one number.
    """
    state = checkpoints.load_state(folder, lifter, {entry.name for entry in fields(_Progress)})
    if state is None and type(lifter).fit_statistics is not Lifter.fit_statistics:
        lifter.fit_statistics(*_all_poses(windows))
    if state is None:
        lifter.fit_actions(tuple(sorted({sequence.action_class for sequence in windows.sequences})))
    run = _Run(lifter, windows, selectors, recipe, folder, accelerator, title, order, journal)
    if run.trainable:
        run.prepare(state)
    show = None if accelerator.is_main_process else True
    bar = tqdm(initial=run.progress.step, total=run.steps, desc=f"train {title}", unit="step", disable=show)
    try:
        with HeldBack() as signals, watched_system(run.curves.note), bar:
            while run.progress.step < run.steps:
                run.step()
                bar.update()
                run.update_selectors()
                if run.at_end_of_epoch:
                    run.end_epoch()
                    bar.set_postfix(epoch=len(run.progress.loss), loss=f"{run.progress.loss[-1]:.4f}")
                run.save(at_once=bool(signals.arrived))
                signals.let_through()
    except DivergedError:  # saved states have the same weights: continued from them, it could never succeed
        if accelerator.is_main_process:
            checkpoints.remove_unfinished(folder)
        raise
    return run.finish(first_stage)


@dataclass
class _Run:
    """The state of one training: everything that a step reads or changes. Arguments: see ``train``."""

    lifter: Lifter
    windows: Windows
    selectors: Sequence[CheckpointSelector]
    recipe: TrainingRecipe
    folder: Path
    accelerator: Accelerator
    title: str
    order: Order | None
    journal: Journal | None

    def __post_init__(self) -> None:
        self.trainable = [parameter for parameter in self.lifter.parameters() if parameter.requires_grad]
        self.rows, self.rows_epoch = self._order(0), 0  # put in order once an epoch
        self.batch_windows, self.steps_per_epoch = self._batches()
        self.steps, self.step_flops = self._steps() if self.trainable else (0, None)
        whole, rest = divmod(self.steps, self.steps_per_epoch)
        self.epochs = whole if rest == 0 else round(self.steps / self.steps_per_epoch, 4)
        checks_per_epoch = min(self.steps_per_epoch, -(-LEAST_CHECKS // max(1, math.ceil(self.epochs))))
        self.checks = min(self.steps, checks_per_epoch * math.ceil(self.epochs))
        self.progress = _Progress()
        self.curves = Curves(self.journal, self.steps, self.steps_per_epoch, self.accelerator.device)

    @property
    def at_end_of_epoch(self) -> bool:
        """Whether an epoch, or the training, ends with the step that was done last."""
        return self.progress.step % self.steps_per_epoch == 0 or self.progress.step == self.steps

    def _order(self, epoch: int) -> np.ndarray:
        if self.order is not None:
            return self.order(epoch)
        half = self.recipe.mirrored == "half"
        return epoch_rows(self.windows.table[:, 3], half, self.recipe.seed, epoch)

    def _batches(self) -> tuple[int | None, int]:
        """Windows of a full batch, None for batches of nearly equal size; and the steps of an epoch.

        Windows that are left over join the batch before them where they are too few for a step of the method in
        every process.
        """
        windows, rows = self.recipe.windows_of_a_step(self.lifter.train_frames), len(self.rows)
        if self.recipe.batches == "full":
            size = max(1, int(windows))
            each = -(-(rows % size) // self.accelerator.num_processes)
            too_few = rows > size and 0 < each < self.lifter.least_windows
            return size, rows // size if too_few else -(-rows // size)
        return None, max(1, round(rows / windows))

    def _steps(self) -> tuple[int, float | None]:
        """Steps of the whole training, and operations of each where ``compute`` says how many they are."""
        if self.recipe.compute is None:
            least_epochs = -(-self.recipe.least_steps // self.steps_per_epoch)
            return max(self.recipe.epochs, least_epochs) * self.steps_per_epoch, None
        first = range(min(COUNTED_STEPS, self.steps_per_epoch))
        rows = [step_rows(self.rows, self.steps_per_epoch, step, self.batch_windows) for step in first]
        flops = step_flops(self.lifter, [self.windows.batch(chosen, 0) for chosen in rows])
        return affordable_steps(self.recipe.compute, flops), flops

    def prepare(self, state: dict[str, Any] | None) -> None:
        """Make the optimiser and place all on the device; continue from ``state``, if there is one."""
        optimizer = build_optimizer(self.trainable, self.recipe)
        if state is not None:
            self.lifter.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            self.progress = _Progress(**state["progress"])
            self.curves.step = self.progress.step
            for selector, errors in zip(self.selectors, self.progress.errors, strict=True):
                selector.errors = [(epoch, error) for epoch, error in errors]
        self.progress.processes = max(self.progress.processes, self.accelerator.num_processes)
        self.best = BestWeights(self.folder, self.progress.errors)
        self.model, self.optimizer = self.accelerator.prepare(self.lifter, optimizer)
        if state is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        if self.recipe.compile:
            compile_part(self.lifter, dynamic=False, setting="training.compile")  # batches have one or two sizes
        self.started = time.monotonic() - self.progress.seconds
        self.next_save = time.monotonic() + SAVE_EVERY_SECONDS
        device = self.accelerator.device
        self.loss_sum = torch.tensor(self.progress.loss_sum, dtype=precision_of_sums(device), device=device)
        self.model.train()

    def step(self) -> None:
        """Do one step of the optimiser."""
        epoch, within = divmod(self.progress.step, self.steps_per_epoch)
        recipe, process = self.recipe, self.accelerator.process_index
        self._follow_schedules(epoch)
        if epoch != self.rows_epoch:
            self.rows, self.rows_epoch = self._order(epoch), epoch
        rows = step_rows(self.rows, self.steps_per_epoch, within, self.batch_windows)
        rows = share(rows, process, self.accelerator.num_processes)
        loss = self._gradients(rows, step_seed(recipe.seed, self.progress.step, process))
        if recipe.gradient == "times_loss":
            factor = self.accelerator.reduce(loss, reduction="mean")  # over all processes that train together
            for parameter in self.trainable:
                if parameter.grad is not None:
                    parameter.grad.mul_(factor)
        norm = None if recipe.clip is None else self.accelerator.clip_grad_norm_(self.trainable, recipe.clip)
        self.curves.add(loss, len(rows) * self.accelerator.num_processes)
        if self.curves.point_is_due:
            scaler = self.accelerator.scaler
            self.curves.note_step(self.optimizer, norm, 1.0 if scaler is None else scaler.get_scale())
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.loss_sum += loss
        self.progress.step += 1

    def _follow_schedules(self, epoch: int) -> None:
        """Set what changes over a training: learning rate, momentum of batch norms, what the method asks for."""
        recipe, done = self.recipe, self.progress.step / self.steps
        self.lifter.on_progress(done)
        if recipe.norm_momentum == "falling":
            decay_norm_momentum(self.lifter, epoch / self.epochs)
        epochs_done = (epoch / self.epochs if recipe.rate_per == "epoch" else done) * recipe.epochs
        rate = learning_rate(recipe.schedule, recipe.learning_rate, recipe.decay, epochs_done, recipe.epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _gradients(self, rows: np.ndarray, seed: int) -> torch.Tensor:
        """Back-propagate the mean loss of these windows and return it.

        Where memory runs out, this step and those after it are computed in more and smaller parts, each with as
        many windows as the method needs at least. Processes that train together do not do so: each would have to
        split in the same steps.
        """
        alone = self.accelerator.num_processes == 1
        most = max(1, len(rows) // self.lifter.least_windows) if alone else 1

        def in_parts(number: int) -> torch.Tensor:
            self.progress.micro_batches = number
            self.optimizer.zero_grad(set_to_none=True)
            return self._in_parts(np.array_split(rows, min(number, most)), seed)

        return memory.first_that_fits(in_parts, memory.doubling(self.progress.micro_batches, most))

    def _in_parts(self, parts: list[np.ndarray], seed: int) -> torch.Tensor:
        device = self.accelerator.device
        seed_generators(device, seed)
        total = torch.zeros((), dtype=precision_of_sums(device), device=device)
        windows = sum(map(len, parts))
        for number, part in enumerate(parts):  # each draws other random frames
            batch = self.windows.batch(part, seed + number)
            batch = batch.pinned() if device.type == "cuda" else batch  # so that its copy waits for nothing
            loss = one_number(self.model(batch.to(device)), self.lifter)
            if len(parts) > 1:
                loss = loss * (len(part) / windows)
            self.accelerator.backward(loss)
            total += loss.detach().to(total.dtype)
        return total

    def update_selectors(self) -> None:
        """At some of the steps: let the selectors validate, and save the weights that are best so far."""
        step = self.progress.step
        due = step * self.checks // self.steps > (step - 1) * self.checks // self.steps
        if not due or not any(selector.needs_validation for selector in self.selectors):
            return
        self._mean_loss()  # otherwise the prediction would be blamed for weights that are no numbers
        if self.accelerator.is_main_process:
            epoch = round(step / self.steps_per_epoch, 4)
            for number, selector in enumerate(self.selectors):
                if not selector.needs_validation:
                    continue
                with eagerly(self.lifter):
                    better = selector.update(self.lifter, epoch, self.accelerator.device)
                if better:
                    weights = checkpoints.weights_of(self.lifter)
                    self.best.save(weights, number, [each.errors for each in self.selectors])
                if selector.errors and selector.errors[-1][0] == epoch:
                    self.curves.note({"validation.mpjpe": selector.errors[-1][1]}, number)
            self.model.train()
        self.accelerator.wait_for_everyone()

    def end_epoch(self) -> None:
        """Note the mean loss of the epoch, or of what there was of the last one."""
        loss = self._mean_loss()
        self.progress.loss.append(loss)
        self.curves.note({"train.epoch_loss": loss})
        self.loss_sum.zero_()

    def _mean_loss(self) -> float:
        """The mean loss of the epoch so far. It raises a ``DivergedError`` where that is no number."""
        loss = self.loss_sum.item() / ((self.progress.step - 1) % self.steps_per_epoch + 1)
        if not np.isfinite(loss):
            raise DivergedError(
                f"training of {self.title}: the loss of epoch {len(self.progress.loss) + 1} is {loss}; lower "
                "training.learning_rate, set training.clip, or correct training_loss"
            )
        return loss

    def save(self, at_once: bool = False) -> None:
        """Save the state every ``SAVE_EVERY_SECONDS``, or less often where saving is slow or the state large.

        What was saved is all that a program that is killed leaves of its training.
        """
        began = time.monotonic()
        if not self.accelerator.is_main_process or (not at_once and began < self.next_save):
            return
        self._note_progress()  # waits for the GPU
        scaler = self.accelerator.scaler
        state = {
            "model": self.lifter.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
            "progress": asdict(self.progress),
        }
        size = checkpoints.save_state(self.folder, state)
        self.best.note_state(self.progress.errors)
        ended = time.monotonic()
        longer = max(1.0, (ended - began) / SAVE_SECONDS, size / SAVE_BYTES)
        self.next_save = ended + SAVE_EVERY_SECONDS * longer

    def _note_progress(self) -> None:
        """Note what changes between the steps at which it is needed."""
        self.progress.seconds, self.progress.loss_sum = time.monotonic() - self.started, self.loss_sum.item()
        self.progress.errors = [selector.errors for selector in self.selectors]

    def finish(self, first_stage: TrainingInfo | None) -> TrainingInfo:
        """Keep the selected weights, load the first ones, and remove what only an interrupted training needs.

        All weights are written before one of the trainings counts as finished. One that was finished before, by a
        program that was killed then, stays as it is: its weights may have been evaluated.
        """
        if self.trainable:
            self._note_progress()
        if self.lifter.compiled:
            release_part(self.lifter)
        self.accelerator.wait_for_everyone()
        infos = [self._info(selector, first_stage) for selector in self.selectors]
        if self.accelerator.is_main_process:
            last, written = checkpoints.weights_of(self.lifter), []
            for number, (selector, info) in enumerate(zip(self.selectors, infos, strict=True)):
                if read_trained(selector.folder) is None:
                    weights = load_best(self.folder, number, selector.errors) if selector.errors else last
                    written.append((selector.folder, info, checkpoints.write_weights(selector.folder, weights)))
            for finished in written:
                checkpoints.finish(*finished)
            if checkpoints.load_trained(self.lifter, self.selectors[0].folder) is None:
                raise InputError(f"training of {self.title}: its weights were damaged on the disk; train it again")
            checkpoints.remove_unfinished(self.folder)
        self.accelerator.wait_for_everyone()
        return infos[0]

    def _info(self, selector: CheckpointSelector, first_stage: TrainingInfo | None) -> TrainingInfo:
        progress = self.progress
        windows_seen = self.steps / self.steps_per_epoch * len(self.rows)
        return TrainingInfo(
            epochs=self.epochs,
            steps=progress.step,
            tflop=None if self.step_flops is None else self.step_flops * progress.step / 1e12,
            seconds=round(progress.seconds, 3),
            windows_per_s=round(windows_seen / progress.seconds, 1) if progress.seconds else 0.0,
            selected_epoch=selector.selected_epoch(float(self.epochs)),
            loss=tuple(progress.loss),
            validation_mpjpe=tuple(selector.errors),
            first_stage=first_stage,
            micro_batches=progress.micro_batches,
            processes=progress.processes,
            threads=torch.get_num_threads(),
            cpu=cpu_name(),
        )


def _all_poses(windows: Windows) -> tuple[torch.Tensor, torch.Tensor]:
    """2D and 3D poses of all training frames, ``[N, J, 2]`` and ``[N, J, 3]``."""
    pose_2d, pose_3d = zip(*((sequence.pose_2d, sequence.pose_3d) for sequence in windows.sequences), strict=True)
    return torch.from_numpy(np.concatenate(pose_2d)), torch.from_numpy(np.concatenate(pose_3d))
