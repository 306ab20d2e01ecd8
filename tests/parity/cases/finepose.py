"""Golden cases of FinePOSE, of its text encoder and of CLIP's tokens."""

from __future__ import annotations

import json
from typing import TypeVar

import numpy as np
import torch

from baselines.published.finepose import ADAPTER
from models.errors import InputError
from models.finepose.model import FinePOSE, FinePOSEConfig
from models.text.bpe import clip_tokens
from models.text.encoder import CONTEXT
from models.text.tower import TextTower, TowerSize
from tests.parity.cases import d3dp, mixste
from tests.parity.training import RecordedDraws, training_case
from tests.parity.vectors import Case, Limit, Limits, NotInstalledError, Outputs, Vectors

SomeFinePOSE = TypeVar("SomeFinePOSE", bound=FinePOSE)

LIMITS: Limits = (
    *d3dp.DENOISER_LIMITS,
    (r".*_mm", Limit(0.1)),
    (r".*_tokens", Limit(0)),
    (r"xf_.*", Limit(2e-5)),
    (r".*", Limit(5e-5)),
)


def finepose(vectors: Vectors) -> Outputs:
    """Outputs as of D3DP's case, with the text path and text cross-attention; windows are lifted alone."""
    config = vectors.config
    lifter = _finepose(vectors, FinePOSE).eval()
    actions = tuple(config["actions"]) if lifter.uses_action else ("",) * config.get("batch", 2)
    outputs: Outputs = {}
    assert lifter.prompts is not None
    assert lifter.pool is not None
    with torch.no_grad():
        features, pooled = lifter.prompts(sorted(set(actions)))
        order = [sorted(set(actions)).index(action) for action in actions]
        outputs |= {"xf_out": features[order], "xf_proj": lifter.pool(pooled)[order]}
        outputs["xf_out_every_8th_channel"] = outputs["xf_out"][..., ::8]
    if "x_2d" not in vectors:
        return outputs
    outputs |= _cross_attention(vectors, lifter, actions) if "tca_in" in vectors else {}
    return outputs | d3dp.denoiser(vectors, ADAPTER, lifter, actions)


class RecordedFinePOSE(RecordedDraws, FinePOSE):
    """FinePOSE with recorded draws."""


def training(vectors: Vectors) -> Outputs:
    """The recorded optimiser steps."""
    lifter = _finepose(vectors, RecordedFinePOSE)
    return d3dp.denoiser_training(vectors, ADAPTER, lifter, tuple(vectors.config["probe_actions"]))


def _finepose(vectors: Vectors, method: type[SomeFinePOSE]) -> SomeFinePOSE:
    config = vectors.config
    texts = list(config["part_texts"]) + (config["actions"] if "action_tokens" in vectors else [])
    arrays = ["part_tokens", "action_tokens"] if "action_tokens" in vectors else ["part_tokens"]
    rows = np.concatenate([vectors.array(name) for name in arrays]).tolist()
    tokens = dict(zip(texts, rows, strict=True))
    clip = config["clip_text"]
    size = TowerSize(clip["width"], clip["layers"], clip["heads"], clip.get("vocab", TowerSize.vocabulary))
    options = mixste.trunk_size(vectors) | {"behaviour": "released", "scale": config.get("scale", 1.0)}
    options["drop_path"] = 0
    if "text_encoder" in config:
        options |= {"text_layers": config["text_encoder"]["layers"], "text_heads": config["text_encoder"]["heads"]}
    tower = TextTower("clip", size, tokens.__getitem__)
    lifter = method(FinePOSEConfig(**options), d3dp.skeleton_of(config), tower)
    lifter.load_state_dict(vectors.weights(ADAPTER))
    return lifter


def _cross_attention(vectors: Vectors, lifter: FinePOSE, actions: tuple[str, ...]) -> Outputs:
    """Tokens into and out of the text's part, and every window lifted on its own."""
    assert lifter.stylization is not None
    x_2d, x_3d, t = vectors["x_2d"], vectors["x_3d"], vectors["t"]
    step = int(vectors.array("tca_channel_step"))
    seen: Outputs = {}
    handle = lifter.stylization.register_forward_hook(
        lambda module, inputs, output: seen.update(tca_in=inputs[0], tca_out=output)
    )
    with torch.no_grad():
        lifter.denoise(lifter.condition(x_2d, actions), x_3d[:, None], t)
        handle.remove()
        conditions = [lifter.condition(x, (action,)) for x, action in zip(x_2d.split(1), actions, strict=True)]
        windows = zip(conditions, x_3d[:, None].split(1), t.split(1), strict=True)
        alone = [lifter.denoise(*window) for window in windows]
    rows = {
        name: mixste.joint_rows(tokens, len(x_2d), lifter.frames)[..., ::step] for name, tokens in seen.items()
    }
    return rows | {"out_train_single": torch.cat(alone)[:, 0]}


def tokens(vectors: Vectors) -> Outputs:
    """CLIP's tokens of action words, part words and awkward texts."""
    texts = {
        "action_tokens": vectors.config["actions"],
        "part_tokens": vectors.config["part_texts"],
        "extra_tokens": json.loads(str(vectors.array("extra_texts"))),
    }
    try:
        padded = {name: [clip_tokens(text) for text in some] for name, some in texts.items()}
    except InputError as error:
        raise NotInstalledError(str(error)) from error
    return {
        name: torch.tensor([ids + [0] * (CONTEXT - len(ids)) for ids in rows], dtype=torch.int32)
        for name, rows in padded.items()
    }


CASES = {
    "FinePOSE text path": Case(finepose, LIMITS),
    "FinePOSE denoiser": Case(finepose, LIMITS),
    "FinePOSE training": training_case(training),
    "FinePOSE, 3DHP variant": Case(finepose, LIMITS),
    "CLIP byte-pair tokens": Case(tokens, LIMITS),
}
