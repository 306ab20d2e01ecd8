"""Methods without values, on torch's ``meta`` device: what is known of them before they take memory or time.

B windows, H hypotheses, F frames, J joints.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import psutil
import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.utils._python_dispatch import TorchDispatchMode

from bench.job.resolve import Job, Training
from bench.measure.flops import count_flops
from models.errors import InputError
from models.lifter import Batch, Lifter, Sampling

MOST_MODULES = 4_000
"""A method of more parts is a mistyped depth; Python alone would need minutes and gigabytes for them."""

STATE = 4
"""A parameter is held so many times in training: as weight, as gradient, and twice in the optimiser's state."""

LARGEST_MEMORY = 2 * 10**12
"""Bytes that no machine has of which nothing is known here."""

GIGABYTE = 1e9

Found = TypeVar("Found")


@dataclass(frozen=True)
class Counts:
    """What a call does, whatever the device.

    Attributes:
        calls: operations of torch.
        flops: floating-point operations.
        moved: bytes of all results.
        peak: most bytes of results that were held at the same time.
    """

    calls: int
    flops: int
    moved: int
    peak: int


class Blueprints:
    """Methods on the meta device, and what their steps and predictions need; each is built and counted once.

    What cannot be counted (a method may read values, which there are none of) is None.

    Attributes:
        memory: bytes of the device, or of the machine for a CPU.
        place: the device in words.
    """

    def __init__(self, device: torch.device | None) -> None:
        """``device``: that is to compute; None where another machine does."""
        self.memory = LARGEST_MEMORY if device is None else memory_of(device)
        self.place = f"{device or 'any device'} with {self.memory / GIGABYTE:,.0f} GB"
        self._known: dict[tuple[object, ...], Any] = {}

    def lifter(self, training: Training) -> Lifter:
        """The method of a training.

        Raises:
            UnfitError: the method cannot take the joints or the actions of the data.
            InputError: it needs more memory than the device has, or something that this machine lacks.
        """
        return self._once(("lifter", *_key(training)), lambda: self._built(training))

    def step(self, training: Training, windows: int) -> Counts | None:
        """A training step with this many windows."""
        lifter = self.lifter(training)

        def call() -> None:
            lifter.train()
            lifter.training_loss(_batch(lifter, windows, lifter.train_frames, truth=True)).backward()
            lifter.zero_grad(set_to_none=True)

        return self._once(("step", windows, *_key(training)), lambda: _counted(call))

    def prediction(self, job: Job, windows: int, sampling: Sampling) -> Counts | None:
        """A prediction of this many windows."""
        lifter = self.lifter(job.training)

        def call() -> None:
            lifter.eval()
            with torch.inference_mode():
                lifter.predict(_batch(lifter, windows, lifter.frames, truth=False), sampling)

        return self._once(("predict", windows, sampling, *_key(job.training)), lambda: _counted(call))

    def _once(self, key: tuple[object, ...], find: Callable[[], Found]) -> Found:
        if key not in self._known:
            try:
                self._known[key] = find()
            except InputError as error:
                self._known[key] = error
        found: Found = self._known[key]
        if isinstance(found, InputError):
            raise found
        return found

    def _built(self, training: Training) -> Lifter:
        title = training.lifter.title
        try:
            with _limited(self.memory), torch.device("meta"), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # weights of a text encoder are not copied
                lifter = training.lifter(training.config, training.skeleton).to("meta")
        except _TooLargeError as error:
            raise InputError(f"{title}: {error}, too much for {self.place}: {way_out(training)}") from None
        except InputError as error:
            raise type(error)(f"{title}: {error}") from None
        except (RuntimeError, TypeError, OverflowError, MemoryError) as error:
            if "overflow" not in str(error).lower():
                raise
            raise InputError(f"{title}: its weights are larger than any memory: {way_out(training)}") from None
        return lifter


def memory_of(device: torch.device) -> int:
    """Bytes of the device, or of the machine for a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total)


def state_bytes(lifter: Lifter) -> int:
    """Bytes that a method takes while it is trained, apart from what a step computes."""
    held = sum(_size(tensor) for tensor in (*lifter.parameters(), *lifter.buffers()))
    trained = sum(_size(parameter) for parameter in lifter.parameters() if parameter.requires_grad)
    return held + (STATE - 1) * trained


def step_windows(training: Training, lifter: Lifter) -> int:
    """Windows of a training step."""
    return max(lifter.least_windows, training.recipe.batch_frames // lifter.train_frames)


def _key(training: Training) -> tuple[object, ...]:
    return training.lifter, repr(training.config), training.skeleton.name


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def way_out(training: Training) -> str:
    """What to do about a method that is too large: its options that are above those of the smallest preset."""
    usual = training.lifter.presets["tiny"].config
    names = [field.name for field in fields(usual)] if type(usual) is type(training.config) else []
    changed = {name: getattr(training.config, name) for name in names}
    larger = [
        f"{name}={value}"
        for name, value in changed.items()
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
        held += 0 if parameter is None else STATE * _size(parameter)
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


def _batch(lifter: Lifter, windows: int, frames: int, truth: bool) -> Batch:
    """Windows without values; keys have some, because noise is drawn for them on the CPU."""
    left, right = lifter.context
    joints, further = len(lifter.skeleton.joints), lifter.random_frames

    def empty(*shape: int) -> Tensor:
        return torch.empty(windows, *shape, device="meta")

    return Batch(
        pose_2d=empty(left + frames + right, joints, 2),
        actions=("Walking",) * windows,
        window_keys=torch.arange(windows),
        pose_3d=empty(frames, joints, 3) if truth else None,
        trajectory=empty(frames, 3) if truth else None,
        camera=empty(9) if truth else None,
        confidence=empty(left + frames + right, joints),
        random_2d=empty(further, joints, 2) if further else None,
        random_3d=empty(further, joints, 3) if further and truth else None,
    )


def _counted(call: Callable[[], None]) -> Counts | None:
    counter = _Counter()
    try:
        with counter:
            flops = count_flops(call)
    except (RuntimeError, NotImplementedError, InputError):  # it reads values, or was not trained
        return None
    return Counts(counter.calls, flops, counter.moved, counter.peak)


class _Counter(TorchDispatchMode):
    """Counts what is computed while it is on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.moved = self.held = self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls += 1
        if not func.is_view:
            for tensor in result if isinstance(result, tuple | list) else (result,):
                if isinstance(tensor, Tensor):
                    self._add(tensor)
        return result

    def _add(self, tensor: Tensor) -> None:
        size = _size(tensor)
        self.moved += size
        storage = tensor.untyped_storage()
        if getattr(storage, "counted", False):
            return
        storage.counted = True
        self.held += size
        self.peak = max(self.peak, self.held)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.held -= size
