"""Published checkpoints: the import of their weights under our names.

A checkpoint is taken whole or refused: every name and every shape must fit.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
import re
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import baselines.published
from models.checkpoints.restricted_unpickler import one_line
from models.checkpoints.torch_files import read_torch_file
from models.errors import InputError
from models.lifter import Lifter
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton

MAPPING_VERSION = 1
MOST_BLOCKS, MOST_LISTED = 256, 40
WRAPPERS = ("module.", "pose_estimator.")
GENERIC = ("golden",)


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
        found = re.match(re.escape(theirs).replace(r"\*", r"([^.]*)"), bare)
        if found:
            return ours.replace("*", "{}").format(*found.groups()) + bare[found.end() :]
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
    """How many numbered entries follow a prefix.

    Raises:
        ValueError: more than any method has; building it would take for ever.
    """
    found = len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})
    if found > MOST_BLOCKS:
        raise ValueError(f"{found:,} blocks {prefix}")
    return found


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
    try:
        method = metadata["method"]
        stored = {key: tuple(v) if isinstance(v, list) else v for key, v in json.loads(metadata["config"]).items()}
        skeleton = {known.name: known for known in (HUMAN36M, MPI_INF_3DHP)}[metadata["skeleton"]]
        config, source = module_of(method).LIFTER.Config(**stored), metadata["source_sha256"]
        told = {key: value for key, value in asdict(config).items() if key in module_of(method).sizes(state)}
        if told != module_of(method).sizes(state):
            raise ValueError("the shapes tell of other sizes")
    except Exception as error:  # a changed description can be anything
        reason = f"its description does not fit its weights ({one_line(error)})"
        raise InputError(f"{path}: {reason}; run `python -m bench import-checkpoint` again") from error
    wrong = _misfits(path, method, config, skeleton, state)
    if wrong:
        raise InputError(f"{path} does not fit {config}, so nothing was loaded: {_listed(wrong)}")
    return Imported(method, config, skeleton, state, source)


def import_checkpoint(path: Path, method: str, **options: Any) -> Imported:
    """Read a published checkpoint.

    Args:
        path: a ``.bin``, ``.pth`` or ``.pt`` file: a state dict, or a training state with one under ``model_pos``.
        method: one of ``methods()``.
        options: fields of the configuration that shapes do not tell (``heads``, ``causal``, ``frames`` of a TCN),
            and ``skeleton`` ("human36m" or "mpi_inf_3dhp"), which few methods' shapes tell.

    Raises:
        InputError: the file is no checkpoint of this method; every entry that is missing, unexpected or of another
            shape is named, and nothing is loaded.
    """
    fixed = fixed_entries(method)
    entries = _entries(path, method)
    wrong = _wrong_constants({name: entries.pop(name) for name in fixed if name in entries}, fixed)
    state = {our_name(method, name) or name: tensor for name, tensor in entries.items()}
    config, skeleton = _inferred(path, method, state, options)
    wrong += _misfits(path, method, config, skeleton, state)
    if wrong:
        raise InputError(f"{path} does not fit {config}, so nothing was loaded: {_listed(wrong)}")
    return Imported(method, config, skeleton, state, hashlib.sha256(path.read_bytes()).hexdigest())


def _misfits(path: Path, method: str, config: Any, skeleton: Skeleton, state: dict[str, Tensor]) -> list[str]:
    """Complaints about names and shapes of weights, which cost no memory to find.

    Raises:
        InputError: no method can be built with this configuration.
    """
    try:
        with torch.device("meta"):
            expected = _blank(method, config, skeleton, state).state_dict()
    except Exception as error:  # sizes that do not go together end anywhere
        reason = f"no {method} can be built with {config} ({one_line(error)})"
        raise InputError(f"{path} does not fit, so nothing was loaded: {reason}") from error
    wrong = [f"unexpected {name}" for name in state if name not in expected]
    wrong += [f"missing {name}" for name in expected if name not in state]
    return wrong + [
        f"{name} is {tuple(tensor.shape)} and should be {tuple(expected[name].shape)}"
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]


def _listed(complaints: list[str]) -> str:
    """All of them in one sentence, up to a number that somebody would read."""
    more = [f"and {len(complaints) - MOST_LISTED} more"] if len(complaints) > MOST_LISTED else []
    return "; ".join(complaints[:MOST_LISTED] + more)


def _entries(path: Path, method: str) -> dict[str, Tensor]:
    """Entries of the state dict in a file, without wrappers around their names and without what nothing uses."""
    content = read_torch_file(path)
    if isinstance(content, dict) and isinstance(content.get("model_pos"), dict):
        content = content["model_pos"]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and name.isprintable() and isinstance(tensor, Tensor)
        for name, tensor in content.items()
    ):
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
    named = options.get("skeleton", HUMAN36M.name)
    skeleton = next((order for order in (HUMAN36M, MPI_INF_3DHP) if order.name == named), None)
    if skeleton is None:
        raise InputError(f"skeleton is {named!r}: take {HUMAN36M.name} or {MPI_INF_3DHP.name}")
    try:
        sizes = known.sizes(state)
        if hasattr(known, "skeleton"):
            skeleton = known.skeleton(state)
    except KeyError as error:
        raise InputError(f"{path} is no checkpoint of {method}: it has no {error.args[0]}") from error
    except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        reason = f"a shape is not what it should be ({one_line(error)})"
        raise InputError(f"{path} is no checkpoint of {method}: {reason}") from error
    chosen = {key: value for key, value in options.items() if key != "skeleton"}
    names = [field.name for field in fields(known.LIFTER.Config)]
    for option in chosen:
        if option not in names:
            raise InputError(f"{method} has no option {option!r}: it has {', '.join(names)}")
    try:
        return known.LIFTER.Config(**sizes | chosen), skeleton
    except TypeError as error:
        raise InputError(f"{chosen} are no options for {method} ({one_line(error)}): change them") from error


def _blank(method: str, config: Any, skeleton: Skeleton, state: dict[str, Tensor]) -> Lifter:
    known = module_of(method)
    if hasattr(known, "blank"):
        return known.blank(config, skeleton, state)
    return known.LIFTER(config, skeleton)
