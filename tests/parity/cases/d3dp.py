"""Golden cases of D3DP, with the diffusion process that it shares with FinePOSE."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.d3dp import D3DP
from baselines.published.d3dp import ADAPTER
from models.checkpoints.adapter import CheckpointAdapter
from models.diffusion.denoiser import Denoiser, DenoiserConfig, sinusoid
from models.diffusion.process import cosine_schedule, q_sample, visited_times
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton
from tests.parity.cases import mixste
from tests.parity.training import RecordedDraws, recorded_training, training_case
from tests.parity.vectors import GRADIENTS, Case, Limit, Limits, Outputs, Vectors, loss_and_gradients

DENOISER_LIMITS: Limits = (GRADIENTS, (r"x_2d_flip", Limit(0)), (r"preds", Limit(1e-4)))
LIMITS: Limits = (
    *DENOISER_LIMITS,
    (r"times_K.*", Limit(0)),
    (r".*_f64", Limit(0, 1e-10)),
    (r"q_out|pn_out", Limit(1e-5, 1e-6)),
    (r".*", Limit(5e-5)),
)


def d3dp(vectors: Vectors) -> Outputs:
    """The denoiser in training and evaluation form, the training forward pass, the sampler."""
    size = DenoiserConfig(**mixste.trunk_size(vectors), scale=vectors.config.get("scale", 1.0))
    lifter = D3DP(size, skeleton_of(vectors.config))
    lifter.load_state_dict(vectors.weights(ADAPTER))
    return denoiser(vectors, ADAPTER, lifter.eval(), actions=())


def skeleton_of(config: dict[str, Any]) -> Skeleton:
    """Whose joints a file is about."""
    return MPI_INF_3DHP if config.get("joints_left") == list(MPI_INF_3DHP.left) else HUMAN36M


def denoiser(vectors: Vectors, adapter: CheckpointAdapter, lifter: Denoiser, actions: tuple[str, ...]) -> Outputs:
    """All cases of a denoiser that the file has."""
    x_2d = vectors["x_2d"]
    outputs: Outputs = {"x_2d_flip": lifter.skeleton.mirror(x_2d)}
    with torch.no_grad():
        if "t" in vectors:
            embedded = sinusoid(vectors["t"], lifter.config.channels)
            outputs |= {"sinusoid": embedded, "time_embed": lifter.time_mlp(embedded)}
        if "x_3d_h" in vectors:
            condition = lifter.condition(x_2d, actions)
            outputs["out_eval"] = lifter.denoise(condition, vectors["x_3d_h"], vectors["t"])
        outputs |= _diffused(vectors, lifter, actions) if "tf_t" in vectors else {}
        if "noise" in vectors:
            outputs["preds"] = lifter.sample(x_2d, actions, vectors["noise"])
            outputs["preds_mm"] = outputs["preds"] * 1000
    if "x_3d" in vectors:
        out = lifter.denoise(lifter.condition(x_2d, actions), vectors["x_3d"][:, None], vectors["t"])[:, 0]
        outputs["out_train"] = out
        if "grad_norms" in vectors:
            outputs |= loss_and_gradients(vectors, adapter, lifter, mean_joint_distance(out, vectors["target"]))
    return outputs


def _diffused(vectors: Vectors, lifter: Denoiser, actions: tuple[str, ...]) -> Outputs:
    target = vectors["tf_target_mm"] / 1000 if "tf_target_mm" in vectors else vectors["target"]
    times, noise = vectors["tf_t"], vectors["tf_noise"]
    out = lifter.denoise_diffused(vectors["x_2d"], actions, target, times, noise)
    return {"tf_x_t": lifter.diffuse(target, times, noise), "tf_out": out, "tf_out_mm": out * 1000}


def schedule(vectors: Vectors) -> Outputs:
    """The twelve buffers, the forward process, the noise estimate, the visited times."""
    signal = cosine_schedule()
    outputs = {f"{name}_f64": buffer for name, buffer in ADAPTER.fixed().items()}
    outputs["q_out"] = q_sample(vectors["q_x0"], vectors["q_noise"], vectors["q_t"], signal)
    outputs["pn_out"] = _noise_between(vectors["pn_x_t"], vectors["pn_x0"], signal[vectors["q_t"]])
    for name in vectors.names:
        if name.startswith("times_K"):
            outputs[name] = torch.tensor(visited_times(int(name.removeprefix("times_K"))))
    return outputs


def _noise_between(current: Tensor, clean: Tensor, share: Tensor) -> Tensor:
    """Noise in ``current`` ``[B, ...]`` if it came from ``clean``, of which a ``share`` ``[B]`` is left."""
    share = share.view(-1, *[1] * (current.dim() - 1))  # [B] → [B, 1, …, 1]
    return ((1 / share) ** 0.5 * current.double() - clean) / (1 / share - 1) ** 0.5


class RecordedD3DP(RecordedDraws, D3DP):
    """D3DP with recorded draws."""


def training(vectors: Vectors) -> Outputs:
    """The recorded optimiser steps."""
    size = DenoiserConfig(**mixste.trunk_size(vectors), scale=vectors.config.get("scale", 1.0), drop_path=0)
    lifter = RecordedD3DP(size, skeleton_of(vectors.config))
    return denoiser_training(vectors, ADAPTER, lifter, actions=())


def denoiser_training(
    vectors: Vectors, adapter: CheckpointAdapter, lifter: RecordedDraws, actions: tuple[str, ...]
) -> Outputs:
    """The recorded optimiser steps of a denoiser, with the action words of the probe's windows."""
    lifter.recorded_times, lifter.recorded_noise = vectors["t"], vectors["noise"]
    probed = [vectors[name] for name in ("probe_2d", "probe_3d", "probe_t")]

    def probe() -> Tensor:
        return lifter.denoise(lifter.condition(probed[0], actions), probed[1][:, None], probed[2])[:, 0]

    return recorded_training(vectors, adapter, lifter, probe)


CASES = {
    "D3DP denoiser": Case(d3dp, LIMITS),
    "D3DP sampler (flip)": Case(d3dp, LIMITS),
    "D3DP training": training_case(training),
    "diffusion schedule": Case(schedule, LIMITS),
}
