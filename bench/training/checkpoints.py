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
from models.errors import InputError
from models.lifter import Lifter

STATE, EARLIER_STATE, BEST = "state.pt", "state-before.pt", "best-{}.safetensors"
"""The state that was saved last, the one before it, and the weights that a selector likes best so far."""


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


def finish(folder: Path, info: TrainingInfo, weights: bytes) -> None:
    """Keep the weights, as a safetensors file, and how they came to be: a finished training."""
    with atomic(folder / WEIGHTS) as file:
        file.write(weights)
    write_document(folder / TRAINED, Trained(info=info, weights_sha256=sha256(weights)))


def weights_of(lifter: Lifter) -> bytes:
    """The weights of a method as the content of a safetensors file."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in lifter.state_dict().items()}
    return save(tensors)


def save_best(lifter: Lifter, folder: Path, number: int) -> None:
    """Keep the weights that the selector of this number likes best so far."""
    write_sealed(folder / BEST.format(number), weights_of(lifter))


def load_best(folder: Path, number: int) -> bytes:
    """What ``save_best`` kept.

    Raises:
        InputError: it is lost or damaged.
    """
    path = folder / BEST.format(number)
    try:
        return bytes(read_sealed(path))
    except (FileNotFoundError, UnreadableError) as error:
        _start_again(folder)
        raise InputError(
            f"{path}: the best weights so far cannot be read ({error}); repeat with --retry-failed to train again"
        ) from None


def save_state(folder: Path, state: dict[str, Any]) -> int:
    """Keep what an interrupted training is continued from, and what was kept before; returns the bytes written."""
    content = io.BytesIO()
    torch.save(state, content)
    with suppress(FileNotFoundError):
        (folder / STATE).replace(folder / EARLIER_STATE)
    write_sealed(folder / STATE, content.getbuffer())
    return content.getbuffer().nbytes


def load_state(folder: Path, lifter: Lifter, progress: Set[str]) -> dict[str, Any] | None:
    """What an interrupted training is continued from: the last state that can be read; None where there is none.

    Without the best weights so far, which a state counts on, there is none either.

    Args:
        folder: of the training.
        lifter: a state of other weights is of another version, and moved aside like a damaged one.
        progress: keys of the state's progress; the same holds for other ones.
    """
    for name in (STATE, EARLIER_STATE):
        state = _load_state(folder / name)
        if state is not None and _fits(state, lifter, progress):
            return state if _best_are_there(folder, state) else None
        if state is not None:
            set_aside(folder / name, folder.parents[1], "another version of the suite wrote it")
    return None


def _fits(state: Any, lifter: Lifter, progress: Set[str]) -> bool:
    """Whether a state has the parts and the weights of this training."""
    if not isinstance(state, dict) or state.keys() != {"model", "optimizer", "scaler", "progress"}:
        return False
    mine = {name: tensor.shape for name, tensor in lifter.state_dict().items()}
    saved = {name: getattr(tensor, "shape", None) for name, tensor in state["model"].items()}
    return mine == saved and state["progress"].keys() == progress


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


def _best_are_there(folder: Path, state: dict[str, Any]) -> bool:
    """Whether the best weights so far of every selector that has some can be read; if not, all begins anew."""
    for number, errors in enumerate(state["progress"]["errors"]):
        path = folder / BEST.format(number)
        try:
            if errors:
                read_sealed(path)
        except (FileNotFoundError, UnreadableError) as error:
            set_aside(path, folder.parents[1], str(error))
            _start_again(folder)
            return False
    return True


def _start_again(folder: Path) -> None:
    """Remove the states of an interrupted training."""
    for name in (STATE, EARLIER_STATE):
        (folder / name).unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what only an interrupted training needs, and the folder where nothing else is in it."""
    for pattern in (STATE, EARLIER_STATE, BEST.format("*"), ".*"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)
    with suppress(OSError):  # not empty: the finished weights are in it too
        folder.rmdir()
