"""The diffusion process over poses: schedule, forward process, DDIM sampler and its noise.

After D3DP (arXiv:2303.11579, section 3): cosine schedule (arXiv:2102.09672, equation 17), DDIM with eta 1
(arXiv:2010.02502, equation 12) that predicts clean poses. Everything here is free of learned weights. Coefficients
stay in float64: in float32 the cumulative product at the last timestep, 2.4e-9, makes samples drift or become NaN.

B batch, K steps, H hypotheses, F frames, J joints.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from models.errors import InputError

TIMESTEPS = 1000
LARGEST_BETA = 0.999
COSINE_OFFSET = 0.008
CLAMP = 1.1


def cosine_betas() -> Tensor:
    """Noise variances ``[TIMESTEPS]`` of the cosine schedule, float64."""
    times = torch.linspace(0, TIMESTEPS, TIMESTEPS + 1, dtype=torch.float64, device="cpu") / TIMESTEPS
    kept = torch.cos((times + COSINE_OFFSET) / (1 + COSINE_OFFSET) * torch.pi / 2).square()
    return (1 - kept[1:] / kept[:-1]).clamp(0, LARGEST_BETA)


def cosine_schedule() -> Tensor:
    """Share of signal left at each time, the cumulative product of 1 - beta: ``[TIMESTEPS]`` float64, CPU."""
    return torch.cumprod(1 - cosine_betas(), dim=0)


def q_sample(clean: Tensor, noise: Tensor, times: Tensor, signal: Tensor) -> Tensor:
    """Poses ``[B, ...]`` diffused to ``times`` ``[B]`` (CPU, int64) of the schedule ``signal``."""
    start, added = in_reach_of_double(clean), in_reach_of_double(noise)
    share = signal[times].view(-1, *[1] * (clean.dim() - 1))  # [B] → [B, 1, …, 1]
    share = share.to(start.device, non_blocking=True)
    return (share.sqrt() * start + (1 - share).sqrt() * added).to(clean)


def in_reach_of_double(poses: Tensor) -> Tensor:
    """Poses where double precision exists: on the CPU instead of Apple's GPU."""
    return poses.cpu() if poses.device.type == "mps" else poses


def visited_times(steps: int) -> list[int]:
    """Timesteps of K steps, descending from the last one; the final -1 means stop.

    Raises:
        InputError: K is not within 1 … ``TIMESTEPS``.
    """
    if not 1 <= steps <= TIMESTEPS:
        raise InputError(f"steps is {steps}, but the sampler takes 1 to {TIMESTEPS} denoising steps")
    return torch.linspace(-1, TIMESTEPS - 1, steps + 1).to(torch.int64).flip(0).tolist()


def ddim_step(
    current: Tensor, clean: Tensor, noise: Tensor, now: int, then: int, signal: Tensor, eta: float = 1.0
) -> Tensor:
    """From ``current`` at time ``now`` and its clean estimate to time ``then``, with fresh ``noise`` times eta."""
    share, next_share = float(signal[now]), float(signal[then])
    variance = eta**2 * (1 - share / next_share) * (1 - next_share) / (1 - share)
    before, end, added = map(in_reach_of_double, (current, clean, noise))
    direction = ((1 / share) ** 0.5 * before.double() - end) / (1 / share - 1) ** 0.5
    mean = next_share**0.5 * end + (1 - next_share - variance) ** 0.5 * direction
    return (mean + variance**0.5 * added).to(current)


def sample(denoise: Callable[[Tensor, int], Tensor], noise: Tensor, scale: float, signal: Tensor) -> Tensor:
    """Denoise from pure noise; no step waits for the device or copies to it, but for Apple's GPU.

    Args:
        denoise: noisy poses ``[B, H, F, J, 3]`` (clamped, divided by ``scale``) and their time to clean poses.
        noise: ``[K, B, H, F, J, 3]``; the first is the start, the k-th is added after step k - 1.
        scale: of the poses (metres) against the noise.
        signal: the schedule.

    Returns:
        ``[B, K, H, F, J, 3]``, the clamped clean estimate of every step, times ``scale``.
    """
    limit = CLAMP * scale
    current, estimates = noise[0], []
    for number, (now, then) in enumerate(pairwise(visited_times(len(noise))), start=1):
        clean = (scale * denoise(current.clamp(-limit, limit) / scale, now)).clamp(-limit, limit)
        estimates.append(clean)
        if then >= 0:
            current = ddim_step(current, clean, noise[number], now, then, signal)
    return torch.stack(estimates, dim=1)  # K times [B, H, F, J, 3] → [B, K, H, F, J, 3]


def window_noise(window_keys: Tensor, seed: int, hypotheses: int, steps: int, shape: tuple[int, ...]) -> Tensor:
    """Sampling noise ``[K, B, H, *shape]``, float32 on the CPU, that follows from seed, key and hypothesis alone.

    One counter-based stream (Philox) for each (seed, window key, hypothesis), drawn step after step: a window's
    noise does not depend on its batch, and fewer hypotheses or steps are a prefix of more.

    ``window_keys`` are ``[B]`` int64, ``seed`` is not negative, ``shape`` is that of one draw, ``(F, J, 3)``.
    """
    noise = np.empty((len(window_keys), hypotheses, steps, *shape), dtype=np.float32)
    for row, key in zip(noise, window_keys.cpu().numpy().astype(np.uint64), strict=True):
        for hypothesis, draws in enumerate(row):
            stream = np.random.Philox(key=np.array([seed, key], np.uint64), counter=[0, 0, 0, hypothesis])
            np.random.Generator(stream).standard_normal(dtype=np.float32, out=draws)
    # [B, H, K, *shape] → [K, B, H, *shape]
    return torch.from_numpy(noise).permute(2, 0, 1, *range(3, noise.ndim))
