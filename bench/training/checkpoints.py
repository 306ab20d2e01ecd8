"""Files of a training: finished weights, and the state from which an interrupted training is continued."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from bench.measure import memory
from bench.results.files import atomic, write_text
from bench.results.record import TrainingInfo
from bench.results.store import TRAINED
from models.errors import InputError
from models.lifter import Lifter

WEIGHTS, STATE, BEST = "weights.safetensors", "state.pt", "best-{}.safetensors"


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


def finish(folder: Path, info: TrainingInfo) -> None:
    """Mark the weights in a folder as those of a finished training."""
    write_text(folder / TRAINED, info.model_dump_json(indent=1))


def keep_best(best: Path, folder: Path) -> None:
    """Take the weights in the file ``best`` as those of the training in ``folder``."""
    with atomic(folder / WEIGHTS) as file:
        file.write(best.read_bytes())


def save_weights(lifter: Lifter, path: Path) -> None:
    """Write the weights of a method to a file."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in lifter.state_dict().items()}
    with atomic(path) as file:
        file.write(save(tensors))


def best_path(folder: Path, number: int) -> Path:
    """File of the weights that the selector of this number likes best so far."""
    return folder / BEST.format(number)


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Keep what an interrupted training is continued from."""
    with atomic(folder / STATE) as file:
        torch.save(state, file)


def load_state(folder: Path) -> dict[str, Any] | None:
    """What an interrupted training is continued from; None where there is none.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it to start this training again") from error


def remove_unfinished(folder: Path) -> None:
    """Remove what only an interrupted training needs, and the folder where nothing else is in it."""
    for pattern in (STATE, BEST.format("*"), f".{STATE}.*", f".{BEST.format('*')}.*"):
        for path in folder.glob(pattern):
            path.unlink()
    with suppress(OSError):  # not empty: the finished weights are in it too
        folder.rmdir()
