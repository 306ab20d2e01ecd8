"""The operators that a call executes, shown to those who count."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

See = Callable[[Any, tuple[Any, ...], dict[str, Any], Any], None]
"""Is told of an operator, its positional and named arguments, and its result."""

_RESULTS: dict[Hashable, Any] = {}
"""An operator and its arguments on the meta device → its results, ``_described``, where they share no memory."""


class Operators(TorchDispatchMode):
    """While it is on, every operator is shown, in parts where it is made of others."""

    def __init__(self, *see: See) -> None:
        super().__init__()
        self._see = see

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        with self:
            made_of_others = func.decompose(*args, **kwargs)
        if made_of_others is not NotImplemented:
            return made_of_others
        result = _result(func, args, kwargs)
        for see in self._see:
            see(func, args, kwargs, result)
        return result


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors among an operator's arguments or results."""
    if isinstance(value, Tensor):
        return [value]
    found: list[Tensor] = []
    if isinstance(value, (tuple, list)):
        for part in value:
            found += tensors_in(part)
    return found


@cache
def _makes_tensors(func: Any) -> bool:
    """Whether all that an operator gives is new: no view, nothing that is changed in place."""
    return not (func.is_view or func._schema.is_mutable)


def _result(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of an operator.

    On the meta device torch finds shapes in Python, at a tenth of a millisecond each. Methods consist of the same
    few operators again and again, so what was found once is kept.
    """
    given = tensors_in((args, *kwargs.values()))
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
