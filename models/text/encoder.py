"""The interface of text encoders: a text becomes 77 rows of features.

N texts, R = 77 rows of a text, W width of the encoder.
"""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn

CONTEXT = 77
"""R, the rows that every text fills, start and end token included."""


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
