"""Tensors that are computed once for each text and then kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from models.inference import full_precision

Results = TypeVar("Results", bound=tuple[Tensor, ...])


class TextCache:
    """Tensors by text, dropped as soon as a parameter that they were computed from changes or moves.

    A fused optimiser changes parameters unnoticed; after its steps, ``clear`` has to be called.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._parameters = list(parameters)
        self._state: list[tuple[int, int]] = []
        self._results: dict[str, tuple[Tensor, ...]] = {}

    def clear(self) -> None:
        """Drop all of them."""
        self._results = {}

    def get(self, texts: list[str], compute: Callable[[list[str]], Results]) -> Results:
        """What ``compute`` gives for texts, one row a text; computed for new ones only, without gradients.

        Computed in full precision also under autocast, so that it does not depend on which caller came first.
        """
        state = [(parameter.data_ptr(), parameter._version) for parameter in self._parameters]
        if state != self._state:
            self._state, self._results = state, {}
        new = [text for text in texts if text not in self._results]
        if new:
            device = self._parameters[0].device
            with torch.inference_mode(False), torch.no_grad(), full_precision(device):
                results = compute(new)
            self._results |= zip(new, zip(*results, strict=True), strict=True)
        rows = zip(*(self._results[text] for text in texts), strict=True)
        return cast(Results, tuple(torch.stack(same) for same in rows))  # U times [...] → [U, ...]
