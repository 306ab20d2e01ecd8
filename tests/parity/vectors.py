"""Files of golden vectors: recorded inputs and outputs, and weights that follow from the entries' names.

A file is an ``.npz`` with ``config`` (a JSON string: sizes), where there is a model ``keys`` (a JSON list of
published name and shape), inputs, and the outputs of the original implementation. A case builds the method at the
file's size, whatever that is, and returns its own outputs under the names of the stored ones.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.checkpoints.adapter import CheckpointAdapter
from models.errors import InputError

Outputs = dict[str, Any]
"""Name of a stored array → ours, a tensor or a NumPy array."""


class NotInstalledError(Exception):
    """A case needs something that this machine lacks; the message says what to install."""


@dataclass(frozen=True)
class Limit:
    """Allowed difference: ``absolute`` plus ``relative`` times the stored value; both 0 means equal."""

    absolute: float
    relative: float = 0.0

    def of(self, stored: np.ndarray) -> np.ndarray:
        """The allowed difference of every value."""
        return self.absolute + self.relative * np.abs(stored.astype(np.float64))

    def __str__(self) -> str:
        parts = [f"{self.absolute:.0e}"] if self.absolute else []
        parts += [f"{self.relative:.0e} relative"] if self.relative else []
        return " + ".join(parts) or "equal"


Limits = tuple[tuple[str, Limit], ...]
"""Regular expression for the whole name of an array, and its limit; the first that fits counts."""

GRADIENTS = (r".*grad_norms", Limit(1e-7, 1e-4))
"""The usual limit of gradient norms."""


@dataclass(frozen=True)
class Case:
    """How the arrays of a file are computed here, and how far they may be off.

    Attributes:
        compute: the file's vectors in, our arrays under the names of the stored ones out.
        limits: of the arrays; one that no pattern fits must be equal. Limits are for float32 on a CPU.
        not_ours: regular expression for the whole name of arrays that describe something that this suite does
            otherwise.
        reason: why these are not compared.
        update_limits: regular expression for a parameter's whole published name, and the limit of its entry in
            ``update_norms*``, where that is another one; None for entries that are rounding noise, which say
            nothing in ``param_norms*`` either.
    """

    compute: Callable[[Vectors], Outputs]
    limits: Limits = ()
    not_ours: str = ""
    reason: str = ""
    update_limits: tuple[tuple[str, Limit | None], ...] = ()

    def limit_of(self, array: str) -> Limit:
        """The limit of an array."""
        return next((limit for pattern, limit in self.limits if re.fullmatch(pattern, array)), Limit(0))

    def limits_of_entries(self, array: str, config: dict[str, Any]) -> dict[int, Limit | None]:
        """Place of an entry → its limit, where that is not the array's."""
        if not array.startswith(("update_norms", "param_norms")):
            return {}
        limits = [pair for pair in self.update_limits if array.startswith("update_norms") or pair[1] is None]
        places = enumerate(config.get("grad_param_names", []))
        found = [(place, limit) for place, name in places for key, limit in limits if re.fullmatch(key, name)]
        return dict(reversed(found))


class Vectors:
    """A file of golden vectors; it remembers which arrays were read, so that none goes unnoticed.

    Attributes:
        config: sizes and conditions.
        keys: published name and shape of every entry of the state dict.
        names: of all arrays.
        read: names of those that were asked for.
    """

    def __init__(self, path: Path) -> None:
        """Read a file.

        Raises:
            InputError: it is missing, or is not a file of golden vectors.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            self.config: dict[str, Any] = dict(json.loads(str(arrays.pop("config"))))
            self.keys: list[tuple[str, list[int]]] = json.loads(str(arrays.pop("keys", "[]")))
        except Exception as error:  # an empty or damaged file can raise almost anything
            raise InputError(f"{path} is no file of golden vectors: {' '.join(str(error).split())}") from error
        self._arrays = arrays
        self.names = list(arrays)
        self.read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.array(name))

    def array(self, name: str) -> np.ndarray:
        """The array as it is stored."""
        self.read.add(name)
        return self._arrays[name]

    def stored(self, name: str) -> np.ndarray:
        """An output to compare with; not counted as read."""
        return self._arrays[name]

    def weights(self, adapter: CheckpointAdapter, prefix: str = "") -> dict[str, Tensor]:
        """A state dict of the method, or of its part ``prefix``, every entry made from its published name."""
        fixed = adapter.fixed()
        entries = [(name, shape) for name, shape in self.keys if name not in fixed and not adapter.is_unused(name)]
        unknown = [name for name, _ in entries if adapter.our_name(name) is None]
        if unknown:
            raise ValueError(f"{adapter.method} has no name for {', '.join(unknown)}")
        return {
            str(adapter.our_name(name)).removeprefix(prefix): torch.from_numpy(weight_from_name(name, shape))
            for name, shape in entries
        }

    def grad_norms(self, adapter: CheckpointAdapter, module: nn.Module, prefix: str = "") -> Tensor:
        """Gradient norms by ``config["grad_param_names"]``; -1 where no gradient reaches a parameter."""
        named = dict(module.named_parameters())
        names = [adapter.our_name(published) or published for published in self.config["grad_param_names"]]
        parameters = [named.get(name.removeprefix(prefix)) for name in names]
        grads = [None if parameter is None else parameter.grad for parameter in parameters]
        return torch.stack([torch.tensor(-1.0) if grad is None else grad.norm() for grad in grads])


def loss_and_gradients(
    vectors: Vectors, adapter: CheckpointAdapter, module: nn.Module, loss: Tensor, prefix: str = ""
) -> Outputs:
    """``loss``, and the norms of its gradients; ``prefix`` as in ``Vectors.weights``."""
    loss.backward()
    return {"loss": loss, "grad_norms": vectors.grad_norms(adapter, module, prefix)}


def first_output(module: nn.Module, seen: Outputs, name: str) -> None:
    """Have ``module`` keep what it first returns in ``seen[name]``."""

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        seen.setdefault(name, output)

    module.register_forward_hook(keep)


def first_input(module: nn.Module, seen: Outputs, name: str) -> None:
    """Have ``module`` keep what it is first given in ``seen[name]``."""

    def keep(module: nn.Module, inputs: Any) -> None:
        seen.setdefault(name, inputs[0])

    module.register_forward_pre_hook(keep)


FIRST_VALUES = {"M": 1, **{f"layer_scale_{number}": 0.5 for number in range(1, 9)}}
"""Last word of a name → mean of its weights, where it is not 0: factors of nodes and of residuals."""
GAINS = {"PA": 5, "adj2": 5, "B": 50}
"""Last word of a name → factor on its weights: learned parts of graphs, random frequencies."""


def weight_from_name(name: str, shape: list[int]) -> np.ndarray:
    """The golden vectors' recipe: a weight drawn from its name, float32 (int64 0 for a batch counter)."""
    last = name.split(".")[-1]
    if last == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    drawn = rng.standard_normal(tuple(shape)).astype(np.float32) * np.float32(0.02)
    if last in FIRST_VALUES:
        return np.float32(FIRST_VALUES[last]) + drawn
    if last == "A_hat":
        return np.eye(shape[0], dtype=np.float32) + drawn
    if last == "a_2" or (len(shape) == 1 and name.endswith(".weight")):
        return np.float32(1) + drawn
    if last == "running_var":
        return np.float32(1) + np.abs(drawn)
    return drawn * np.float32(_gain(name, last, tuple(shape)))


def _gain(name: str, last: str, shape: tuple[int, ...]) -> float:
    """Factor on a weight of standard deviation 0.02."""
    if last in GAINS:
        return GAINS[last]
    if last == "W" and len(shape) == 3:
        return 1 / (0.02 * np.sqrt(shape[1]))
    if len(shape) == 1 or (last == "bias" and shape[:2] == (1, 1)):
        return 1
    if not name.endswith("weight") or name.endswith("token_embedding.weight"):
        return 25 if shape else 1
    if len(shape) == 4 and shape[:2] == (3, 1):
        return 1 / (0.02 * np.sqrt(3 * shape[2]))
    affinity = ".conv_a." in name or ".conv_b." in name
    gain = {2: 0.7, 4: 2.0 if affinity else 0.5}.get(len(shape), 1.0)
    return gain / (0.02 * np.sqrt(np.prod(shape[1:])))
