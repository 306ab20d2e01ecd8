"""Fine-grained prompt-pose communication (FPC): pose tokens attend to the rows of a text.

N windows (with their hypotheses), F frames, J joints, C channels; U texts, R rows, W width of the text.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from models.layers.linear import Linear


class TextCrossAttention(nn.Module):
    """Softmax attention from poses to text (arXiv:2405.05216, section 3.3), without mask or positions."""

    def __init__(self, channels: int, text_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.text_norm = nn.LayerNorm(text_width)
        self.query = Linear(channels, channels)
        self.key = Linear(text_width, channels)
        self.value = Linear(text_width, channels)

    def read(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, ``[U, heads, R, C / heads]``, of text features ``[U, R, W]``."""
        text = self.text_norm(text)
        keys, values = (
            layer(text).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.key, self.value)
        )
        return keys, values

    def forward(self, tokens: Tensor, keys: Tensor, values: Tensor, texts: Tensor) -> Tensor:
        """Tokens ``[N, F, J, C]`` to what they read, of the same shape.

        ``texts`` is ``[N, 1]``, the number of the text that a window meets, or ``[N, J]``, that each joint meets.
        """
        N, F, J, C = tokens.shape
        groups = texts.shape[1]
        query = self.query(self.norm(tokens)).view(N, F * J // groups, groups * self.heads, C // self.heads)
        read = functional.scaled_dot_product_attention(
            query.transpose(1, 2), keys[texts].flatten(1, 2), values[texts].flatten(1, 2)
        )
        return read.transpose(1, 2).reshape(N, F, J, C)
