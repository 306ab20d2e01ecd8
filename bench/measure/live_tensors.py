"""Bytes of the tensors that a call holds at once, counted: the same number every time.

A storage counts once, however many views there are of it, from the operator that makes it until nothing refers to
it. What the call reads and did not make (weights, inputs, what the method keeps) counts all the time. Scratch
memory inside one operator is not seen.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch.utils.weak import WeakIdKeyDictionary

from bench.measure.operators import Operators, tensors_in


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


class _Sizes(dict[Any, int]):
    """Numbers with their sum at hand: adding up thousands of tensors after each operation would take minutes."""

    total = 0

    def __setitem__(self, key: Any, value: int) -> None:
        self.total += value - self.get(key, 0)
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.total -= self[key]
        super().__delitem__(key)


class Live:
    """Storages that operators read and make.

    Attributes:
        read: bytes of storages that were there before.
        most: the most bytes of storages made here that were alive at once.
    """

    def __init__(self) -> None:
        self.read = self.most = 0
        self._made = WeakIdKeyDictionary()  # storage → its bytes, as long as something refers to it
        self._made.data = self._sizes = _Sizes()
        self._before: dict[int, torch.UntypedStorage] = {}  # by id; kept, so that no other storage gets it

    def add(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Note the storages that an operator has read and made."""
        for tensor in tensors_in((args, tuple(kwargs.values()))):
            storage = tensor.untyped_storage()
            if id(storage) not in self._before and storage not in self._made:
                self._before[id(storage)] = storage
                self.read += storage.nbytes()
        for tensor in tensors_in(result):
            storage = tensor.untyped_storage()
            if id(storage) not in self._before:
                self._made[storage] = storage.nbytes()
                self.most = max(self.most, self._sizes.total)
