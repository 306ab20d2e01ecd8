"""FinePOSE: D3DP with a denoiser that reads part-aware prompts (Xu et al., arXiv:2405.05216, CVPR 2024).

Where its parts are:

- this file: options, how the text enters the denoiser, which window reads which text.
- ``models.diffusion.denoiser``: loss, sampling, mirroring, hypotheses in chunks; D3DP's, which this class extends.
- ``models.diffusion.process``: noise schedule, forward process, DDIM steps, noise of each window.
- ``models.layers.transformer``: the trunk (embedding, spatial and temporal blocks, head).
- ``models.finepose.prompt``: FPP, the prompts and the encoders they go through; ``text_cache`` keeps the results.
- ``models.finepose.communication``: FPC, the cross-attention from poses to text.
- ``models.finepose.stylization``: PTS, features scaled and shifted by time and text.
- ``models.text``: the frozen text encoders (CLIP, MiniLM, two small ones).
- ``models.losses``: ``mean_joint_distance``, the training loss.

B windows (twice that where plain and mirrored ones run together), H hypotheses, F frames, J joints, C channels,
U distinct texts, R rows and W width of a text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.config import check_at_least, check_one_of
from models.diffusion.denoiser import Condition, Denoiser, DenoiserConfig
from models.errors import UnfitError
from models.finepose.communication import TextCrossAttention
from models.finepose.prompt import PROMPTS, PromptLearning, names_action, prompt_parts
from models.finepose.stylization import Stylization
from models.layers.transformer import SMALL_TRUNK, TINY_TRUNK
from models.lifter import SMALL_RECIPE, TINY_RECIPE, Preset, Recipe
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton
from models.text import AUTO, ENCODERS, name_here, text_encoder
from models.text.encoder import TextEncoder
from models.tuned import tuned


@dataclass(frozen=True)
class FinePOSEConfig(DenoiserConfig):
    """Size of the denoiser and which of FinePOSE it is.

    Attributes:
        prompt: ``none``, ``manual``, ``action``, ``coarse``, ``learnable`` or ``full`` (FinePOSE's own).
        behaviour: ``described``: as the paper says, learnable rows are trained and windows read their own texts;
            ``released``: as the public code does, rows keep their first values, and in training joints read texts
            of other windows of the batch. A prediction reads a window's own text under both.
        fpp: part-aware prompts; without them the text is the manual sentence.
        fpc: poses attend to the text.
        pts: time and text style the features.
        shuffle_parts: every part's rows are followed by the words of the next part; a counterfactual for trained
            weights.
        text: name of the frozen text encoder; "auto" for the one that this machine has, "clip" or "minilm", which
            ``FinePOSE.resolve_config`` settles.
        text_layers, text_heads: size of the trained encoder that follows it.
    """

    prompt: str = "full"
    behaviour: str = "described"
    fpp: bool = True
    fpc: bool = True
    pts: bool = True
    shuffle_parts: bool = False
    text: str = AUTO
    text_layers: int = 4
    text_heads: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of(self, PROMPTS, "prompt")
        check_one_of(self, ("described", "released"), "behaviour")
        check_one_of(self, (*ENCODERS, AUTO), "text")
        check_at_least(self, 1, "text_layers", "text_heads")

    @property
    def effective_prompt(self) -> str:
        """The variant that reaches the denoiser once the switched-off blocks are taken into account."""
        if self.prompt == "none" or not (self.fpc or self.pts):
            return "none"
        return self.prompt if self.fpp else "manual"


@dataclass(frozen=True)
class TextCondition(Condition):
    """Embedded 2D poses, and what the blocks take from the texts; all None where there is no prompt.

    Attributes:
        texts: number of each window's text among the U distinct ones, ``[B]``, mirror images not counted.
        pooled: ``[B, C]``, added to the time embedding; None without stylization.
        keys_values: of the texts, ``[U, heads, R, C / heads]`` each; None without communication.
        own: whether every joint reads the text of its window.
    """

    texts: Tensor | None = None
    pooled: Tensor | None = None
    keys_values: tuple[Tensor, Tensor] | None = None
    own: bool = True


class FinePOSE(Denoiser):
    """The denoiser of D3DP with the three blocks FPP, FPC and PTS; with all of them off it is D3DP."""

    title = "FinePOSE"
    timed_stages = {"2D": "_embed_2d", "text": "condition", "denoise": "denoise"}
    Config = FinePOSEConfig
    presets = {
        "tiny": tuned(
            "finepose", FinePOSEConfig(**TINY_TRUNK, text="semantic", text_layers=1, text_heads=4), TINY_RECIPE
        ),
        "small": Preset(FinePOSEConfig(**SMALL_TRUNK, text="semantic", text_layers=1, text_heads=4), SMALL_RECIPE),
        "base": Preset(
            FinePOSEConfig(frames=81, channels=128, depth=4, heads=8, text_layers=2),
            Recipe(epochs=60, batch_frames=1296, learning_rate=2e-4, decay=0.98, weight_decay=0.1),
        ),
        "paper": Preset(
            FinePOSEConfig(),
            Recipe(epochs=100, batch_frames=972, learning_rate=6e-5, decay=0.993, weight_decay=0.1),
            on_gt={"epochs": 120},
        ),
    }
    published = {"gradient": "times_loss", "rate_per": "epoch", "batches": "full"}

    def __init__(
        self, config: FinePOSEConfig, skeleton: Skeleton = HUMAN36M, encoder: TextEncoder | None = None
    ) -> None:
        """``encoder`` replaces the one that ``config.text`` names."""
        config = self.resolve_config(config) if encoder is None else config
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
                raise UnfitError(
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

    @classmethod
    def resolve_config(cls, config: FinePOSEConfig) -> FinePOSEConfig:
        """The same with "auto" replaced by the name of the text encoder that this machine has."""
        return replace(config, text=name_here(config.text))

    @classmethod
    def prediction_version(cls, config: FinePOSEConfig) -> int:
        """2 where there is text.

        Before, a checkpoint was chosen by predictions with the texts of the first validation, and what a window
        predicted as released depended on the other windows of its batch.
        """
        return 1 if config.effective_prompt == "none" else 2

    @property
    def notes(self) -> dict[str, str]:
        config = self.config
        encoder = "none" if self.prompts is None else self.prompts.encoder.title
        off = [name.upper() for name in ("fpp", "fpc", "pts") if not getattr(config, name)]
        notes = {"prompt": config.prompt, "text encoder": encoder, "behaviour": config.behaviour}
        return notes | ({"without": ", ".join(off)} if off else {})

    def condition(
        self, pose_2d: Tensor, actions: tuple[str, ...], flip: bool = False, alone: bool = False
    ) -> TextCondition:
        pose = self._embed_2d(pose_2d, flip)
        if self.prompts is None:
            return TextCondition(pose)
        named = actions if self.uses_action else ("",) * len(pose_2d)
        distinct = sorted(set(named))
        texts = torch.tensor([distinct.index(action) for action in named])
        texts = texts.to(pose_2d.device, non_blocking=True)
        features, pooled = self.prompts(distinct)  # [U, R, W] and [U, W]
        windows = texts.repeat(2 if flip else 1)  # [B] → [2·B], mirror images after their originals
        return TextCondition(
            pose,
            texts,
            pooled=None if self.pool is None else self.pool(pooled)[windows],  # [U, W] → [U, C] → [2·B, C]
            keys_values=None if self.communication is None else self.communication.keys_values(features),
            own=alone or self.config.behaviour == "described",
        )

    def denoise(
        self, condition: Condition, poses: Tensor, times: Tensor, first: int = 0, hypotheses: int | None = None
    ) -> Tensor:
        assert isinstance(condition, TextCondition)
        B, H = poses.shape[:2]
        time = self._embed_time(times).expand(B, -1)  # [1 or B, C] → [B, C]
        if condition.pooled is not None:
            time = time + condition.pooled
        style = time.repeat_interleave(H, dim=0)[:, None, None]  # [B, C] → [B·H, 1, 1, C]
        texts = self._texts_of_rows(condition, range(first, first + H), hypotheses or H, B)

        def communicate(tokens: Tensor, rows: slice) -> Tensor:
            features = self._read(tokens, condition.keys_values, None if texts is None else texts[rows])
            return tokens if self.stylization is None else self.stylization(tokens, features, style[rows])

        tokens = self._tokens(condition, poses, time)
        return self.trunk(tokens, communicate).unflatten(0, (B, H))  # [B·H, F, J, 3] → [B, H, F, J, 3]

    def _read(self, tokens: Tensor, keys_values: tuple[Tensor, Tensor] | None, texts: Tensor | None) -> Tensor:
        """What tokens ``[N, F, J, C]`` read in their texts (FPC); the tokens themselves where that is off."""
        if self.communication is None or keys_values is None:
            return tokens
        return self.communication(tokens, *keys_values, texts)

    def _texts_of_rows(
        self, condition: TextCondition, chosen: range, hypotheses: int, windows: int
    ) -> Tensor | None:
        """Text that each row (window, chosen hypothesis) reads: ``[B·H, 1]``, or ``[B·H, J]`` with one a joint.

        The released code numbers rows (window, hypothesis, joint) and gives row r the text of window r modulo B.
        All windows of a call of its evaluation have one action, so there each reads its own text.

        Args:
            condition: of the windows; None is returned where no text is read.
            chosen: numbers of the H hypotheses that are denoised.
            hypotheses: how many there are in all.
            windows: B, with mirror images, which read what their originals read.
        """
        texts = condition.texts
        if texts is None or condition.keys_values is None:
            return None
        if condition.own:
            read = texts.repeat_interleave(len(chosen))[:, None]  # [B] → [B·H, 1]
        else:
            originals, J = len(texts), len(self.skeleton.joints)
            numbers = torch.arange(originals * hypotheses * J, device=texts.device)
            numbers = numbers.view(originals, hypotheses, J)[:, chosen.start : chosen.stop]  # → [B, H, J]
            read = texts[numbers.flatten(0, 1) % originals]  # [B, H, J] → [B·H, J]
        return read.repeat(windows // len(texts), 1)  # the same once more for mirror images
