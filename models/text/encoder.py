"""The interface of text encoders, and the table of those there are.

N texts, R = 77 rows of a text, W width of the encoder.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Self, cast

from torch import Tensor, nn

from models.errors import InputError

CONTEXT = 77

ENCODERS = {
    "tiny": "models.text.tiny:tiny_encoder",
    "clip": "models.text.clip:clip_encoder",
    "minilm": "models.text.minilm:minilm_encoder",
}


class TextEncoder(nn.Module):
    """A frozen text transformer that also takes embeddings that no text has, and passes gradients to them.

    Attributes:
        title: what a table's notes call it.
        width: W.
    """

    title: str
    width: int

    def tokenize(self, texts: list[str]) -> Tensor:
        """Token ids ``[N, 77]`` int64 on the encoder's device, padded; longer texts are cut."""
        raise NotImplementedError

    def embed(self, tokens: Tensor) -> Tensor:
        """Token embeddings ``[N, 77, W]``, without positions."""
        raise NotImplementedError

    def encode(self, embeddings: Tensor) -> Tensor:
        """Features ``[N, 77, W]`` of embeddings ``[N, 77, W]``, differentiable in them."""
        raise NotImplementedError

    def pooling_row(self, tokens: Tensor) -> Tensor:
        """Row ``[N]`` of each token list that stands for the whole text."""
        raise NotImplementedError

    def freeze(self) -> TextEncoder:
        """The same encoder, its weights marked as never trained."""
        return self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode: a frozen encoder has no dropout."""
        return super().train(False)


def pretrained_encoder() -> str:
    """ "clip" where its weights are, else "minilm" where its package is installed.

    "clip" too where neither is: building it then says what to install.
    """
    from models.text.clip import find_weights
    from models.text.minilm import model_folder

    for name, find in (("clip", find_weights), ("minilm", model_folder)):
        try:
            find()
        except InputError:
            continue
        return name
    return "clip"


def text_encoder(name: str) -> TextEncoder:
    """A frozen encoder by name.

    Raises:
        InputError: no encoder has this name, or its weights or packages are absent.
    """
    if name not in ENCODERS:
        raise InputError(f"unknown text encoder {name!r}: take one of {', '.join(ENCODERS)}")
    module, _, function = ENCODERS[name].partition(":")
    build = cast(Callable[[], TextEncoder], getattr(importlib.import_module(module), function))
    return build().freeze()
