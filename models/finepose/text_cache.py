"""Results that are computed once for each text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

Results = TypeVar("Results", bound=tuple[Tensor, ...])


class Memory:
    """Tensors by text, forgotten as soon as a parameter that they came from changes or moves."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._parameters = list(parameters)
        self._state: list[tuple[int, int]] = []
        self._results: dict[str, tuple[Tensor, ...]] = {}

    def recall(self, texts: list[str], compute: Callable[[list[str]], Results]) -> Results:
        """What ``compute`` gives for texts, one text a row; computed for new ones only, without gradients.

        Full precision whatever the caller's, so that what is remembered does not depend on who asked first.
        """
        state = [(parameter.data_ptr(), parameter._version) for parameter in self._parameters]
        if state != self._state:
            self._state, self._results = state, {}
        new = [text for text in texts if text not in self._results]
        if new:
            device = self._parameters[0].device.type
            with torch.inference_mode(False), torch.no_grad(), torch.autocast(device, enabled=False):
                results = compute(new)
            self._results |= zip(new, zip(*results, strict=True), strict=True)
        rows = zip(*(self._results[text] for text in texts), strict=True)
        return cast(Results, tuple(torch.stack(same) for same in rows))
