"""FinePOSE: D3DP with a denoiser that reads part-aware prompts (Xu et al., arXiv:2405.05216, CVPR 2024).

B windows (twice that where plain and mirrored ones run together), H hypotheses, F frames, J joints, C channels,
U distinct texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.diffusion.denoiser import Condition, Denoiser, DenoiserConfig
from models.errors import InputError
from models.finepose.communication import TextCrossAttention
from models.finepose.prompt import PROMPTS, PromptLearning, names_action, prompt_parts
from models.finepose.stylization import Stylization
from models.lifter import TINY_RECIPE, Preset, Recipe
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton
from models.text.encoder import ENCODERS, TextEncoder, pretrained_encoder, text_encoder

BEHAVIOURS = ("described", "released")


@dataclass(frozen=True)
class FinePOSEConfig(DenoiserConfig):
    """Size of the denoiser and which of FinePOSE it is.

    Attributes:
        prompt: ``none``, ``manual``, ``action``, ``coarse``, ``learnable`` or ``full`` (FinePOSE's own).
        behaviour: ``described``: as the paper says, learnable rows are trained and windows meet their own texts;
            ``released``: as the public code does, rows keep their first values and joints meet texts of other
            windows of the batch.
        fpp: part-aware prompts; without them the text is the manual sentence.
        fpc: poses attend to the text.
        pts: time and text style the features.
        shuffle_parts: every part's rows meet the words of the next part; a counterfactual for trained weights.
        text: name of the frozen text encoder; "auto" becomes "clip" or "minilm", whichever is at hand.
        text_layers, text_heads: of the trained encoder that follows it.

    Raises:
        InputError: a value out of its range.
    """

    prompt: str = "full"
    behaviour: str = "described"
    fpp: bool = True
    fpc: bool = True
    pts: bool = True
    shuffle_parts: bool = False
    text: str = "auto"
    text_layers: int = 4
    text_heads: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text == "auto":
            object.__setattr__(self, "text", pretrained_encoder())
        for field, value, known in (
            ("prompt", self.prompt, PROMPTS),
            ("behaviour", self.behaviour, BEHAVIOURS),
            ("text", self.text, ENCODERS),
        ):
            if value not in known:
                raise InputError(f"{field} is {value!r}: take one of {', '.join(known)}")
        if self.text_layers < 1 or self.text_heads < 1:
            raise InputError("text_layers and text_heads must be positive: take 4 and 8")

    @property
    def effective_prompt(self) -> str:
        """The variant that reaches the denoiser once the switched-off blocks are taken into account."""
        if self.prompt == "none" or not (self.fpc or self.pts):
            return "none"
        return self.prompt if self.fpp else "manual"


@dataclass(frozen=True)
class TextCondition(Condition):
    """A condition with the text's part.

    Attributes:
        texts: number of each window's text, ``[B]`` without mirror images.
        pooled: ``[B, C]``, added to the time embedding; None without stylization.
        read: keys and values of the texts, ``[U, heads, 77, C / heads]`` each; None without communication.
    """

    texts: Tensor
    pooled: Tensor | None
    read: tuple[Tensor, Tensor] | None


class FinePOSE(Denoiser):
    """The denoiser of D3DP with the three blocks FPP, FPC and PTS; with all of them off it is D3DP."""

    title: ClassVar[str] = "FinePOSE"
    timed_stages: ClassVar[dict[str, str]] = {"2D": "_embed_2d", "text": "condition", "denoise": "denoise"}
    Config: ClassVar[type] = FinePOSEConfig
    presets: ClassVar[dict[str, Preset]] = {
        "tiny": Preset(
            FinePOSEConfig(
                frames=9,
                channels=32,
                depth=2,
                heads=2,
                drop_path=0.0,
                input_gain=5.0,
                table_std=0.5,
                text="tiny",
                text_layers=1,
                text_heads=4,
            ),
            TINY_RECIPE,
        ),
        "base": Preset(
            FinePOSEConfig(frames=81, channels=128, depth=4, heads=8, text_layers=2),
            Recipe(epochs=60, batch_frames=1296, learning_rate=2e-4, decay=0.98, weight_decay=0.1),
        ),
        "paper": Preset(
            FinePOSEConfig(),
            Recipe(epochs=100, batch_frames=972, learning_rate=6e-5, decay=0.993, weight_decay=0.1),
        ),
    }

    def __init__(
        self, config: FinePOSEConfig, skeleton: Skeleton = HUMAN36M, encoder: TextEncoder | None = None
    ) -> None:
        """``encoder`` replaces the one that ``config.text`` names."""
        super().__init__(config, skeleton)
        C = config.channels
        variant = config.effective_prompt
        self.prompts: PromptLearning | None = None
        self.pool: nn.Linear | None = None
        self.communication: TextCrossAttention | None = None
        self.stylization: Stylization | None = None
        if variant != "none":
            parts = prompt_parts(variant, skeleton)
            self.uses_action = names_action(parts)
            if self.uses_action and skeleton.name == MPI_INF_3DHP.name:
                raise InputError(
                    f"prompt {variant!r} names the action, and MPI-INF-3DHP has no action words: take full, "
                    "learnable or none"
                )
            encoder = (encoder or text_encoder(config.text)).freeze()
            learned = config.behaviour == "described"
            self.prompts = PromptLearning(
                encoder, parts, config.text_layers, config.text_heads, learned, config.shuffle_parts
            )
            self.pool = nn.Linear(encoder.width, C) if config.pts else None
            self.communication = TextCrossAttention(C, encoder.width, config.heads) if config.fpc else None
        if self.communication is not None or config.pts:
            self.stylization = Stylization(C, timed=config.pts)

    @property
    def notes(self) -> dict[str, str]:
        config = self.config
        encoder = "none" if self.prompts is None else self.prompts.encoder.title
        off = [name.upper() for name in ("fpp", "fpc", "pts") if not getattr(config, name)]
        notes = {"prompt": config.prompt, "text encoder": encoder, "behaviour": config.behaviour}
        return notes | ({"without": ", ".join(off)} if off else {})

    def condition(self, pose_2d: Tensor, actions: tuple[str, ...], flip: bool = False) -> Condition:
        if self.prompts is None:
            return super().condition(pose_2d, actions, flip)
        named = actions if self.uses_action else ("",) * len(pose_2d)
        distinct = sorted(set(named))
        texts = torch.tensor([distinct.index(action) for action in named], device=pose_2d.device)
        features, pooled = self.prompts(distinct)
        windows = texts.repeat(2 if flip else 1)
        return TextCondition(
            pose=self._embed_2d(pose_2d, flip),
            texts=texts,
            pooled=None if self.pool is None else self.pool(pooled)[windows],
            read=None if self.communication is None else self.communication.read(features),
        )

    def denoise(
        self, condition: Condition, poses: Tensor, times: Tensor, first: int = 0, hypotheses: int | None = None
    ) -> Tensor:
        B, H = poses.shape[:2]
        chosen = range(first, first + H)
        time = self._embed_time(times).expand(B, -1)
        if isinstance(condition, TextCondition) and condition.pooled is not None:
            time = time + condition.pooled

        styled_by = time.repeat_interleave(H, dim=0)[:, None, None]
        read = condition.read if isinstance(condition, TextCondition) else None
        if read is not None:
            assert isinstance(condition, TextCondition)
            texts = self._pairing(condition.texts, chosen, hypotheses or H)
            texts = texts.repeat(B // len(condition.texts), 1)

        def communicate(tokens: Tensor, rows: slice) -> Tensor:
            features = tokens
            if self.communication is not None and read is not None:
                features = self.communication(tokens, *read, texts[rows])
            return tokens if self.stylization is None else self.stylization(tokens, features, styled_by[rows])

        return self.trunk(self._tokens(condition, poses, time), communicate).unflatten(0, (B, H))

    def _pairing(self, texts: Tensor, chosen: range, hypotheses: int) -> Tensor:
        """Text that each window and chosen hypothesis meets, ``[B * H, 1]``; released: each joint, ``[B * H, J]``.

        The released code numbers rows (window, hypothesis, joint) and gives row r the text of window r modulo B.
        """
        B = len(texts)
        if self.config.behaviour == "described":
            return texts.repeat_interleave(len(chosen))[:, None]
        J = len(self.skeleton.joints)
        rows = torch.arange(B * hypotheses * J, device=texts.device).view(B, hypotheses, J)
        return texts[rows[:, chosen.start : chosen.stop].flatten(0, 1) % B]
