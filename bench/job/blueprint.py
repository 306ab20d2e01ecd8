"""Methods without values, on torch's ``meta`` device: what is known of them before they take memory or time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import NamedTuple

import psutil
import torch
from torch import nn
from torch.nn.modules import module as hooks

from bench.job.jobs import Training
from bench.job.method import build_lifter
from bench.measure.counts import Counts, count, made_up_batch, tensor_bytes
from models.errors import InputError
from models.lifter import Lifter, Sampling

MOST_MODULES = 4_000
"""A method of more parts is a mistyped depth; Python alone would need minutes and gigabytes for them."""

STATE = 4
"""A parameter is held so many times in training: as weight, as gradient, and twice in the optimiser's state."""

LARGEST_MEMORY = 2 * 10**12
"""Bytes that no machine has of which nothing is known here."""

GIGABYTE = 1e9
META = torch.device("meta")

_COUNTED: dict[tuple[object, ...], Counts | None] = {}
"""What was counted in this process: the same on every device."""


class Size(NamedTuple):
    """Bytes of a method.

    Attributes:
        stored: of its weights on the disk.
        trained: of the weights that are trained.
        state: that it takes while it is trained, apart from what a step computes.
    """

    stored: int
    trained: int
    state: int


class Blueprints:
    """Methods on the meta device, and what their steps and predictions need; each is built and counted once.

    What cannot be counted is None: a method may read values, which there are none of, or have an error in its
    code, which whoever runs it tells.

    Attributes:
        device: that is to compute; a CPU where nothing is known of it.
        memory: bytes of the device, or of the machine for a CPU.
        place: the device in words.
    """

    def __init__(self, device: torch.device | None) -> None:
        """``device``: that is to compute; None where another machine does."""
        self.device = device or torch.device("cpu")
        self.memory = LARGEST_MEMORY if device is None else memory_of(device)
        self.place = f"{device or 'any device'} with {self.memory / GIGABYTE:,.0f} GB"
        self._known: dict[tuple[object, ...], Lifter | InputError | None] = {}
        self._sizes: dict[Lifter, Size] = {}

    def lifter(self, training: Training) -> Lifter | None:
        """The method of a training.

        Raises:
            UnfitError: the method cannot take the joints or the actions of the data, or as ``build_lifter``.
            InputError: it needs more memory than the device has, or something that this machine lacks.
        """
        key = _key(training)
        if key not in self._known:
            try:
                self._known[key] = self._built(training)
            except InputError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, InputError):
            raise found
        return found

    def size(self, lifter: Lifter) -> Size:
        """Bytes of a method that ``lifter`` gave."""
        if lifter not in self._sizes:
            self._sizes[lifter] = _size_of(lifter)
        return self._sizes[lifter]

    def step(self, training: Training, windows: int) -> Counts | None:
        """A training step with this many windows."""
        lifter = self.lifter(training)
        if lifter is None:
            return None

        def call() -> None:
            lifter.train()
            lifter.training_loss(made_up_batch(lifter, windows, lifter.train_frames, True, META)).backward()
            lifter.zero_grad(set_to_none=True)

        return _counted_once(("step", windows, *_key(training)), call)

    def prediction(self, training: Training, windows: int, sampling: Sampling) -> Counts | None:
        """A prediction of this many windows."""
        lifter = self.lifter(training)
        if lifter is None:
            return None

        def call() -> None:
            lifter.eval()
            with torch.inference_mode():
                lifter.predict(made_up_batch(lifter, windows, lifter.frames, False, META), sampling)

        return _counted_once(("predict", windows, sampling, *_key(training)), call)

    def _built(self, training: Training) -> Lifter | None:
        title = training.lifter.title
        try:
            with _limited(self.memory), META, warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # weights of a text encoder are not copied
                lifter = build_lifter(training.lifter, training.config, training.data.skeleton).to(META)
        except _TooLargeError as error:
            raise InputError(f"{title}: {error}, too much for {self.place}: {way_out(training)}") from None
        except InputError as error:
            raise type(error)(f"{title}: {error}") from None
        except Exception as error:
            if "overflow" in str(error).lower():
                too_large = f"{title}: its weights are larger than any memory: {way_out(training)}"
                raise InputError(too_large) from None
            return None
        return lifter


def memory_of(device: torch.device) -> int:
    """Bytes of the device, or of the machine for a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total)


def _size_of(lifter: Lifter) -> Size:
    held = sum(map(tensor_bytes, (*lifter.parameters(), *lifter.buffers())))
    trained = sum(tensor_bytes(parameter) for parameter in lifter.parameters() if parameter.requires_grad)
    stored = sum(map(tensor_bytes, lifter.state_dict().values()))
    return Size(stored, trained, held + (STATE - 1) * trained)


def step_windows(training: Training, lifter: Lifter) -> int:
    """Windows of a training step."""
    return max(lifter.least_windows, round(training.recipe.windows_of_a_step(lifter.train_frames)))


def _counted_once(key: tuple[object, ...], call: Callable[[], object]) -> Counts | None:
    if key not in _COUNTED:
        _COUNTED[key] = count(call)
    return _COUNTED[key]


def _key(training: Training) -> tuple[object, ...]:
    return training.lifter, repr(training.config), training.data.skeleton.name


def way_out(training: Training) -> str:
    """What to do about a method that is too large: its options above those of ``tiny``, or of its first preset."""
    presets, config = training.lifter.presets, training.config
    usual = presets.get("tiny", next(iter(presets.values()))).config
    options = asdict(config) if type(usual) is type(config) else {}
    larger = [
        f"{name}={value}"
        for name, value in options.items()
        if isinstance(value, int | float) and value > (getattr(usual, name) or 0)
    ]
    return f"take less of method.options ({', '.join(larger)})" if larger else "take a smaller preset"


class _TooLargeError(Exception):
    pass


@contextmanager
def _limited(memory: int) -> Iterator[None]:
    """Stop the building of a module whose training would not fit into so many bytes, before its time is spent."""
    held, modules = 0, 0

    def count_parameter(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal held
        held += 0 if parameter is None else STATE * tensor_bytes(parameter)
        if held > memory:
            raise _TooLargeError(f"weights, gradients and optimiser need more than {held / GIGABYTE:,.0f} GB")

    def count_module(module: nn.Module, name: str, part: nn.Module | None) -> None:
        nonlocal modules
        modules += 1
        if modules > MOST_MODULES:
            raise _TooLargeError(f"it has more than {MOST_MODULES:,} layers")

    handles = [
        hooks.register_module_parameter_registration_hook(count_parameter),
        hooks.register_module_module_registration_hook(count_module),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
