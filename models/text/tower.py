"""CLIP's text tower (Radford et al., arXiv:2103.00020, section 2.4), with OpenAI's names of its weights.

N texts, R rows, W width, h heads, d = W / h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.text.encoder import CONTEXT, TextEncoder


@dataclass(frozen=True)
class TowerSize:
    """``width`` W, ``layers``, ``heads`` of every layer, ``vocabulary``: number of tokens."""

    width: int = 512
    layers: int = 12
    heads: int = 8
    vocabulary: int = 49408


class CausalAttention(nn.Module):
    """Self-attention ``[N, R, W]`` in which a row sees itself and the rows before it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, rows: Tensor) -> Tensor:
        N, R, W = rows.shape
        joint = functional.linear(rows, self.in_proj_weight, self.in_proj_bias)
        parts = joint.view(N, R, 3, self.heads, W // self.heads)  # [N, R, 3·W] → [N, R, 3, h, d]
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # [N, R, 3, h, d] → [3, N, h, R, d]
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out_proj(mixed.transpose(1, 2).reshape(N, R, W))  # [N, h, R, d] → [N, R, h, d] → [N, R, W]


class QuickMlp(nn.Module):
    """Two linear layers with CLIP's sigmoid approximation of GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, rows: Tensor) -> Tensor:
        hidden = self.c_fc(rows)
        return self.c_proj(hidden * torch.sigmoid(1.702 * hidden))


class ResidualBlock(nn.Module):
    """Pre-norm transformer layer ``[N, R, W]``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = CausalAttention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = QuickMlp(width)
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, rows: Tensor) -> Tensor:
        rows = rows + self.attn(self.ln_1(rows))
        return rows + self.mlp(self.ln_2(rows))


class TextTower(TextEncoder):
    """The tower up to its final norm, without pooling or projection. It is built with weights that are not set.

    ``tokenizer`` maps a text to at most 77 ids, of which the end of the text is the largest.
    """

    def __init__(self, title: str, size: TowerSize, tokenizer: Callable[[str], list[int]]) -> None:
        super().__init__()
        self.title, self.width, self.tokenizer = title, size.width, tokenizer
        with torch.device("meta"):
            self.token_embedding = nn.Embedding(size.vocabulary, size.width)
            self.positional_embedding = nn.Parameter(torch.empty(CONTEXT, size.width))
            blocks = [ResidualBlock(size.width, size.heads) for _ in range(size.layers)]
            self.transformer = nn.ModuleDict({"resblocks": nn.Sequential(*blocks)})
            self.ln_final = nn.LayerNorm(size.width)
        self.to_empty(device="cpu")

    def token_ids(self, text: str) -> list[int]:
        return self.tokenizer(text)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.token_embedding(tokens)

    def encode(self, embeddings: Tensor) -> Tensor:
        return self.ln_final(self.transformer["resblocks"](embeddings + self.positional_embedding))

    def pooling_row(self, tokens: Tensor) -> Tensor:
        return tokens.argmax(dim=-1)
