"""Golden cases of P-STMO."""

from __future__ import annotations

from baselines.pstmo import PSTMO, MaskedPoses, PSTMOConfig, pstmo_loss
from baselines.published.pstmo import ADAPTER
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M
from tests.parity.cases.pstmo_refinement import Refinement, back_projected
from tests.parity.vectors import (
    GRADIENTS,
    Case,
    Limit,
    Limits,
    Outputs,
    Vectors,
    first_input,
    first_output,
    loss_and_gradients,
)

LIMITS: Limits = (GRADIENTS, (r".*", Limit(1e-5)))


def pstmo(vectors: Vectors) -> Outputs:
    """Both outputs, tokens between the parts, gradients of the fine-tuning loss.

    The original adds tables of positions in place, so tokens stored as a part's result hold the next part's table.
    """
    lifter = PSTMO(_size(vectors))
    lifter.load_state_dict(vectors.weights(ADAPTER))
    lifter.eval()
    seen: Outputs = {}
    first_output(lifter.trunk.encoder, seen, "after_encoder")
    inner = ("after_transformer", "after_strided0", "after_strided1")
    for name, layer in zip(inner, lifter.strided.layers, strict=True):
        first_input(layer, seen, name)
    first_output(lifter.strided, seen, "after_strided2")
    sequence, single = lifter.lift_both(vectors["x"])
    outputs = seen | {"out_sequence": sequence, "out_single": single}
    return outputs | loss_and_gradients(vectors, ADAPTER, lifter, pstmo_loss(sequence, single, vectors["target"]))


def pretraining(vectors: Vectors) -> Outputs:
    """Poses restored from the stored masks, tokens between the parts, gradients of the first stage's loss."""
    network = MaskedPoses(_size(vectors))
    network.load_state_dict(vectors.weights(ADAPTER))
    network.eval()
    seen: Outputs = {}
    first_output(network.trunk.encoder, seen, "after_encoder")
    first_output(network.trunk, seen, "after_transformer")
    first_output(network.norm, seen, "after_encoder_norm")
    first_output(network.decoder, seen, "after_decoder")
    restored, given = network.restore(vectors["x"], vectors["mask"], vectors["spatial_mask"])
    loss = mean_joint_distance(restored, given)
    return seen | {"out": restored} | loss_and_gradients(vectors, ADAPTER, network, loss)


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
    network.load_state_dict(vectors.weights(ADAPTER))
    network.eval()
    pose, root_depth = vectors["pred"], vectors["ground_truth"][:, :, HUMAN36M.root, 2]
    projected = back_projected(pose, vectors["uv"], root_depth, vectors["camera"], HUMAN36M.root)
    share = network.share(pose, projected)
    return {"back_projected": projected, "score": share, "out": network(pose, projected)}


CASES = {
    "P-STMO": Case(pstmo, LIMITS),
    "P-STMO pretraining": Case(pretraining, LIMITS),
    "P-STMO refinement": Case(refinement, LIMITS),
}
