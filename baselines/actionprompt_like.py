"""Action prompts, this suite's own reading of the idea of ActionPrompt (Zheng et al., ICME 2023).

ActionPrompt has no public code, and its paper could not be read: nothing here reproduces its numbers. Taken over
is the idea that texts of action labels and pose patterns of an action help to lift. The action is *recognised* in
the 2D poses, so that a prediction needs no label; ``label=given`` gives it, ``prompts=false`` leaves MixSTE.

Where its parts are:

- this file: the options, recognition by texts, patterns of an action, the loss.
- ``baselines.mixste``: the network in which they are placed, and the loss of poses.
- ``models.text``: the frozen text encoders; ``models.finepose.text_cache`` keeps features of texts.
- ``models.inference``: prediction (mean over mirror images).

B windows, F frames, J joints, C channels, h heads, d = C / h, A actions, P patterns of an action, R rows and W
width of a text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.mixste import MixSTE, mixste_loss
from models.config import check_at_least, check_one_of
from models.errors import InputError
from models.finepose.text_cache import TextCache
from models.inference import flip_average, root_at_origin
from models.layers.linear import Linear
from models.layers.transformer import BLOCK_EPS, TrunkConfig, attend
from models.lifter import Batch, Preset, Sampling
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton
from models.text import AUTO, ENCODERS, name_here, text_encoder
from models.text.encoder import CONTEXT, TextEncoder

TEMPERATURE = 0.07
"""Cosines are divided by it (CLIP's initial value, arXiv:2103.00020, section 2.5)."""
IMPOSSIBLE = -1e4
"""Score of a row of the table that no action has."""
ROWS_STD = 0.02
SMALLER: dict[str, Any] = {"text": "semantic", "context_rows": 4, "patterns": 4}
SIZES = {"tiny": SMALLER, "small": SMALLER}
"""Options of the prompts that a preset changes."""


@dataclass(frozen=True)
class ActionPromptConfig(TrunkConfig):
    """Size of MixSTE's trunk and of the prompts.

    Attributes:
        prompts: without them the method is MixSTE.
        label: whose patterns the tokens read: of the actions as ``recognised``, by their probabilities, or of the
            label as ``given``.
        text: name of the frozen text encoder; "auto" for the one that this machine has, which ``resolve_config``
            settles.
        actions: A, the most actions that training data may have.
        context_rows: learnable rows in front of a label.
        patterns: P.
        recognition_weight: of the cross entropy beside the loss of poses.
    """

    prompts: bool = True
    label: str = "recognised"
    text: str = AUTO
    actions: int = 15
    context_rows: int = 8
    patterns: int = 8
    recognition_weight: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of(self, ("recognised", "given"), "label")
        check_one_of(self, (*ENCODERS, AUTO), "text")
        check_at_least(self, 1, "context_rows", "patterns")
        check_at_least(self, 2, "actions")
        check_at_least(self, 0, "recognition_weight")
        if self.context_rows > CONTEXT // 2:
            raise InputError(f"context_rows is {self.context_rows}, but a label needs room: take 8")


class ActionTexts(nn.Module):
    """Texts of the known actions: learned rows and the label, through a frozen encoder (arXiv:2109.01134).

    ``labels`` are the tokens of the labels ``[A, R]``; a row of zeros is no action.
    """

    def __init__(self, encoder: TextEncoder, actions: int, context_rows: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.context = nn.Parameter(ROWS_STD * torch.randn(context_rows, encoder.width))
        self.register_buffer("labels", torch.zeros(actions, CONTEXT, dtype=torch.int64))
        self.encoded = TextCache([*encoder.parameters(), self.context])

    def train(self, mode: bool = True) -> ActionTexts:
        self.encoded.clear()  # a fused step of the optimiser changes parameters without a sign
        return super().train(mode)

    def learn(self, words: tuple[str, ...]) -> None:
        """Take over the labels; there is room for them."""
        labels = self.get_buffer("labels").zero_()
        labels[: len(words)] = self.encoder.tokenize(list(words)).to(labels.device)
        self.encoded = TextCache([*self.encoder.parameters(), self.context])

    def known(self) -> Tensor:
        """Which rows are actions, ``[A]``; all of them before there is a label, so that costs can be measured."""
        known = self.get_buffer("labels").any(dim=1)
        return known | ~known.any()

    def numbers(self, words: tuple[str, ...]) -> Tensor:
        """Which action each of B words is: ``[B, A]``, a row's sum 1, or 0 for a word that is no action."""
        distinct = sorted(set(words))
        tokens = self.encoder.tokenize(distinct)
        same = (tokens[:, None] == self.get_buffer("labels")).all(dim=-1)  # [U, 1, R] and [A, R] → [U, A]
        rows = torch.tensor([distinct.index(word) for word in words]).to(same.device, non_blocking=True)
        shares = same / same.sum(dim=1, keepdim=True).clamp(min=1)  # two labels may have the same tokens
        return shares[rows]  # [U, A] → [B, A]

    def forward(self) -> Tensor:
        """Features of the texts, ``[A, W]`` of length 1; without gradients computed once."""
        if torch.is_grad_enabled():
            return self.encode()
        (features,) = self.encoded.get(["all"], lambda _: (self.encode()[None],))
        return features[0]

    def encode(self) -> Tensor:
        """What ``forward`` gives, not taken from the cache."""
        labels = self.get_buffer("labels")
        start, words = self.encoder.embed(labels).tensor_split([1], dim=1)  # [A, 1, W] and [A, R - 1, W]
        context = self.context.expand(len(labels), -1, -1)
        rows = torch.cat([start, context, words], dim=1)[:, :CONTEXT]  # [A, R, W]
        pooled = (self.encoder.pooling_row(labels) + len(self.context)).clamp(max=CONTEXT - 1)
        features = self.encoder.encode(rows)[torch.arange(len(labels), device=labels.device), pooled]
        return functional.normalize(features, dim=-1)


class PatternAttention(nn.Module):
    """Tokens read learned patterns of their own joint, those of an action. The last layer starts at zero."""

    def __init__(self, config: ActionPromptConfig, joints: int) -> None:
        super().__init__()
        C = config.channels
        self.heads = config.heads
        self.patterns = nn.Parameter(torch.randn(config.actions, config.patterns, joints, C))
        self.norm = nn.LayerNorm(C, eps=BLOCK_EPS)
        self.query, self.key, self.value, self.out = (Linear(C, C) for _ in range(4))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, tokens: Tensor, shares: Tensor) -> Tensor:
        """Tokens ``[B, F, J, C]`` plus what they read, of the same shape; ``shares`` of the actions ``[B, A]``."""
        patterns = torch.einsum("ba,apjc->bpjc", shares, self.patterns)
        query, key, value = (
            rows.unflatten(-1, (self.heads, -1)).permute(0, 2, 3, 1, 4)  # [B, L, J, C] → [B, J, h, L, d]
            for rows in (self.query(self.norm(tokens)), self.key(patterns), self.value(patterns))
        )
        read = attend(query, key, value).permute(0, 3, 1, 2, 4).flatten(3)  # [B, J, h, F, d] → [B, F, J, C]
        return tokens + self.out(read)


class ActionPromptLike(MixSTE):
    """MixSTE whose tokens, after the first spatial block, read the patterns of the action."""

    title = "Action prompts (own reading)"
    Config = ActionPromptConfig
    published: ClassVar[Any] = None
    presets = {
        name: Preset(ActionPromptConfig(**asdict(preset.config), **SIZES.get(name, {})), preset.recipe)
        for name, preset in MixSTE.presets.items()
    }

    @classmethod
    def prediction_version(cls, config: ActionPromptConfig) -> int:
        """2 with prompts: before, checkpoints were chosen by predictions with texts of the first validation."""
        return 2 if config.prompts else 1

    def __init__(self, config: ActionPromptConfig, skeleton: Skeleton = HUMAN36M) -> None:
        config = self.resolve_config(config)
        super().__init__(config, skeleton)
        self.texts: ActionTexts | None = None
        if not config.prompts:
            return
        C, joints = config.channels, len(skeleton.joints)
        self.uses_action = config.label == "given"
        encoder = text_encoder(config.text)
        self.texts = ActionTexts(encoder, config.actions, config.context_rows)
        self.pool = nn.Sequential(nn.Linear(joints * C, C), nn.GELU(), nn.Linear(C, encoder.width))
        self.read = PatternAttention(config, joints)

    @classmethod
    def resolve_config(cls, config: ActionPromptConfig) -> ActionPromptConfig:
        """The same with "auto" replaced by the name of the text encoder that this machine has."""
        return replace(config, text=name_here(config.text))

    @property
    def notes(self) -> dict[str, str]:
        if self.texts is None:
            return {"action prompts": "none"}
        prompts = f"of the action as {self.config.label}"
        return {"action prompts": prompts, "text encoder": self.texts.encoder.title}

    def fit_actions(self, actions: tuple[str, ...]) -> None:
        """Take over the labels of the training data.

        Raises:
            InputError: there are too many, or none that an action could be told by.
        """
        if self.texts is None:
            return
        if len(actions) < 2 or self.skeleton.name == MPI_INF_3DHP.name:
            raise InputError(
                f"{self.title} tells actions apart, but the training data have no two action words: set "
                "method.options.prompts to false"
            )
        if len(actions) > self.config.actions:
            raise InputError(
                f"the training data have {len(actions)} action words, and {self.title} has room for "
                f"{self.config.actions}: set method.options.actions to {len(actions)}"
            )
        self.texts.learn(actions)

    def recognise(self, pose_2d: Tensor) -> Tensor:
        """Probabilities of the actions ``[B, A]`` of windows ``[B, F, J, 2]``, in the order of sorted labels."""
        _, scores = self.lift(pose_2d)
        if scores is None:
            raise InputError(f"{self.title} recognises no action without prompts: set the option prompts to true")
        return scores.softmax(dim=-1)

    def lift(self, seen: Tensor, told: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Poses ``[B, F, J, 3]`` of windows ``[B, F, J, 2]``, and the scores of the actions ``[B, A]``, if any.

        ``told``: the label of each window, ``[B, A]`` as ``ActionTexts.numbers``; None for the recognised action.
        A label that is no known action is all of them alike.
        """
        if self.texts is None:
            return super().lift_windows(seen), None
        features, known = self.texts(), self.texts.known()
        if told is not None:
            told = torch.where(told.any(dim=1, keepdim=True), told, known / known.sum())
        scores: list[Tensor] = []

        def communicate(tokens: Tensor, part: slice) -> Tensor:
            pooled = self.pool(tokens.mean(dim=1).flatten(1))  # [B, F, J, C] → [B, J·C] → [B, W]
            cosines = functional.normalize(pooled, dim=-1) @ features.T
            scores.append((cosines.float() / TEMPERATURE).masked_fill(~known, IMPOSSIBLE))
            return self.read(tokens, scores[-1].softmax(dim=-1) if told is None else told[part])

        poses = self.trunk(self.trunk.embed(seen), communicate)
        return poses, torch.cat(scores)

    def lift_windows(self, seen: Tensor) -> Tensor:
        return self.lift(seen)[0]

    def training_loss(self, batch: Batch) -> Tensor:
        """MixSTE's loss, and the cross entropy of the recognised actions."""
        assert batch.pose_3d is not None
        if self.texts is None:
            return super().training_loss(batch)
        labels = self.texts.numbers(batch.actions)
        poses, scores = self.lift(batch.pose_2d, labels if self.uses_action else None)
        assert scores is not None
        recognition = -(labels * scores.log_softmax(dim=-1)).sum(dim=-1).mean()
        placed = mixste_loss(poses, batch.pose_3d, self.get_buffer("joint_weights"))
        return placed + self.config.recognition_weight * recognition

    @torch.no_grad()
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        told = self.texts.numbers(batch.actions) if self.texts is not None and self.uses_action else None

        def lift(seen: Tensor) -> Tensor:
            return self.lift(seen, None if told is None else told.repeat(len(seen) // len(told), 1))[0]

        poses = flip_average(lift, batch.pose_2d, self.skeleton, sampling.flip)
        return root_at_origin(poses, self.skeleton)[:, None, None]  # [B, F, J, 3] → [B, 1, 1, F, J, 3]
