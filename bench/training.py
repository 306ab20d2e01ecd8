"""Training a lifter: AdamW, exponential decay per epoch, resumable to the identical trajectory.

All randomness of a step follows from (seed, step, process): nothing has to be restored but weights and optimiser,
so a killed training continues exactly where its last saved step was.
"""

from __future__ import annotations

import functools
import time
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from tqdm import tqdm

from bench.data.windows import Windows
from bench.experiment import TrainingSpec
from bench.files import atomic, write_text
from bench.protocol.metrics import mpjpe
from bench.records import TrainingInfo
from models.errors import InputError
from models.lifter import Lifter, Sampling

if TYPE_CHECKING:
    from accelerate import Accelerator

SAVE_EVERY_SECONDS = 20.0
VALIDATION_WINDOWS = 64
WEIGHTS, INFO, STATE, BEST = "weights.safetensors", "training.json", "state.pt", "best.safetensors"


def accelerator_for(device: str, precision: str) -> Accelerator:
    """Device placement, precision and (under ``accelerate launch`` or ``torchrun``) processes.

    Args:
        device: "auto", "cpu", "cuda" or "cuda:i".
        precision: "fp32", "bf16" or "fp16".

    Raises:
        InputError: the device does not exist here.
    """
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and not index.isdigit()):
        raise InputError(f"--device {device}: is not a device; use auto, cpu, cuda or cuda:i")
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {device}: torch sees no CUDA device here; use --device cpu")
    if index and int(index) >= torch.cuda.device_count():
        raise InputError(f"--device {device}: there are {torch.cuda.device_count()} CUDA devices, from cuda:0")
    if index:
        torch.cuda.set_device(int(index))
    handlers = [
        DistributedDataParallelKwargs(find_unused_parameters=True),
        InitProcessGroupKwargs(timeout=timedelta(days=2)),
    ]
    mixed = "no" if precision == "fp32" else precision
    return Accelerator(cpu=kind == "cpu", mixed_precision=mixed, kwargs_handlers=handlers)


@dataclass
class _Progress:
    """What a resumed training starts from, beside weights and optimiser."""

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss: list[float] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)


def train(
    lifter: Lifter,
    windows: Windows,
    validation: Windows,
    spec: TrainingSpec,
    folder: Path,
    accelerator: Accelerator,
    title: str,
) -> TrainingInfo:
    """Train, or continue a training that was interrupted, and store its weights in ``folder``.

    Args:
        lifter: freshly built, initial weights already drawn.
        windows: training windows (with their mirrored rows when ``spec.flip``).
        validation: evaluation windows of the validation takes.
        spec: with no field left open.
        title: for the progress bar.
    """
    device = accelerator.device
    trainable = [parameter for parameter in lifter.parameters() if parameter.requires_grad]
    steps_per_epoch = max(1, round(len(windows) * lifter.train_frames / _given(spec.batch_frames)))
    epochs = _given(spec.epochs) if trainable else 0
    progress = _Progress()
    state = _saved_state(folder)
    if state is None and type(lifter).fit_statistics is not Lifter.fit_statistics:
        lifter.fit_statistics(*_all_poses(windows))
    if not trainable:
        return _finish(lifter, progress, folder, spec, epochs, windows, accelerator)

    optimizer = torch.optim.AdamW(trainable, lr=_given(spec.learning_rate), weight_decay=_given(spec.weight_decay))
    if state is not None:
        lifter.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        progress = _Progress(**state["progress"])
    model, optimizer = accelerator.prepare(lifter, optimizer)
    if state is not None and accelerator.scaler is not None:
        accelerator.scaler.load_state_dict(state["scaler"])

    started, last_save = time.monotonic() - progress.seconds, time.monotonic()
    loss_sum = torch.tensor(progress.loss_sum, dtype=torch.float64, device=device)
    total = epochs * steps_per_epoch
    bar = tqdm(initial=progress.step, total=total, desc=f"train {title}", unit="step", disable=_quiet(accelerator))
    model.train()
    while progress.step < total:
        epoch, within = divmod(progress.step, steps_per_epoch)
        for group in optimizer.param_groups:
            group["lr"] = _given(spec.learning_rate) * _given(spec.decay) ** epoch
        indices = _share(_batch_indices(len(windows), steps_per_epoch, spec.seed, epoch, within), accelerator)
        batch = windows.batch(indices).to(device)
        torch.manual_seed(_step_seed(spec.seed, progress.step, accelerator.process_index))
        loss = model(batch)
        accelerator.backward(loss)
        if spec.clip is not None:
            accelerator.clip_grad_norm_(trainable, spec.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss_sum += loss.detach().double()
        progress.step += 1
        bar.update()
        if within + 1 == steps_per_epoch:
            progress.loss.append(_finite(loss_sum.item() / steps_per_epoch, title, epoch))
            loss_sum.zero_()
            if accelerator.is_main_process and spec.selection == "validation" and len(validation):
                _validate(lifter, validation, progress, epoch + 1, folder, device)
                model.train()
            accelerator.wait_for_everyone()
            bar.set_postfix(epoch=f"{epoch + 1}/{epochs}", loss=f"{progress.loss[-1]:.4f}")
        if within + 1 == steps_per_epoch or time.monotonic() - last_save > SAVE_EVERY_SECONDS:
            progress.seconds, progress.loss_sum = time.monotonic() - started, loss_sum.item()
            if accelerator.is_main_process:
                _save_state(folder, lifter, optimizer, accelerator, progress)
            last_save = time.monotonic()
    bar.close()
    return _finish(lifter, progress, folder, spec, epochs, windows, accelerator)


def load_trained(lifter: Lifter, folder: Path) -> TrainingInfo | None:
    """Load the finished weights of a training into ``lifter``; None where there is no finished training."""
    if not (folder / INFO).exists():
        return None
    lifter.load_state_dict(load_file(folder / WEIGHTS))
    return TrainingInfo.model_validate_json((folder / INFO).read_text())


def _batch_indices(windows: int, steps: int, seed: int, epoch: int, within: int) -> np.ndarray:
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


@torch.inference_mode()
def _validate(
    lifter: Lifter, validation: Windows, progress: _Progress, epoch: int, folder: Path, device: torch.device
) -> None:
    """MPJPE (mm) of one hypothesis after one step; the best weights so far are put aside."""
    lifter.eval()
    indices = validation.subset(min(VALIDATION_WINDOWS, len(validation)))
    total, frames = 0.0, 0
    for part in np.array_split(indices, -(-len(indices) // 32)):
        batch = validation.batch(part).to(device)
        predicted = lifter.predict(batch, Sampling(hypotheses=1, steps=1, flip=False))[:, -1, 0]
        errors = mpjpe(predicted, batch.pose_3d)
        counts = torch.as_tensor(validation.counts(part), device=device)
        total += errors[counts].double().sum().item()
        frames += int(counts.sum())
    error = total / frames
    if all(error < earlier for _, earlier in progress.validation):
        _write_weights(lifter, folder / BEST)
    progress.validation.append((epoch, error))


def _finish(
    lifter: Lifter,
    progress: _Progress,
    folder: Path,
    spec: TrainingSpec,
    epochs: int,
    windows: Windows,
    accelerator: Accelerator,
) -> TrainingInfo:
    selected = epochs
    if progress.validation:
        selected = min(progress.validation, key=lambda entry: entry[1])[0]
        accelerator.wait_for_everyone()
        lifter.load_state_dict(load_file(folder / BEST))
    info = TrainingInfo(
        epochs=epochs,
        steps=progress.step,
        seconds=round(progress.seconds, 3),
        windows_per_s=round(epochs * len(windows) / progress.seconds, 1) if progress.seconds else 0.0,
        selected_epoch=selected,
        loss=tuple(progress.loss),
        validation_mpjpe=tuple(progress.validation),
    )
    if accelerator.is_main_process:
        _write_weights(lifter, folder / WEIGHTS)
        write_text(folder / INFO, info.model_dump_json(indent=1))
        (folder / STATE).unlink(missing_ok=True)
        (folder / BEST).unlink(missing_ok=True)
    accelerator.wait_for_everyone()
    return info


def _write_weights(lifter: Lifter, path: Path) -> None:
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in lifter.state_dict().items()}
    with atomic(path) as file:
        file.write(save(tensors))


def _save_state(
    folder: Path, lifter: Lifter, optimizer: Any, accelerator: Accelerator, progress: _Progress
) -> None:
    scaler = accelerator.scaler.state_dict() if accelerator.scaler is not None else {}
    state = {
        "model": lifter.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler,
        "progress": asdict(progress),
    }
    with atomic(folder / STATE) as file:
        torch.save(state, file)


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


def _quiet(accelerator: Accelerator) -> bool | None:
    return None if accelerator.is_main_process else True


def _finite(loss: float, title: str, epoch: int) -> float:
    if not np.isfinite(loss):
        raise InputError(
            f"training of {title}: the loss of epoch {epoch + 1} is {loss}; lower training.learning_rate "
            "or set training.clip"
        )
    return loss


def _given(value: Any) -> Any:
    """A field that resolving the experiment has filled in."""
    assert value is not None
    return value
