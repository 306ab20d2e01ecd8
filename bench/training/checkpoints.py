"""Files of a training: finished weights, and the state from which an interrupted training is continued."""

from __future__ import annotations

import io
from collections.abc import Set
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from bench.measure import memory
from bench.results.documents import UnreadableError, read_sealed, set_aside, write_document, write_sealed
from bench.results.files import atomic, read_bytes, sha256
from bench.results.record import TrainingInfo
from bench.results.store import TRAINED, WEIGHTS, Trained, read_trained
from bench.training.best import BEST, best_are_there
from models.errors import InputError
from models.lifter import Lifter

STATE, EARLIER_STATE = "state.pt", "state-before.pt"
"""The state that was saved last, and the one before it."""

LATER = frozenset({"processes"})
"""Keys of the progress that states of older versions lack."""


def load_trained(lifter: Lifter, folder: Path) -> TrainingInfo | None:
    """Load the finished weights of a training into ``lifter``.

    Returns:
        How the weights came to be; None where there is no finished training, or none that can be read.

    Raises:
        InputError: its weights are of something else.
    """
    trained = read_trained(folder)
    if trained is None:
        return None
    try:
        content = read_bytes(folder / WEIGHTS)
        tensors = _tensors(content, trained.weights_sha256)
    except UnreadableError as error:
        set_aside(folder / WEIGHTS, folder.parents[1], str(error))
        return None
    try:
        lifter.load_state_dict(tensors)
    except RuntimeError as error:
        if memory.is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder}: its weights are of another model ({reason}); delete this folder and repeat with "
            "--retry-failed"
        ) from error
    return trained.info


def _tensors(content: bytes, checksum: str | None) -> dict[str, torch.Tensor]:
    """The weights in a file.

    Raises:
        UnreadableError: they are not what was written.
    """
    if checksum is not None and sha256(content) != checksum:
        raise UnreadableError("its content does not have its checksum")
    try:
        return load(content)
    except Exception as error:  # of an older version, without a checksum: damage can raise almost anything
        if memory.is_out_of_memory(error):
            raise
        raise UnreadableError(f"{type(error).__name__}: {error}"[:200]) from None


def write_weights(folder: Path, weights: bytes) -> str:
    """Keep the weights of a training, the content of a safetensors file; returns their checksum."""
    with atomic(folder / WEIGHTS) as file:
        file.write(weights)
    return sha256(weights)


def finish(folder: Path, info: TrainingInfo, weights_sha256: str) -> None:
    """Keep how the weights with this checksum came to be: with it the training is finished."""
    write_document(folder / TRAINED, Trained(info=info, weights_sha256=weights_sha256))


def weights_of(lifter: Lifter) -> bytes:
    """The weights of a method as the content of a safetensors file."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in lifter.state_dict().items()}
    return save(tensors)


def save_state(folder: Path, state: dict[str, Any]) -> int:
    """Keep what an interrupted training is continued from, and what was kept before; returns the bytes written."""
    content = io.BytesIO()
    torch.save(state, content)
    with suppress(FileNotFoundError):
        (folder / STATE).replace(folder / EARLIER_STATE)
    write_sealed(folder / STATE, content.getbuffer())
    return content.getbuffer().nbytes


def is_begun(folder: Path) -> bool:
    """Whether an interrupted training has left a state in its folder."""
    return any((folder / name).exists() for name in (STATE, EARLIER_STATE))


def load_state(folder: Path, lifter: Lifter, progress: Set[str]) -> dict[str, Any] | None:
    """What an interrupted training is continued from: the last state that can be read; None where there is none.

    A state without the best weights that it counts on is removed.

    Args:
        folder: of the training.
        lifter: a state of other weights is of another version, and moved aside like a damaged one.
        progress: keys of the state's progress; the same holds for other ones.
    """
    for name in (STATE, EARLIER_STATE):
        state = _load_state(folder / name)
        if state is None:
            continue
        if not _fits(state, lifter, progress):
            set_aside(folder / name, folder.parents[1], "another version of the suite wrote it")
        elif best_are_there(folder, state["progress"]["errors"]):
            return state
        else:
            (folder / name).unlink(missing_ok=True)
    return None


def _fits(state: Any, lifter: Lifter, progress: Set[str]) -> bool:
    """Whether a state has the parts and the weights of this training."""
    if not isinstance(state, dict) or state.keys() != {"model", "optimizer", "scaler", "progress"}:
        return False
    mine = {name: tensor.shape for name, tensor in lifter.state_dict().items()}
    saved = {name: getattr(tensor, "shape", None) for name, tensor in state["model"].items()}
    return mine == saved and progress - LATER <= state["progress"].keys() <= progress


def _load_state(path: Path) -> dict[str, Any] | None:
    try:
        content = read_sealed(path)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except InputError:
        raise
    except Exception as error:  # a damaged file of an older version can raise almost anything
        if memory.is_out_of_memory(error):
            raise
        set_aside(path, path.parents[2], f"{type(error).__name__}: {error}"[:200])
        return None


def remove_unfinished(folder: Path) -> None:
    """Remove what only an interrupted training needs, and the folder where nothing else is in it."""
    for pattern in (STATE, EARLIER_STATE, BEST.format("*"), ".*"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)
    with suppress(OSError):  # not empty: the finished weights are in it too
        folder.rmdir()
