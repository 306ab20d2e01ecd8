"""D3DP: its published names, and the buffers of the diffusion that it shares with FinePOSE."""

from __future__ import annotations

import torch

from baselines.d3dp import D3DP
from baselines.published import mixste
from models.checkpoints.adapter import CheckpointAdapter, State
from models.diffusion.process import cosine_betas

RENAMES = mixste.RENAMES | {"time_mlp.1.": "time_mlp.0.", "time_mlp.3.": "time_mlp.2."}


def fixed() -> State:
    """The twelve float64 buffers of the diffusion schedule that checkpoints carry."""
    betas = cosine_betas()
    signal = torch.cumprod(1 - betas, dim=0)
    before = torch.cat([torch.ones(1, dtype=torch.float64), signal[:-1]])
    variance = betas * (1 - before) / (1 - signal)
    return {
        "betas": betas,
        "alphas_cumprod": signal,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": signal.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - signal).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - signal).log(),
        "sqrt_recip_alphas_cumprod": (1 / signal).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / signal - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp_min(1e-20).log(),
        "posterior_mean_coef1": betas * before.sqrt() / (1 - signal),
        "posterior_mean_coef2": (1 - before) * (1 - betas).sqrt() / (1 - signal),
    }


ADAPTER = CheckpointAdapter(method="d3dp", lifter=D3DP, renames=RENAMES, sizes=mixste.sizes, fixed=fixed)
