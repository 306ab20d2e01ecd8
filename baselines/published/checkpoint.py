"""Published checkpoints: the import of their weights under our names.

A checkpoint is taken whole or refused: every name and every shape must fit.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import baselines.published
from models.errors import InputError
from models.lifter import Lifter
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton
from models.torch_files import read_torch_file

MAPPING_VERSION = 1
WRAPPERS = ("module.", "pose_estimator.")
GENERIC = ("checkpoint", "golden")


def methods() -> list[str]:
    """Methods of which a published implementation is known."""
    found = [module.name for module in pkgutil.iter_modules(baselines.published.__path__)]
    return [name for name in found if name not in GENERIC]


def module_of(method: str) -> Any:
    """What is declared about a method; see ``baselines.published``.

    Raises:
        InputError: nothing is.
    """
    if method not in methods():
        raise InputError(f"{method!r} has no published checkpoints: take one of {', '.join(methods())}")
    return importlib.import_module(f"baselines.published.{method}")


def our_name(method: str, published: str) -> str | None:
    """Our name of a published entry; None for one that the mapping does not know."""
    bare = without_wrappers(published)
    for theirs, ours in module_of(method).RENAMES.items():
        if bare.startswith(theirs):
            return ours + bare.removeprefix(theirs)
    return None


def is_unused(method: str, published: str) -> bool:
    """Whether nothing of ours corresponds to a published entry, and that is right."""
    bare = without_wrappers(published)
    return any(fnmatchcase(bare, f"{unused}*") for unused in getattr(module_of(method), "UNUSED", ()))


def without_wrappers(published: str) -> str:
    """A name without the prefixes that DataParallel and the diffusion models put in front of it."""
    for wrapper in WRAPPERS:
        published = published.removeprefix(wrapper)
    return published


def fixed_entries(method: str) -> dict[str, Tensor]:
    """Entries of a checkpoint that are no weights, as they must be."""
    return getattr(module_of(method), "fixed", dict)()


def count(state: dict[str, Tensor], prefix: str) -> int:
    """How many numbered entries follow a prefix."""
    return len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})


@dataclass(frozen=True)
class Imported:
    """A published checkpoint in our names.

    Attributes:
        method: key in the registry.
        config: what was inferred from shapes, with the options that the caller gave.
        skeleton: whose joints it lifts.
        state: the complete state dict of the method built with ``config``.
        source_sha256: of the file.
    """

    method: str
    config: Any
    skeleton: Skeleton
    state: dict[str, Tensor]
    source_sha256: str

    def build(self) -> Lifter:
        """The method with these weights, in evaluation mode."""
        lifter = _blank(self.method, self.config, self.skeleton, self.state)
        lifter.load_state_dict(self.state)
        return lifter.eval()

    def save(self, path: Path) -> None:
        """Write a safetensors file that says where its weights come from."""
        metadata = {
            "method": self.method,
            "config": json.dumps(asdict(self.config)),
            "skeleton": self.skeleton.name,
            "source_sha256": self.source_sha256,
            "mapping_version": str(MAPPING_VERSION),
        }
        save_file({name: tensor.contiguous() for name, tensor in self.state.items()}, path, metadata)


def read_imported(path: Path) -> Imported:
    """Read what ``Imported.save`` wrote.

    Raises:
        InputError: the file is missing, is not safetensors, or was not written by this version of the import.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        reason = f"cannot be read as safetensors ({error}); name a file of import-checkpoint"
        raise InputError(f"{path}: {reason}") from None
    if metadata.get("mapping_version") != str(MAPPING_VERSION):
        raise InputError(f"{path}: was not made by this version; run `python -m bench import-checkpoint` again")
    method = metadata["method"]
    stored = {key: tuple(v) if isinstance(v, list) else v for key, v in json.loads(metadata["config"]).items()}
    skeleton = {known.name: known for known in (HUMAN36M, MPI_INF_3DHP)}[metadata["skeleton"]]
    config = module_of(method).LIFTER.Config(**stored)
    return Imported(method, config, skeleton, state, metadata["source_sha256"])


def import_checkpoint(path: Path, method: str, **options: Any) -> Imported:
    """Read a published checkpoint.

    Args:
        path: a ``.bin``, ``.pth`` or ``.pt`` file: a state dict, or a training state with one under ``model_pos``.
        method: one of ``methods()``.
        options: fields of the configuration that shapes do not tell (``heads``, ``causal``, ``frames`` of a TCN).

    Raises:
        InputError: the file is no checkpoint of this method; every entry that is missing, unexpected or of another
            shape is named, and nothing is loaded.
    """
    fixed = fixed_entries(method)
    entries = _entries(path, method)
    wrong = _wrong_constants({name: entries.pop(name) for name in fixed if name in entries}, fixed)
    state = {our_name(method, name) or name: tensor for name, tensor in entries.items()}
    config, skeleton = _inferred(path, method, state, options)
    with torch.device("meta"):
        expected = _blank(method, config, skeleton, state).state_dict()
    wrong += [f"unexpected {name}" for name in entries if our_name(method, name) not in expected]
    wrong += [f"missing {name}" for name in expected if name not in state]
    wrong += [
        f"{name} is {tuple(tensor.shape)} and should be {tuple(expected[name].shape)}"
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    if wrong:
        raise InputError(f"{path} does not fit {config}, so nothing was loaded: {'; '.join(wrong)}")
    return Imported(method, config, skeleton, state, hashlib.sha256(path.read_bytes()).hexdigest())


def _entries(path: Path, method: str) -> dict[str, Tensor]:
    """Entries of the state dict in a file, without wrappers around their names and without what nothing uses."""
    content = read_torch_file(path)
    if isinstance(content, dict) and isinstance(content.get("model_pos"), dict):
        content = content["model_pos"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path} has no state dict, neither as a whole nor under 'model_pos': give a checkpoint")
    return {without_wrappers(name): t for name, t in content.items() if not is_unused(method, name)}


def _wrong_constants(published: dict[str, Tensor], ours: dict[str, Tensor]) -> list[str]:
    """Complaints about entries that are not what follows from the method."""
    return [
        f"{name} is not the method's"
        for name, tensor in published.items()
        if tensor.shape != ours[name].shape
        or not torch.allclose(tensor.double(), ours[name], rtol=1e-10 if tensor.dtype == torch.float64 else 1e-4)
    ]


def _inferred(path: Path, method: str, state: dict[str, Tensor], options: dict[str, Any]) -> tuple[Any, Skeleton]:
    known = module_of(method)
    try:
        sizes = known.sizes(state)
        skeleton = known.skeleton(state) if hasattr(known, "skeleton") else HUMAN36M
    except KeyError as error:
        raise InputError(f"{path} is no checkpoint of {method}: it has no {error.args[0]}") from error
    return known.LIFTER.Config(**sizes | options), skeleton


def _blank(method: str, config: Any, skeleton: Skeleton, state: dict[str, Tensor]) -> Lifter:
    known = module_of(method)
    if hasattr(known, "blank"):
        return known.blank(config, skeleton, state)
    return known.LIFTER(config, skeleton)
