"""Published checkpoints: their weights taken over under our names.

A checkpoint is taken whole or refused: every name and every shape must fit. No method is known here: what differs
between methods is in their ``CheckpointAdapter``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models.checkpoints.adapter import CheckpointAdapter, State, without_wrappers
from models.checkpoints.restricted_unpickler import one_line
from models.checkpoints.torch_files import read_torch_file
from models.errors import InputError
from models.lifter import Lifter
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton

MAPPING_VERSION = 1
"""Version of the stored form; a file of another version has to be imported again."""

MOST_LISTED = 40
"""Misfits that one error names; the others are counted."""

SKELETONS = {known.name: known for known in (HUMAN36M, MPI_INF_3DHP)}


@dataclass(frozen=True)
class ImportedCheckpoint:
    """A published checkpoint in our names.

    Attributes:
        adapter: of its method.
        config: what was inferred from shapes, with the options that the caller gave.
        skeleton: whose joints it lifts.
        state: the complete state dict of the method built with ``config``.
        source_sha256: of the published file.
    """

    adapter: CheckpointAdapter
    config: Any
    skeleton: Skeleton
    state: State
    source_sha256: str

    @property
    def method(self) -> str:
        """Name of its method in the registry."""
        return self.adapter.method

    def build(self) -> Lifter:
        """The method with these weights, in evaluation mode."""
        lifter = self.adapter.build(self.config, self.skeleton, self.state)
        lifter.load_state_dict(self.state)
        return lifter.eval()

    def to_bytes(self) -> bytes:
        """The content of a safetensors file that says where its weights come from; ``read_imported`` reads it."""
        metadata = {
            "method": self.method,
            "config": json.dumps(asdict(self.config)),
            "skeleton": self.skeleton.name,
            "source_sha256": self.source_sha256,
            "mapping_version": str(MAPPING_VERSION),
        }
        return safetensors.torch.save({name: tensor.contiguous() for name, tensor in self.state.items()}, metadata)


def import_checkpoint(path: Path, adapter: CheckpointAdapter, /, **options: Any) -> ImportedCheckpoint:
    """Read a published checkpoint.

    Args:
        path: a ``.bin``, ``.pth`` or ``.pt`` file: a state dict, or a training state with one under ``model_pos``.
        adapter: of the method whose weights it holds.
        options: fields of the configuration that shapes do not tell (``heads``, ``causal``, ``frames`` of a TCN),
            and ``skeleton`` ("human36m" or "mpi_inf_3dhp"), which few methods' shapes tell.

    Raises:
        InputError: the file is not a checkpoint of this method; every entry that is missing, unexpected or of
            another shape is named, and nothing is loaded.
    """
    fixed = adapter.fixed()
    entries = _entries(path, adapter)
    wrong = _wrong_constants({name: entries.pop(name) for name in fixed if name in entries}, fixed)
    state = {adapter.our_name(name) or name: tensor for name, tensor in entries.items()}
    config, skeleton = _inferred(path, adapter, state, options)
    _refuse_misfits(path, adapter, config, skeleton, state, wrong)
    return ImportedCheckpoint(adapter, config, skeleton, state, hashlib.sha256(path.read_bytes()).hexdigest())


def read_imported(path: Path, adapter_of: Callable[[str], CheckpointAdapter]) -> ImportedCheckpoint:
    """Read what ``ImportedCheckpoint.to_bytes`` made.

    Args:
        path: a safetensors file.
        adapter_of: the adapter of the method that the file names, found by its name in the registry.

    Raises:
        InputError: the file is missing, is not safetensors, or was not written by this version of the import.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        state = safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        reason = f"cannot be read as safetensors ({error}); name a file of import-checkpoint"
        raise InputError(f"{path}: {reason}") from None
    if metadata.get("mapping_version") != str(MAPPING_VERSION):
        raise InputError(f"{path}: was not made by this version; run `python -m bench import-checkpoint` again")
    try:
        adapter = adapter_of(metadata["method"])
        stored = {key: tuple(v) if isinstance(v, list) else v for key, v in json.loads(metadata["config"]).items()}
        skeleton, source = SKELETONS[metadata["skeleton"]], metadata["source_sha256"]
        config, sizes = adapter.lifter.Config(**stored), adapter.sizes(state)
        if {key: value for key, value in asdict(config).items() if key in sizes} != sizes:
            raise ValueError("the shapes tell of other sizes")
    except Exception as error:  # a description that somebody changed can raise anything
        reason = f"its description does not fit its weights ({one_line(error)})"
        raise InputError(f"{path}: {reason}; run `python -m bench import-checkpoint` again") from error
    _refuse_misfits(path, adapter, config, skeleton, state)
    return ImportedCheckpoint(adapter, config, skeleton, state, source)


def _refuse_misfits(
    path: Path,
    adapter: CheckpointAdapter,
    config: Any,
    skeleton: Skeleton,
    state: State,
    wrong: list[str] | None = None,
) -> None:
    """Raise ``InputError`` unless names and shapes are the method's; ``wrong`` holds what was found before."""
    try:
        with torch.device("meta"):  # no memory for weights
            expected = adapter.build(config, skeleton, state).state_dict()
    except Exception as error:  # sizes that do not go together can raise anything
        reason = f"no {adapter.method} can be built with {config} ({one_line(error)})"
        raise InputError(f"{path} does not fit, so nothing was loaded: {reason}") from error
    misfits = list(wrong or [])
    misfits += [f"unexpected {name}" for name in state if name not in expected]
    misfits += [f"missing {name}" for name in expected if name not in state]
    misfits += [
        f"{name} is {tuple(tensor.shape)} and should be {tuple(expected[name].shape)}"
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    if misfits:
        more = [f"and {len(misfits) - MOST_LISTED} more"] if len(misfits) > MOST_LISTED else []
        listed = "; ".join(misfits[:MOST_LISTED] + more)
        raise InputError(f"{path} does not fit {config}, so nothing was loaded: {listed}")


def _entries(path: Path, adapter: CheckpointAdapter) -> State:
    """Entries of the state dict in a file, without wrappers around their names and without unused ones."""
    content = read_torch_file(path)
    if isinstance(content, dict) and isinstance(content.get("model_pos"), dict):
        content = content["model_pos"]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and name.isprintable() and isinstance(tensor, Tensor)
        for name, tensor in content.items()
    ):
        raise InputError(f"{path} has no state dict, neither as a whole nor under 'model_pos': give a checkpoint")
    return {without_wrappers(name): t for name, t in content.items() if not adapter.is_unused(name)}


def _wrong_constants(published: State, ours: State) -> list[str]:
    """Complaints about entries that follow from the method and have other values in the file."""
    return [
        f"{name} is not the method's"
        for name, tensor in published.items()
        if tensor.shape != ours[name].shape
        or not torch.allclose(tensor.double(), ours[name], rtol=1e-10 if tensor.dtype == torch.float64 else 1e-4)
    ]


def _inferred(
    path: Path, adapter: CheckpointAdapter, state: State, options: dict[str, Any]
) -> tuple[Any, Skeleton]:
    """Configuration and joints, from shapes and from the caller's options."""
    named = options.get("skeleton", HUMAN36M.name)
    skeleton = SKELETONS.get(named) if isinstance(named, str) else None
    if skeleton is None:
        raise InputError(f"skeleton is {named!r}: take {HUMAN36M.name} or {MPI_INF_3DHP.name}")
    try:
        sizes = adapter.sizes(state)
        if adapter.skeleton is not None:
            skeleton = adapter.skeleton(state)
    except KeyError as error:
        raise InputError(f"{path} is no checkpoint of {adapter.method}: it has no {error.args[0]}") from error
    except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        reason = f"a shape is not what it should be ({one_line(error)})"
        raise InputError(f"{path} is no checkpoint of {adapter.method}: {reason}") from error
    told = [key for key, value in options.items() if value == "auto" and key in sizes]  # shapes settle these
    chosen = {key: value for key, value in options.items() if key not in ("skeleton", *told)}
    names = [field.name for field in fields(adapter.lifter.Config)]
    for option in chosen:
        if option not in names:
            raise InputError(f"{adapter.method} has no option {option!r}: it has {', '.join(names)}")
    try:
        return adapter.lifter.resolve_config(adapter.lifter.Config(**sizes | chosen)), skeleton
    except TypeError as error:
        reason = f"{chosen} are no options for {adapter.method} ({one_line(error)}): change them"
        raise InputError(reason) from error
