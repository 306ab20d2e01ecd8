"""The interface of text encoders: a text becomes 77 rows of features.

N texts, R = 77 rows of a text, W width of the encoder.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

CONTEXT = 77  # R, the rows that every text fills, start and end token included


class TextEncoder(nn.Module):
    """A frozen text transformer; it takes embeddings, learned ones too, and passes gradients to them.

    Attributes:
        title: what a table's notes call it.
        width: W.
    """

    title: str
    width: int

    def token_ids(self, text: str) -> list[int]:
        """Ids of the tokens of a text, 77 at most: a longer text is cut."""
        raise NotImplementedError

    def tokenize(self, texts: list[str]) -> Tensor:
        """Token ids ``[N, 77]`` int64 on the encoder's device, padded with 0."""
        tokens = torch.zeros(len(texts), CONTEXT, dtype=torch.int64)
        for row, text in zip(tokens, texts, strict=True):
            ids = self.token_ids(text)
            row[: len(ids)] = torch.tensor(ids)
        return tokens.to(next(self.parameters()).device, non_blocking=True)

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
        """Stays in evaluation mode, whatever ``mode``: a frozen encoder has no dropout."""
        return super().train(False)


def find_in_package(package: str, name: str) -> Path | None:
    """A file or folder that an installed package carries, found without importing it; None if it is not there."""
    found = importlib.util.find_spec(package)
    folders = found.submodule_search_locations if found is not None else None
    return next((path for folder in folders or () if (path := Path(folder, name)).exists()), None)
