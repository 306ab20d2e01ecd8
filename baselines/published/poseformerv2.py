"""PoseFormerV2's published names, sizes and golden vectors."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from baselines.poseformerv2 import MixedBlock, PoseFormerV2, PoseFormerV2Config, cosine_table, inverse_cosine_table
from baselines.published.golden import Limits, Outputs, Vectors, first_input, first_output, loss_and_gradients
from models.checkpoints.importer import count
from models.losses import mean_joint_distance

LIFTER = PoseFormerV2
DEEPEST = 16
RENAMES = {
    "Spatial_pos_embed": "joint_table",
    "Temporal_pos_embed_": "frequency_table",
    "Temporal_pos_embed": "frame_table",
    "Joint_embedding.": "joint_embedding.",
    "Freq_embedding.": "frequency_embedding.",
    "Spatial_blocks.": "spatial_blocks.",
    "Spatial_norm.": "spatial_norm.",
    **{f"blocks.{number}.mlp1.": f"mixed_blocks.{number}.mlp." for number in range(DEEPEST)},
    **{f"blocks.{number}.mlp2.": f"mixed_blocks.{number}.frequency_mlp." for number in range(DEEPEST)},
    "blocks.": "mixed_blocks.",
    "Temporal_norm.": "mixed_norm.",
    "weighted_mean.": "frequency_mean.",
    "weighted_mean_.": "frame_mean.",
    "head.": "head.",
}
LIMITS: Limits = (
    (r".*grad_norms", (1e-7, 2e-4)),
    (r"(dct|idct|lowpass)_\d+", (5e-5, 0)),
    (r".*", (1e-5, 0)),
)


def sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    """Size of the network but for its window, of which the weights are independent."""
    channels = len(state["joint_embedding.weight"])
    return {
        "kept": state["frame_table"].shape[1],
        "coefficients": state["frequency_table"].shape[1],
        "channels": channels,
        "depth": count(state, "spatial_blocks."),
        "mlp_ratio": len(state["spatial_blocks.0.mlp.fc1.weight"]) / channels,
    }


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
    lifter.load_state_dict(vectors.weights("poseformerv2"))
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
    return outputs | loss_and_gradients(
        vectors, "poseformerv2", lifter, mean_joint_distance(out, vectors["target"])
    )


def dct(vectors: Vectors) -> Outputs:
    """The transform, its inverse, and sequences of their lowest frequencies, at every stored length."""
    outputs: Outputs = {}
    for length, kept in vectors.config["lowpass_kept"].items():
        x, forth, back = vectors[f"x_{length}"], cosine_table(int(length)), inverse_cosine_table(int(length))
        outputs[f"dct_{length}"] = x @ forth.T.float()
        outputs[f"idct_{length}"] = x @ back.T.float()
        outputs[f"lowpass_{length}"] = x @ forth[:kept].T.float() @ back[:, :kept].T.float()
    return outputs


GOLDEN = {
    "PoseFormerV2": poseformerv2,
    "DCT-II along the last axis, without normalisation, and its inverse": dct,
}
