"""Fine-grained prompt-pose communication (FPC): pose tokens attend to the rows of a text.

N rows (a window and a hypothesis each), F frames, J joints, C channels, h heads, d = C / h; U texts, R rows and W
width of a text.
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

    def keys_values(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, ``[U, h, R, d]``, of text features ``[U, R, W]``."""
        text = self.text_norm(text)
        return self._heads(self.key(text)), self._heads(self.value(text))

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [U, R, C] → [U, R, h, d] → [U, h, R, d]

    def forward(self, tokens: Tensor, keys: Tensor, values: Tensor, texts: Tensor) -> Tensor:
        """What tokens ``[N, F, J, C]`` read in their texts, of the same shape.

        Args:
            keys, values: of the texts, ``[U, h, R, d]``.
            texts: ``[N, 1]``, the number of the text that a row reads, or ``[N, J]``, that each joint reads.
        """
        N, F, J, C = tokens.shape
        G = texts.shape[1]  # 1 group of all tokens, or J groups: the groups become further heads
        query = self.query(self.norm(tokens))
        query = query.view(N, F * J // G, G * self.heads, C // self.heads)  # [N, F, J, C] → [N, F·J/G, G·h, d]
        key, value = (  # [U, h, R, d] → [N·G, h, R, d] → [N, G·h, R, d]
            rows.index_select(0, texts.flatten()).view(N, G * self.heads, *rows.shape[2:])
            for rows in (keys, values)
        )
        # [N, F·J/G, G·h, d] → [N, G·h, F·J/G, d]
        mixed = functional.scaled_dot_product_attention(query.transpose(1, 2), key, value)
        return mixed.transpose(1, 2).reshape(N, F, J, C)  # [N, G·h, F·J/G, d] → [N, F·J/G, G·h, d] → [N, F, J, C]
