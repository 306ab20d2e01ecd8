"""Golden cases of PoseFormerV2."""

from __future__ import annotations

from baselines.poseformerv2 import MixedBlock, PoseFormerV2, PoseFormerV2Config, cosine_table, inverse_cosine_table
from baselines.published.poseformerv2 import ADAPTER
from models.losses import mean_joint_distance
from tests.parity.vectors import (
    Case,
    Limit,
    Limits,
    Outputs,
    Vectors,
    first_input,
    first_output,
    loss_and_gradients,
)

LIMITS: Limits = (
    (r".*grad_norms", Limit(1e-7, 2e-4)),
    (r"(dct|idct|lowpass)_\d+", Limit(5e-5)),
    (r".*", Limit(1e-5)),
)


def poseformerv2(vectors: Vectors) -> Outputs:
    """The lifter, tokens between its parts, gradients of the mean joint distance.

    The original adds its table of frames in place, so the stored result of the spatial blocks holds it.
    """
    config = vectors.config
    lifter = PoseFormerV2(
        PoseFormerV2Config(
            frames=config["frames"],
            length=config["frames"],
            kept=config["kept_frames"],
            coefficients=config["kept_coeffs"],
            channels=config["embed_dim"],
            depth=config["depth"],
            heads=config["heads"],
            mlp_ratio=config["mlp_ratio"],
        )
    )
    lifter.load_state_dict(vectors.weights(ADAPTER))
    lifter.eval()
    x = vectors["x"]
    first = lifter.mixed_blocks[0]
    assert isinstance(first, MixedBlock)
    seen: Outputs = {}
    first_input(first, seen, "tokens_before_blocks")
    first_output(first.frequency_mlp, seen, "freq_mlp0_out")
    first_output(first, seen, "after_block0")
    first_output(lifter.mixed_norm, seen, "after_norm")
    first_input(lifter.head, seen, "pooled")
    out = lifter.lift(x)[:, None]
    outputs = {name: tokens.flatten(2) if tokens.ndim > 2 else tokens[:, None] for name, tokens in seen.items()}
    outputs["after_spatial"] = lifter.frame_tokens(x).unflatten(2, (out.shape[2], -1))
    outputs |= {"out": out, "dct_kept": lifter.frequencies(x)}
    return outputs | loss_and_gradients(vectors, ADAPTER, lifter, mean_joint_distance(out, vectors["target"]))


def dct(vectors: Vectors) -> Outputs:
    """The transform, its inverse, and sequences of their lowest frequencies, at every stored length."""
    outputs: Outputs = {}
    for length, kept in vectors.config["lowpass_kept"].items():
        x, forth, back = vectors[f"x_{length}"], cosine_table(int(length)), inverse_cosine_table(int(length))
        outputs[f"dct_{length}"] = x @ forth.T.float()
        outputs[f"idct_{length}"] = x @ back.T.float()
        outputs[f"lowpass_{length}"] = x @ forth[:kept].T.float() @ back[:, :kept].T.float()
    return outputs


CASES = {
    "PoseFormerV2": Case(poseformerv2, LIMITS),
    "DCT-II along the last axis, without normalisation, and its inverse": Case(dct, LIMITS),
}
