"""Published checkpoints: their weights taken over under our names.

A checkpoint is taken whole or refused: every name and every shape must fit. No method is known here: what differs
between methods is in their ``CheckpointAdapter``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from models.checkpoints.adapter import WRAPPERS, CheckpointAdapter, State, without_wrappers
from models.checkpoints.contents import find_state
from models.checkpoints.restricted_unpickler import one_line
from models.checkpoints.torch_files import read_torch_file
from models.errors import InputError
from models.lifter import Lifter
from models.skeleton import HUMAN36M, SKELETONS, Skeleton

MAPPING_VERSION = 1  # version of the stored form; a file of another version has to be imported again
MOST_LISTED = 20  # misfits that one error names; the others are counted
MOST_NAMES = 5  # entries of a file that does not fit at all that its error names
ALIKE = 0.9  # share of entries that fit in name and shape from which on a checkpoint looks like one of a method


@dataclass(frozen=True)
class ImportedCheckpoint:
    """A published checkpoint in our names.

    Attributes:
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

    @property
    def joints_were_declared(self) -> bool:
        """Whether a person said that it lifts other joints than Human3.6M's: its shapes do not tell."""
        return self.adapter.skeleton is None and self.skeleton != HUMAN36M

    def build(self) -> Lifter:
        """The method with these weights, in evaluation mode."""
        lifter = self.adapter.build(self.config, self.skeleton, self.state)
        lifter.load_state_dict(self.state)
        return lifter.eval()

    def to_bytes(self) -> bytes:
        """The content of a safetensors file that says where its weights come from; ``read_imported`` reads it."""
        metadata = {
            "method": self.method,
            "config": _as_json(self.config),
            "skeleton": self.skeleton.name,
            "source_sha256": self.source_sha256,
            "mapping_version": str(MAPPING_VERSION),
        }
        alone = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in self.state.items()}
        return safetensors.torch.save(alone, metadata)  # which takes no tensors that share memory


def import_checkpoint(path: Path, adapter: CheckpointAdapter, /, **options: Any) -> ImportedCheckpoint:
    """Read a published checkpoint.

    Args:
        path: a ``.bin``, ``.pth`` or ``.pt`` file: a state dict, or a dict or list with one (``find_state``).
        options: fields of the configuration that shapes do not tell (``heads``, ``causal``, ``frames`` of a TCN),
            and ``skeleton`` ("human36m" or "mpi_inf_3dhp"), which few methods' shapes tell.

    Raises:
        InputError: the file is not a checkpoint of this method; every entry that is missing, unexpected, of
            another shape or not finite is named, and nothing is loaded. Or what ``adapter.untold`` names is
            not among ``options``.
    """
    if adapter.refusal:
        raise InputError(f"{path}: {adapter.refusal}")
    fixed = adapter.fixed()
    entries = _entries(path, adapter, find_state(read_torch_file(path), path))
    wrong = _wrong_constants({name: entries.pop(name) for name in fixed if name in entries}, fixed)
    state = _in_our_names(path, adapter, entries)
    config, skeleton = _inferred(path, adapter, state, options)
    _refuse_misfits(path, adapter, config, skeleton, state, wrong)
    unsaid = [name for name in adapter.untold if name not in options]
    if unsaid:
        given = " ".join(f"--set {name}={getattr(config, name)}" for name in unsaid)
        raise InputError(
            f"{path}: its shapes do not tell {', '.join(unsaid)}, and with another value than in its training it "
            f"predicts something else: say it, for example {given}"
        )
    return ImportedCheckpoint(adapter, config, skeleton, state, hashlib.sha256(path.read_bytes()).hexdigest())


def resembled(path: Path, adapters: Iterable[CheckpointAdapter]) -> str | None:
    """Name of the method that a checkpoint looks like, by names and shapes of its entries; None for none of them.

    Raises:
        InputError: the file holds no state dict.
    """
    content = find_state(read_torch_file(path), path)
    likeness = {adapter.method: _likeness(path, adapter, content) for adapter in adapters if not adapter.refusal}
    best = max(likeness, key=lambda method: likeness[method], default=None)
    return best if best is not None and likeness[best] >= ALIKE else None


def read_imported(path: Path, adapter_of: Callable[[str], CheckpointAdapter]) -> ImportedCheckpoint:
    """Read what ``ImportedCheckpoint.to_bytes`` made; ``adapter_of`` finds the adapter of a method by its name.

    Raises:
        InputError: the file is missing, is not safetensors, or was not written by this version of the import.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file of import-checkpoint")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        state = safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        reason = f"cannot be read as safetensors ({error}); name a file of import-checkpoint"
        raise InputError(f"{path}: {reason}") from None
    if "mapping_version" not in metadata:
        raise InputError(
            f"{path}: was not made by `python -m bench import-checkpoint`; a training of this suite is evaluated "
            "by its own experiment, and its folder predicts with `predict --weights`"
        )
    if metadata["mapping_version"] != str(MAPPING_VERSION):
        raise InputError(f"{path}: was not made by this version; run `python -m bench import-checkpoint` again")
    try:
        adapter = adapter_of(metadata["method"])
        stored = {key: tuple(v) if isinstance(v, list) else v for key, v in json.loads(metadata["config"]).items()}
        skeleton, source = SKELETONS[metadata["skeleton"]], metadata["source_sha256"]
        config, sizes = adapter.lifter.Config(**stored), adapter.sizes(state)
        _as_json(config)
        if {key: value for key, value in asdict(config).items() if key in sizes} != sizes:
            raise ValueError("the shapes tell of other sizes")
    except Exception as error:  # a description that somebody changed can raise anything
        reason = f"its description does not fit its weights ({one_line(error)})"
        raise InputError(f"{path}: {reason}; run `python -m bench import-checkpoint` again") from error
    if adapter.refusal:  # it was imported by an earlier version
        raise InputError(f"{path}: {adapter.refusal}")
    _refuse_misfits(path, adapter, config, skeleton, state)
    return ImportedCheckpoint(adapter, config, skeleton, state, source)


def _refuse_misfits(
    path: Path,
    adapter: CheckpointAdapter,
    config: Any,
    skeleton: Skeleton,
    state: State,
    wrong: Iterable[str] = (),
) -> None:
    """Raise ``InputError`` unless names and shapes are the method's; ``wrong`` holds what was found before."""
    try:
        with torch.device("meta"):  # no memory for weights
            expected = adapter.build(config, skeleton, state).state_dict()
    except Exception as error:  # sizes that do not go together can raise anything
        reason = f"no {adapter.method} can be built with {config} ({one_line(error)})"
        raise InputError(f"{path} does not fit, so nothing was loaded: {reason}") from error
    misfits = [*wrong]
    misfits += [f"unexpected {ascii(name)[1:-1]}" for name in state if name not in expected]
    misfits += [f"missing {name}" for name in expected if name not in state]
    misfits += [
        f"{name} is {tuple(tensor.shape)} and should be {tuple(expected[name].shape)}"
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    misfits += [
        f"{name} is {tensor.dtype} and should be {expected[name].dtype}"
        for name, tensor in state.items()
        if name in expected and expected[name].is_floating_point() and not tensor.is_floating_point()
    ]
    if misfits:
        more = [f"and {len(misfits) - MOST_LISTED} more"] if len(misfits) > MOST_LISTED else []
        listed = "; ".join(misfits[:MOST_LISTED] + more)
        raise InputError(f"{path} does not fit {config}, so nothing was loaded: {listed}")
    spoiled = [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    if spoiled:
        raise InputError(
            f"{path} has weights that are NaN or infinite, in {_some(spoiled)}: its "
            "training diverged or the file is damaged, take another one"
        )


def _entries(path: Path, adapter: CheckpointAdapter, content: State) -> State:
    """Entries of the state dict in a file, without wrappers around their names and without unused ones."""
    bare = {name: without_wrappers(name) for name in content if not adapter.is_unused(name)}
    prefix = _common_prefix(bare.values(), adapter)
    entries = {short.removeprefix(prefix): content[name] for name, short in bare.items()}
    if len(entries) < len(bare):
        raise InputError(f"{path} has entries with and without the prefix {WRAPPERS[0]!r}: save one set of them")
    return {name: tensor for name, tensor in entries.items() if not adapter.is_unused(name)}


def _common_prefix(names: Iterable[str], adapter: CheckpointAdapter) -> str:
    """The word before every name that a training framework added ("model."); "" where the adapter knows a name."""
    words = {name.partition(".")[0] for name in names}
    if len(words) != 1 or any(adapter.our_name(name) for name in names):
        return ""
    return f"{words.pop()}."


def _in_our_names(path: Path, adapter: CheckpointAdapter, entries: State) -> State:
    state = {adapter.our_name(name) or name: tensor for name, tensor in entries.items()}
    if len(state) < len(entries):
        raise InputError(f"{path} has several entries for one of {adapter.method}: give a checkpoint as published")
    return state


def _likeness(path: Path, adapter: CheckpointAdapter, content: State) -> float:
    """Share of entries that fit the method in name and shape, of all that it or the file has."""
    try:
        fixed = adapter.fixed()
        entries = _entries(path, adapter, content)
        state = _in_our_names(path, adapter, {name: entries[name] for name in entries if name not in fixed})
        config, skeleton = _inferred(path, adapter, state, {})
        with torch.device("meta"):
            expected = adapter.build(config, skeleton, state).state_dict()
    except Exception:  # the shapes of another method can raise anything
        return 0.0
    fitting = sum(name in expected and expected[name].shape == tensor.shape for name, tensor in state.items())
    return fitting / len(state.keys() | expected.keys())


def _wrong_constants(published: State, ours: State) -> list[str]:
    """Complaints about entries that follow from the method and have other values in the file."""
    return [
        f"{name} is not the method's"
        for name, tensor in published.items()
        if tensor.shape != ours[name].shape
        or not torch.allclose(tensor.double(), ours[name], rtol=1e-10 if tensor.dtype == torch.float64 else 1e-4)
    ]


def _some(names: Collection[str]) -> str:
    more = [f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    return ", ".join([*list(names)[:MOST_NAMES], *more])


def _inferred(
    path: Path, adapter: CheckpointAdapter, state: State, options: dict[str, Any]
) -> tuple[Any, Skeleton]:
    """Configuration and joints, from shapes and from the caller's options."""
    named = options.get("skeleton", HUMAN36M.name)
    skeleton = SKELETONS.get(named) if isinstance(named, str) else None
    if skeleton is None:
        raise InputError(f"skeleton is {named!r}: take one of {', '.join(SKELETONS)}")
    try:
        sizes = adapter.sizes(state)
        if adapter.skeleton is not None:
            skeleton = adapter.skeleton(state)
    except KeyError as error:
        raise InputError(
            f"{path} is no checkpoint of {adapter.method}: it has no {error.args[0]}, but {_some(state)}"
        ) from error
    except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        reason = f"a shape is not what it should be ({one_line(error)})"
        raise InputError(f"{path} is no checkpoint of {adapter.method}: {reason}; give one of it") from error
    told = [key for key, value in options.items() if value == "auto" and key in sizes]  # shapes settle these
    chosen = {key: value for key, value in options.items() if key not in ("skeleton", *told)}
    names = [field.name for field in fields(adapter.lifter.Config)]
    for option in chosen:
        if option not in names:
            raise InputError(f"{adapter.method} has no option {option!r}: it has {', '.join(names)}")
    try:
        config = adapter.lifter.resolve_config(adapter.lifter.Config(**sizes | chosen))
        _as_json(config)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        reason = f"{chosen} are no options for {adapter.method} ({one_line(error)}): change them"
        raise InputError(reason) from error
    return config, skeleton


def _as_json(config: Any) -> str:
    """A configuration as text.

    Raises:
        TypeError, ValueError: it has something that JSON has not, such as NaN.
    """
    return json.dumps(asdict(config), allow_nan=False)
