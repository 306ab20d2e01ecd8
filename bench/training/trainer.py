"""Training a lifter, resumable to the identical trajectory.

All randomness of a step follows from (seed, step, process): nothing has to be restored but weights and optimiser,
so a killed training continues exactly where its last saved step was.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from tqdm import tqdm

from bench.config.experiment import TrainingSpec
from bench.data.windows import Windows
from bench.devices import device_of
from bench.measure import memory
from bench.results.files import atomic, write_text
from bench.results.record import TrainingInfo
from bench.results.store import TRAINED
from bench.training.selection import LEAST_CHECKS, Choice
from models.errors import DivergedError, InputError
from models.lifter import Lifter
from models.optim import learning_rate
from models.optim.ranger import Ranger

if TYPE_CHECKING:
    from accelerate import Accelerator

SAVE_EVERY_SECONDS = 20.0
WEIGHTS, STATE, BEST = "weights.safetensors", "state.pt", "best-{}.safetensors"


def accelerator_for(device: str, precision: str) -> Accelerator:
    """Device placement, precision and (under ``accelerate launch`` or ``torchrun``) processes.

    Args:
        device: "auto", "cpu", "cuda" or "cuda:i".
        precision: "fp32", "bf16" or "fp16".

    Raises:
        InputError: the device does not exist here.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

    place = device_of(device)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    handlers = [
        DistributedDataParallelKwargs(find_unused_parameters=True),
        InitProcessGroupKwargs(timeout=timedelta(days=2)),
    ]
    mixed = "no" if precision == "fp32" else precision
    AcceleratorState._reset_state()  # what trained before in this process may have had another precision
    return Accelerator(cpu=place.type == "cpu", mixed_precision=mixed, kwargs_handlers=handlers)


def end_together() -> None:
    """Wait for the other processes of a distributed training, if there are any, and part from them."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


@dataclass
class _Progress:
    """What a resumed training starts from, beside weights and optimiser."""

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss: list[float] = field(default_factory=list)
    errors: list[list[tuple[float, float]]] = field(default_factory=list)
    micro_batches: int = 1


def train(
    lifter: Lifter,
    windows: Windows,
    choices: Sequence[Choice],
    spec: TrainingSpec,
    folder: Path,
    accelerator: Accelerator,
    title: str,
    first_stage: TrainingInfo | None = None,
) -> TrainingInfo:
    """Train, or continue a training that was interrupted, and store the chosen weights, each in its folder.

    How a checkpoint is chosen changes nothing of the way that a training takes, so one is enough for all choices.

    Args:
        lifter: freshly built, initial weights already drawn; at the end it has those of the first choice.
        windows: training windows (with their mirrored rows when ``spec.flip``).
        choices: at least one.
        spec: with no field left open; its selection is not read.
        folder: of what an interrupted training is continued from.
        title: for the progress bar.
        first_stage: the training that ``lifter`` begins from.

    Returns:
        How the weights of the first choice came to be.

    Raises:
        InputError: the loss stopped being a number, or the saved state of an interrupted training is damaged.
    """
    state = _saved_state(folder)
    if state is None and type(lifter).fit_statistics is not Lifter.fit_statistics:
        lifter.fit_statistics(*_all_poses(windows))
    run = _Run(lifter, windows, choices, spec, folder, accelerator, title, state)
    show = None if accelerator.is_main_process else True
    with tqdm(initial=run.progress.step, total=run.steps, desc=f"train {title}", unit="step", disable=show) as bar:
        while run.progress.step < run.steps:
            run.step()
            bar.update()
            run.check_now_and_then()
            if run.progress.step % run.steps_per_epoch == 0:
                run.end_epoch()
                bar.set_postfix(epoch=len(run.progress.loss), loss=f"{run.progress.loss[-1]:.4f}")
            run.save_now_and_then()
    return run.finish(first_stage)


class _Run:
    """The state of one training: everything that a step reads or changes."""

    def __init__(
        self,
        lifter: Lifter,
        windows: Windows,
        choices: Sequence[Choice],
        spec: TrainingSpec,
        folder: Path,
        accelerator: Accelerator,
        title: str,
        state: dict[str, Any] | None,
    ) -> None:
        self.lifter, self.windows, self.choices = lifter, windows, choices
        self.spec, self.folder, self.accelerator, self.title = spec, folder, accelerator, title
        self.trainable = [parameter for parameter in lifter.parameters() if parameter.requires_grad]
        self.steps_per_epoch = max(1, round(len(windows) * lifter.train_frames / _given(spec.batch_frames)))
        least_epochs = -(-_given(spec.least_steps) // self.steps_per_epoch)
        self.epochs = max(_given(spec.epochs), least_epochs) if self.trainable else 0
        self.steps = self.epochs * self.steps_per_epoch
        self.checks_per_epoch = min(self.steps_per_epoch, -(-LEAST_CHECKS // max(1, self.epochs)))
        self.progress = _Progress()
        if not self.trainable:
            return
        optimizer = _optimizer(self.trainable, spec)
        if state is not None:
            lifter.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            self.progress = _Progress(**state["progress"])
            for choice, errors in zip(choices, self.progress.errors, strict=True):
                choice.errors = [(epoch, error) for epoch, error in errors]
        self.model, self.optimizer = accelerator.prepare(lifter, optimizer)
        if state is not None and accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(state["scaler"])
        self.started = time.monotonic() - self.progress.seconds
        self.saved = time.monotonic()
        self.loss_sum = torch.tensor(self.progress.loss_sum, dtype=torch.float64, device=accelerator.device)
        self.model.train()

    def step(self) -> None:
        epoch, within = divmod(self.progress.step, self.steps_per_epoch)
        done = self.progress.step / self.steps
        self.lifter.on_progress(done)
        rate = _learning_rate(self.spec, done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rows = _batch_rows(len(self.windows), self.steps_per_epoch, self.spec.seed, epoch, within)
        seed = _step_seed(self.spec.seed, self.progress.step, self.accelerator.process_index)
        loss = self._gradients(_share(rows, self.accelerator), seed)
        if self.spec.clip is not None:
            self.accelerator.clip_grad_norm_(self.trainable, self.spec.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.loss_sum += loss
        self.progress.step += 1

    def _gradients(self, rows: np.ndarray, seed: int) -> torch.Tensor:
        """Back-propagate the mean loss of these windows and return it.

        Where memory runs out, this step and those after it are computed in more and smaller parts. Processes that
        train together do not do so: each would have to split in the same steps.
        """

        def in_parts(number: int) -> torch.Tensor:
            self.progress.micro_batches = number
            self.optimizer.zero_grad(set_to_none=True)
            return self._in_parts(np.array_split(rows, number), seed)

        alone = self.accelerator.num_processes == 1
        most = len(rows) if alone else 1
        return memory.first_that_fits(in_parts, memory.doubling(self.progress.micro_batches, most))

    def _in_parts(self, parts: list[np.ndarray], seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        total = torch.zeros((), dtype=torch.float64, device=self.accelerator.device)
        windows = sum(map(len, parts))
        for part in parts:
            loss = self.model(self.windows.batch(part, seed).to(self.accelerator.device))
            if len(parts) > 1:
                loss = loss * (len(part) / windows)
            self.accelerator.backward(loss)
            total += loss.detach().double()
        return total

    def check_now_and_then(self) -> None:
        """Where the error on other takes chooses a checkpoint: note it, and keep the best weights."""
        step, per_epoch = self.progress.step, self.steps_per_epoch
        due = step * self.checks_per_epoch // per_epoch > (step - 1) * self.checks_per_epoch // per_epoch
        if not due or not any(choice.looks for choice in self.choices):
            return
        if self.accelerator.is_main_process:
            for number, choice in enumerate(self.choices):
                epoch = round(step / per_epoch, 4)
                if choice.looks and choice.check(self.lifter, epoch, self.accelerator.device):
                    _write_weights(self.lifter, self._best(number))
            self.model.train()
        self.accelerator.wait_for_everyone()

    def _best(self, number: int) -> Path:
        """The weights with the lowest error so far, by the choice of this number."""
        return self.folder / BEST.format(number)

    def end_epoch(self) -> None:
        """Note the epoch's mean loss."""
        loss = self.loss_sum.item() / self.steps_per_epoch
        self.progress.loss.append(loss)
        if not np.isfinite(loss):
            raise DivergedError(
                f"training of {self.title}: the loss of epoch {len(self.progress.loss)} is {loss}; lower "
                "training.learning_rate or set training.clip"
            )
        self.loss_sum.zero_()

    def save_now_and_then(self) -> None:
        """Save at the end of an epoch and every ``SAVE_EVERY_SECONDS``."""
        ended = self.progress.step % self.steps_per_epoch == 0
        if not ended and time.monotonic() - self.saved < SAVE_EVERY_SECONDS:
            return
        self.saved = time.monotonic()
        self.progress.seconds, self.progress.loss_sum = self.saved - self.started, self.loss_sum.item()
        self.progress.errors = [choice.errors for choice in self.choices]
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state = {
            "model": self.lifter.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
            "progress": asdict(self.progress),
        }
        with atomic(self.folder / STATE) as file:
            torch.save(state, file)

    def finish(self, first_stage: TrainingInfo | None) -> TrainingInfo:
        """Take the chosen weights, store them, and remove what only an interrupted training needs."""
        self.accelerator.wait_for_everyone()
        infos = [self._info(choice, first_stage) for choice in self.choices]
        if self.accelerator.is_main_process:
            for number, choice in enumerate(self.choices):
                if not choice.errors:
                    _write_weights(self.lifter, choice.folder / WEIGHTS)
                else:
                    with atomic(choice.folder / WEIGHTS) as file:
                        file.write(self._best(number).read_bytes())
            for choice, info in zip(self.choices, infos, strict=True):
                write_text(choice.folder / TRAINED, info.model_dump_json(indent=1))
            self.lifter.load_state_dict(load_file(self.choices[0].folder / WEIGHTS))
            self._clear()
        self.accelerator.wait_for_everyone()
        return infos[0]

    def _info(self, choice: Choice, first_stage: TrainingInfo | None) -> TrainingInfo:
        progress = self.progress
        windows_seen = self.epochs * len(self.windows)
        return TrainingInfo(
            epochs=self.epochs,
            steps=progress.step,
            seconds=round(progress.seconds, 3),
            windows_per_s=round(windows_seen / progress.seconds, 1) if progress.seconds else 0.0,
            selected_epoch=choice.chosen(float(self.epochs)),
            loss=tuple(progress.loss),
            validation_mpjpe=tuple(choice.errors),
            first_stage=first_stage,
            micro_batches=progress.micro_batches,
        )

    def _clear(self) -> None:
        for needless in (STATE, BEST.format("*"), f".{STATE}.*", f".{BEST.format('*')}.*"):
            for path in self.folder.glob(needless):
                path.unlink()
        with suppress(OSError):  # not empty where it holds the finished weights too
            self.folder.rmdir()


def load_trained(lifter: Lifter, folder: Path) -> TrainingInfo | None:
    """Load the finished weights of a training into ``lifter``; None where there is no finished training.

    Raises:
        InputError: a file of the training is missing or damaged, or its weights are of something else.
    """
    if not (folder / TRAINED).exists():
        return None
    try:
        lifter.load_state_dict(load_file(folder / WEIGHTS))
        return TrainingInfo.model_validate_json((folder / TRAINED).read_bytes())
    except (OSError, SafetensorError, RuntimeError, ValidationError) as error:
        if memory.is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder}: its finished training cannot be read ({reason}); "
            "delete this folder and repeat with --retry-failed"
        ) from error


def _optimizer(parameters: list[torch.nn.Parameter], spec: TrainingSpec) -> torch.optim.Optimizer:
    rate, weight_decay = _given(spec.learning_rate), _given(spec.weight_decay)
    if spec.optimizer == "ranger":
        return Ranger(parameters, lr=rate, weight_decay=weight_decay)
    if spec.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=weight_decay, fused=True)
    amsgrad = _given(spec.optimizer) == "amsgrad"
    return torch.optim.Adam(parameters, lr=rate, weight_decay=weight_decay, amsgrad=amsgrad, fused=True)


def _learning_rate(spec: TrainingSpec, done: float) -> float:
    epochs = _given(spec.epochs)
    schedule, first, decay = _given(spec.schedule), _given(spec.learning_rate), _given(spec.decay)
    return learning_rate(schedule, first, decay, done * epochs, epochs)


def _batch_rows(windows: int, steps: int, seed: int, epoch: int, within: int) -> np.ndarray:
    """Rows of one step: each epoch is one permutation of all rows, cut into equal parts."""
    order = _epoch_order(windows, seed, epoch)
    return order[windows * within // steps : windows * (within + 1) // steps]


@functools.lru_cache(maxsize=1)
def _epoch_order(windows: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(windows)


def _share(indices: np.ndarray, accelerator: Accelerator) -> np.ndarray:
    """The rows of this process; every process gets equally many."""
    processes = accelerator.num_processes
    even = -(-len(indices) // processes) * processes
    return np.resize(indices, even)[accelerator.process_index :: processes]


def _step_seed(seed: int, step: int, process: int) -> int:
    return int(np.random.SeedSequence([seed, step, process]).generate_state(1, np.uint64)[0])


def _write_weights(lifter: Lifter, path: Path) -> None:
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in lifter.state_dict().items()}
    with atomic(path) as file:
        file.write(save(tensors))


def _saved_state(folder: Path) -> dict[str, Any] | None:
    path = folder / STATE
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it to start this training again") from error


def _all_poses(windows: Windows) -> tuple[torch.Tensor, torch.Tensor]:
    pose_2d = np.concatenate([sequence.pose_2d for sequence in windows.sequences])
    pose_3d = np.concatenate([sequence.pose_3d for sequence in windows.sequences])
    return torch.from_numpy(pose_2d), torch.from_numpy(pose_3d)


def _given(value: Any) -> Any:
    """A field that resolving the experiment has filled in."""
    assert value is not None
    return value
