"""Fine-grained part-aware prompt learning (FPP): from an action word to text features.

A prompt is 77 rows of embeddings: for each part some learnable rows, then the tokens of a few words (FinePOSE,
arXiv:2405.05216, section 3.2). U distinct texts, R = 77 rows, W width of the text encoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.errors import InputError
from models.finepose.text_cache import TextCache
from models.skeleton import MPI_INF_3DHP, Skeleton
from models.text.encoder import CONTEXT, TextEncoder

ROWS_STD = 0.02


@dataclass(frozen=True)
class Part:
    """One part of a prompt.

    Attributes:
        name: of the part.
        rows: learnable rows in front of the words.
        text: the words, ``{action}`` standing for the action class; empty for none.
        kept: tokens of the words that are kept, start token included.
    """

    name: str
    rows: int
    text: str = ""
    kept: int = 4


_LIMBS = (Part("head", 6, "head"), Part("body", 6, "body"), Part("arm", 10, "arm"), Part("leg", 10, "leg"))

PROMPTS: dict[str, tuple[Part, ...]] = {
    "none": (),
    "manual": (Part("sentence", 0, "A person is performing the action {action}.", kept=CONTEXT),),
    "action": (Part("verb", 73, "{action}"),),
    "coarse": (Part("subject", 21, "A person"), Part("verb", 22, "{action}"), Part("speed", 22, "speed")),
    "learnable": (Part("free", CONTEXT, kept=0),),
    "full": (Part("subject", 3, "A person"), Part("verb", 8, "{action}"), Part("speed", 6, "speed"), *_LIMBS),
}

FULL_WITHOUT_ACTION = (
    Part("subject", 5, "A person"),
    Part("speed", 8, "speed"),
    Part("head", 8, "head"),
    Part("body", 8, "body"),
    Part("arm", 12, "arm"),
    Part("leg", 12, "leg"),
)


def prompt_parts(variant: str, skeleton: Skeleton) -> tuple[Part, ...]:
    """Parts of one of ``PROMPTS``; the full one for MPI-INF-3DHP's skeleton is the published one without verb."""
    if variant == "full" and skeleton.name == MPI_INF_3DHP.name:
        return FULL_WITHOUT_ACTION
    return PROMPTS[variant]


def names_action(parts: tuple[Part, ...]) -> bool:
    """Whether a prompt of these parts depends on the action."""
    return any("{action}" in part.text for part in parts)


class PromptLearning(nn.Module):
    """Prompts of actions, encoded by the frozen text encoder and then by a small trained one.

    With ``learned`` the learnable rows are trained, their gradients passing through the frozen encoder, as the
    paper describes; without, they keep their first values, as in the released code, where the encoder runs without
    gradients. What cannot change in training is encoded once.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        parts: tuple[Part, ...],
        layers: int,
        heads: int,
        learned: bool,
        shuffled: bool = False,
    ) -> None:
        """``shuffled``: every part's learnable rows are followed by the next part's words, a counterfactual."""
        super().__init__()
        W = encoder.width
        if W % heads:
            raise InputError(f"text_heads is {heads}, but must divide {W}, the width of the text encoder")
        self.encoder = encoder
        self.parts = parts
        self.words = parts[1:] + parts[:1] if shuffled else parts
        self.rows = nn.ParameterDict(
            {part.name: nn.Parameter(ROWS_STD * torch.randn(part.rows, W)) for part in parts if part.rows}
        ).requires_grad_(learned)
        layer = nn.TransformerEncoderLayer(W, heads, 4 * W, dropout=0.0, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(W)
        self.constant = not learned or not self.rows
        self.embedded = TextCache(encoder.parameters())
        self.encoded = TextCache([*encoder.parameters(), *self.rows.values()])
        self.refined = TextCache(self.parameters())

    def forward(self, actions: list[str]) -> tuple[Tensor, Tensor]:
        """Text features ``[U, R, W]`` of distinct actions, and the row ``[U, W]`` that stands for the whole text.

        Without gradients each action is computed once.
        """
        return self.refine(actions) if torch.is_grad_enabled() else self.refined.get(actions, self.refine)

    def train(self, mode: bool = True) -> PromptLearning:
        """Switch between training and evaluation; before that, an optimiser may have changed the parameters."""
        self.refined.clear()
        return super().train(mode)

    def refine(self, actions: list[str]) -> tuple[Tensor, Tensor]:
        """What ``forward`` gives, not taken from the cache."""
        if self.constant:
            encoded, pooling = self.encoded.get(actions, self.encode)
        else:
            encoded, pooling = self.encode(actions)
        features = self.norm(self.layers(encoded))
        return features, features[torch.arange(len(features), device=features.device), pooling]

    def encode(self, actions: list[str]) -> tuple[Tensor, Tensor]:
        """Rows of the frozen encoder ``[U, R, W]``, and the number ``[U]`` of the pooled one.

        That is the row where the action's own token list ends (the published rule), or the last row where no
        action is named.
        """
        embedded, pooling = self.embedded.get(actions, self.embed_words)  # [U, k of all parts, W]
        kept = [words.kept if words.text else 0 for words in self.words]
        rows = []  # r learnable rows and k tokens of words a part
        for part, words in zip(self.parts, embedded.split(kept, dim=1), strict=True):
            if part.rows:
                rows.append(self.rows[part.name].expand(len(actions), -1, -1))  # [r, W] → [U, r, W]
            rows.append(words)
        return self.encoder.encode(torch.cat(rows, dim=1)), pooling  # r + k of all parts: [U, R, W]

    def embed_words(self, actions: list[str]) -> tuple[Tensor, Tensor]:
        """Embeddings of the words of all parts and the number of the pooled row, which no training changes."""
        device = self.norm.weight.device
        pooling = torch.full((len(actions),), CONTEXT - 1, device=device)
        embedded = [torch.empty(len(actions), 0, self.encoder.width, device=device)]
        for words in self.words:
            if words.text:
                tokens = self.encoder.tokenize([words.text.format(action=action) for action in actions])
                embedded.append(self.encoder.embed(tokens)[:, : words.kept])  # [U, R, W] → [U, k, W]
                if "{action}" in words.text:
                    pooling = self.encoder.pooling_row(tokens)
        return torch.cat(embedded, dim=1), pooling
