"""FinePOSE: its published names and what their shapes tell, its text encoder's among them."""

from __future__ import annotations

from typing import Any

from baselines.published import d3dp, mixste
from models.checkpoints.adapter import CheckpointAdapter, State, count_blocks
from models.finepose.model import FinePOSE
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton
from models.text.bpe import clip_tokens
from models.text.clip import CLIP_HEAD_WIDTH
from models.text.tower import TextTower, TowerSize

UNUSED = ("clip_text.visual.", "clip_text.text_projection", "clip_text.logit_scale")
RENAMES = {
    **d3dp.RENAMES,
    "ctx_": "prompts.rows.",
    "clip_text.": "prompts.encoder.",
    "textTransEncoder.": "prompts.layers.",
    "text_ln.": "prompts.norm.",
    "text_proj.0.": "pool.",
    "temporal_cross_attn.proj_out.norm.": "stylization.norm.",
    "temporal_cross_attn.proj_out.emb_layers.1.": "stylization.scale_shift.",
    "temporal_cross_attn.proj_out.out_layers.2.": "stylization.out.",
    "temporal_cross_attn.": "communication.",
}


def sizes(state: State) -> dict[str, Any]:
    """Size of the trunk and of the text path."""
    layers = count_blocks(state, "prompts.layers.layers.")
    if not layers or "prompts.encoder.token_embedding.weight" not in state:
        raise KeyError("text encoder")
    return mixste.sizes(state) | {"behaviour": "released", "text": "clip", "text_layers": layers}


def skeleton(state: State) -> Skeleton:
    """Human3.6M's where the prompt has a verb, else MPI-INF-3DHP's."""
    return HUMAN36M if "prompts.rows.verb" in state else MPI_INF_3DHP


def blank(config: Any, skeleton: Skeleton, state: State) -> FinePOSE:
    """The method with a text tower as large as the one in ``state``."""
    vocabulary, width = state["prompts.encoder.token_embedding.weight"].shape
    layers = count_blocks(state, "prompts.encoder.transformer.resblocks.")
    tower = TextTower("clip", TowerSize(width, layers, width // CLIP_HEAD_WIDTH, vocabulary), clip_tokens)
    return FinePOSE(config, skeleton, tower)


ADAPTER = CheckpointAdapter(
    method="finepose",
    lifter=FinePOSE,
    renames=RENAMES,
    sizes=sizes,
    unused=UNUSED,
    skeleton=skeleton,
    blank=blank,
    fixed=d3dp.fixed,
)
