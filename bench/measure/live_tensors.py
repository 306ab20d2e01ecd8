"""Bytes of the tensors that a call holds at once, counted: the same number every time.

A storage counts once, however many views there are of it, from the operator that makes it until nothing refers to
it. What the call reads and did not make (weights, inputs, what the method keeps) counts all the time. Scratch
memory inside one operator is not seen.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

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

    def add(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Note the storages that an operator has read and made."""
        for tensor in tensors_in((args, *kwargs.values())):
            storage = tensor.untyped_storage()
            if id(storage) not in self._sizes and id(storage) not in self._before:
                self._before[id(storage)] = storage
                self.read += storage.nbytes()
        for tensor in tensors_in(result):
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
