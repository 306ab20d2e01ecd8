"""P-STMO's published names, sizes and golden vectors."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from baselines.pstmo import PSTMO, MaskedPoses, PSTMOConfig, pstmo_loss
from baselines.published.checkpoint import count
from baselines.published.golden import (
    GRADIENTS,
    Limits,
    Outputs,
    Vectors,
    first_input,
    first_output,
    loss_and_gradients,
)
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M
from tests.parity.cases.pstmo_refinement import Refinement, back_projected

LIFTER = PSTMO
RENAMES = {
    "encoder.fc_1.": "trunk.encoder.expand.",
    "encoder.bn_1.": "trunk.encoder.expand_norm.",
    "encoder.layers.0.w1.": "trunk.encoder.convs.0.",
    "encoder.layers.0.batch_norm1.": "trunk.encoder.norms.0.",
    "encoder.layers.0.w2.": "trunk.encoder.convs.1.",
    "encoder.layers.0.batch_norm2.": "trunk.encoder.norms.1.",
    "encoder.fc_2.": "trunk.encoder.shrink.",
    "Transformer.pos_embedding": "trunk.table",
    "Transformer.model.layers.": "trunk.layers.",
    "Transformer_reduce.model.pos_embedding_1": "strided.tables.0",
    "Transformer_reduce.model.pos_embedding_2": "strided.tables.1",
    "Transformer_reduce.model.pos_embedding_3": "strided.tables.2",
    "Transformer_reduce.model.layers.": "strided.layers.",
    "fcn_1.": "sequence_head.",
    "fcn.": "single_head.",
    "spatial_mask_token": "joint_token",
    "mask_token": "frame_token",
    "encoder_LN.": "norm.",
    "encoder_to_decoder.": "narrow.",
    "dec_pos_embedding": "decoder_table",
    "Transformer_dec.model.layers.": "decoder.",
    "fcn_dec.": "decoder_head.",
    "post_refine.": "score.",
}
UNUSED = ("Transformer*.model.norm.",)
"""Final norms that the original builds and never applies."""
STRIDES = {9: (1, 3, 3), 27: (3, 3, 3), 81: (3, 3, 3, 3), 243: (3, 3, 3, 3, 3), 351: (3, 9, 13)}
"""Published strides by the number of frames seen; shapes do not tell them."""
LIMITS: Limits = (GRADIENTS, (r".*", (1e-5, 0)))


def sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    """Size of the fine-tuned network; how many frames of the video lie between those seen is not told."""
    _, seen, channels = state["trunk.table"].shape
    if seen not in STRIDES:
        raise KeyError(f"number of frames among {', '.join(map(str, STRIDES))}")
    return {
        "strides": STRIDES[seen],
        "channels": channels,
        "hidden": len(state["trunk.layers.0.feed_forward.w_1.weight"]),
        "layers": count(state, "trunk.layers."),
    }


def pstmo(vectors: Vectors) -> Outputs:
    """Both outputs, tokens between the parts, gradients of the fine-tuning loss.

    The original adds tables of positions in place, so tokens stored as a part's result hold the next part's table.
    """
    lifter = PSTMO(_size(vectors))
    lifter.load_state_dict(vectors.weights("pstmo"))
    lifter.eval()
    seen: Outputs = {}
    first_output(lifter.trunk.encoder, seen, "after_encoder")
    inner = ("after_transformer", "after_strided0", "after_strided1")
    for name, layer in zip(inner, lifter.strided.layers, strict=True):
        first_input(layer, seen, name)
    first_output(lifter.strided, seen, "after_strided2")
    sequence, single = lifter.lift_both(vectors["x"])
    outputs = seen | {"out_sequence": sequence, "out_single": single}
    return outputs | loss_and_gradients(vectors, "pstmo", lifter, pstmo_loss(sequence, single, vectors["target"]))


def pretraining(vectors: Vectors) -> Outputs:
    """Poses restored from the stored masks, tokens between the parts, gradients of the first stage's loss."""
    network = MaskedPoses(_size(vectors))
    network.load_state_dict(vectors.weights("pstmo"))
    network.eval()
    seen: Outputs = {}
    first_output(network.trunk.encoder, seen, "after_encoder")
    first_output(network.trunk, seen, "after_transformer")
    first_output(network.norm, seen, "after_encoder_norm")
    first_output(network.decoder, seen, "after_decoder")
    restored, given = network.restore(vectors["x"], vectors["mask"], vectors["spatial_mask"])
    loss = mean_joint_distance(restored, given)
    return seen | {"out": restored} | loss_and_gradients(vectors, "pstmo", network, loss)


def _size(vectors: Vectors) -> PSTMOConfig:
    config = vectors.config
    return PSTMOConfig(
        frames=config["frames"],
        strides=tuple(config["strides"]),
        every=1,
        channels=config["channel"],
        hidden=config["d_hid"],
        layers=config["layers"],
        heads=config["heads"],
    )


def refinement(vectors: Vectors) -> Outputs:
    """The 2D pose at the true depth, the share of the network's pose, and the mixture."""
    network = Refinement(len(HUMAN36M.joints))
    network.load_state_dict(vectors.weights("pstmo"))
    network.eval()
    pose, root_depth = vectors["pred"], vectors["ground_truth"][:, :, HUMAN36M.root, 2]
    projected = back_projected(pose, vectors["uv"], root_depth, vectors["camera"], HUMAN36M.root)
    share = network.share(pose, projected)
    return {"back_projected": projected, "score": share, "out": network(pose, projected)}


GOLDEN = {"P-STMO": pstmo, "P-STMO pretraining": pretraining, "P-STMO refinement": refinement}
