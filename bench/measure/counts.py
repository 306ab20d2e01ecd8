"""What a call does, whatever the device, counted from the operators that it executes: operations, bytes, memory.

A storage counts once, however many views there are of it, from the operator that makes it until nothing refers to
it. What the call reads and did not make (weights, inputs, what the method keeps) counts all the time. Scratch
memory inside one operator is not seen. So memory is the same number every time.

B windows, H hypotheses, F frames, J joints.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from models.lifter import Batch, Lifter

UNCOUNTED_ATTENTION = (
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_fused_attention_overrideable",
)
"""Fused attention kernels for which torch's own counter has no formula and would report zero."""


class Executed(NamedTuple):
    """An operator that was executed.

    Attributes:
        func: the operator.
        args, kwargs, result: what it was given, and what it gave.
        given, made: the tensors among these.
    """

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    given: list[Tensor]
    made: list[Tensor]


See = Callable[[Executed], None]

_ELEMENTARY: set[Any] = set()
"""Operators that are not made of others."""

_RESULTS: dict[Hashable, Any] = {}
"""An operator and its arguments on the meta device → its results, ``_described``, where they share no memory."""


class Counts(NamedTuple):
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


def count(call: Callable[[], object]) -> Counts | None:
    """What a call does; None where it fails, because it reads values or for another reason."""
    results, flops, live = _Results(), Flops(), Live()
    try:
        with cycles_kept(), plain_transformer_layers(), Operators(results.add, flops.add, live.add):
            call()
    except Exception:  # whoever makes the call in earnest says what is wrong with it
        return None
    return Counts(results.calls, flops.total, results.moved, live.most)


def count_flops(call: Callable[[], object]) -> int:
    """Run ``call`` once and count 2 × multiply-accumulates of its matrix products, convolutions and attentions.

    Element-wise work (norms, activations, softmax, sampling noise) and Fourier transforms are not counted.
    """
    flops = Flops()
    with plain_transformer_layers(), Operators(flops.add):
        call()
    return flops.total


class LiveBytes(NamedTuple):
    """``peak``: of all tensors at the moment when there is most; ``added``: of it, those that the call made."""

    peak: int
    added: int


def live_bytes(call: Callable[[], object]) -> LiveBytes:
    """The most bytes of tensors that are alive at once while ``call`` runs; what it returns counts too."""
    live = Live()
    with cycles_kept(), Operators(live.add):
        call()
    return LiveBytes(live.read + live.most, live.most)


def made_up_batch(lifter: Lifter, windows: int, frames: int, truth: bool, device: torch.device) -> Batch:
    """Windows of random values, of none on the meta device. Only keys have values there: noise follows from them.

    Args:
        frames: output frames of a window.
        truth: with ground truth, as a training step has it.
    """
    left, right = lifter.context
    joints, further = len(lifter.skeleton.joints), lifter.random_frames

    def made_up(*shape: int) -> Tensor:
        return torch.randn(windows, *shape, device=device)

    return Batch(
        pose_2d=made_up(left + frames + right, joints, 2),
        actions=("Walking",) * windows,
        window_keys=torch.arange(windows),
        pose_3d=made_up(frames, joints, 3) if truth else None,
        trajectory=made_up(frames, 3) if truth else None,
        camera=made_up(9) if truth else None,
        confidence=made_up(left + frames + right, joints),
        random_2d=made_up(further, joints, 2) if further else None,
        random_3d=made_up(further, joints, 3) if further and truth else None,
    )


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes of the values of a tensor."""
    return tensor.numel() * tensor.element_size()


class Operators(TorchDispatchMode):
    """While it is on, every operator is shown, in parts where it is made of others."""

    def __init__(self, *see: See) -> None:
        super().__init__()
        self._see = see

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in _ELEMENTARY:
            with self:
                made_of_others = func.decompose(*args, **kwargs)
            if made_of_others is not NotImplemented:
                return made_of_others
            _ELEMENTARY.add(func)
        given = _tensors_in(args)
        if kwargs:
            given += _tensors_in(kwargs.values())
        result = _result(func, args, kwargs, given)
        executed = Executed(func, args, kwargs, result, given, _tensors_in((result,)))
        for see in self._see:
            see(executed)
        return result


def _tensors_in(values: Iterable[Any]) -> list[Tensor]:
    """The tensors among an operator's arguments or results, and in lists of them."""
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found += _tensors_in(value)
    return found


class _Results:
    """``calls``: operators that were executed; ``moved``: bytes of their results."""

    def __init__(self) -> None:
        self.calls = self.moved = 0

    def add(self, executed: Executed) -> None:
        self.calls += 1
        if not executed.func.is_view:
            self.moved += sum(map(tensor_bytes, executed.made))


class Flops:
    """``total``: of the operators that were added."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, executed: Executed) -> None:
        formula = _formulas().get(executed.func.overloadpacket)
        if formula is not None:
            self.total += int(formula(*executed.args, **executed.kwargs, out_val=executed.result))


class Live:
    """Storages that operators read and make.

    Attributes:
        read: bytes of storages that were there before.
        most: the most bytes of storages made here that were alive at once.
    """

    def __init__(self) -> None:
        self.read = self.most = self._now = 0
        self._sizes: dict[int, int] = {}  # id of a storage that was made here and is alive → its bytes
        self._ends: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self._before: dict[int, torch.UntypedStorage] = {}  # by id; kept, so that no other storage gets it

    def add(self, executed: Executed) -> None:
        """Note the storages that an operator has read and made."""
        for tensor in executed.given:
            storage = tensor.untyped_storage()
            if id(storage) not in self._sizes and id(storage) not in self._before:
                self._before[id(storage)] = storage
                self.read += storage.nbytes()
        for tensor in executed.made:
            storage = tensor.untyped_storage()
            if id(storage) not in self._before:
                self._note_made(storage)

    def _note_made(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key not in self._ends:
            self._ends[key] = weakref.ref(storage, lambda end: self._forget(key))
        self._now += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        self.most = max(self.most, self._now)

    def _forget(self, key: int) -> None:
        self._now -= self._sizes.pop(key)
        del self._ends[key]


@cache
def _makes_tensors(func: Any) -> bool:
    """Whether all that an operator gives is new: no view, nothing that is changed in place."""
    return not (func.is_view or func._schema.is_mutable)


def _result(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: Sequence[Tensor]) -> Any:
    """The result of an operator, from all its arguments and the tensors among them.

    On the meta device torch finds shapes in Python, at a tenth of a millisecond each. Methods consist of the same
    few operators again and again, so what was found once is kept.
    """
    if not given or not given[0].is_meta or not _makes_tensors(func):
        return func(*args, **kwargs)
    key = func, _described(args), *((name, _described(value)) for name, value in kwargs.items())
    if (known := _RESULTS.get(key)) is not None:
        again = [
            torch.empty_strided(shape, stride, dtype=kind, device=place) for shape, stride, kind, place in known
        ]
        return again[0] if len(again) == 1 else tuple(again)
    result = func(*args, **kwargs)
    parts = result if isinstance(result, tuple) and len(result) > 1 else (result,)
    if all(isinstance(part, Tensor) and part.is_meta for part in parts):
        read, made = ({id(tensor.untyped_storage()) for tensor in some} for some in (given, parts))
        if not read & made:
            _RESULTS[key] = _described(parts)
    return result


def _described(value: Any) -> Hashable:
    """What the shape of a result may depend on."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device
    if isinstance(value, (tuple, list)):
        return tuple(map(_described, value))
    return type(value), value


@cache
def _formulas() -> dict[Any, Callable[..., int]]:
    """Operator → function that counts its operations: those of torch, and those that it lacks."""
    own: dict[Any, Callable[..., int]] = dict.fromkeys((torch.ops.aten.mv, torch.ops.aten.dot), _product)
    for name in UNCOUNTED_ATTENTION:
        if hasattr(torch.ops.aten, name):
            own[getattr(torch.ops.aten, name)] = _attention
    return FlopCounterMode(display=False, custom_mapping=own).flop_registry


def _attention(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _product(left: torch.Size, *_: Any, **__: Any) -> int:
    return 2 * left.numel()


@contextmanager
def plain_transformer_layers() -> Iterator[None]:
    """Keep ``nn.TransformerEncoderLayer`` from running as one opaque operation, which would count as zero."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def cycles_kept() -> Iterator[None]:
    """Keep Python from freeing cycles in between: when it does so depends on what ran before."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
