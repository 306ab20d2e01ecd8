"""A lifter that denoises 3D poses on the condition of 2D poses: all that D3DP is, and the base of FinePOSE.

The trunk is ``models.layers.transformer``, the noise schedule and the sampler are ``models.diffusion.process``.

B batch (twice that where plain and mirrored windows run together), K steps, H hypotheses, F frames, J joints,
C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.config import check_positive
from models.diffusion.process import CLAMP, TIMESTEPS, cosine_schedule, q_sample, sample, window_noise
from models.inference import flip_average
from models.layers.transformer import CACHED_VALUES, Trunk, TrunkConfig
from models.lifter import Batch, Lifter, Sampling
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M, Skeleton

VALUES_AT_ONCE = 2**26
"""Numbers in one activation (256 MB in float32); hypotheses run in chunks that stay below it."""
ACTIVATIONS_AT_ONCE = 16
"""Memory that a block takes at most, in activations of that size."""


@dataclass(frozen=True)
class DenoiserConfig(TrunkConfig):
    """Size of the trunk, and ``scale``: of the poses (metres) against noise of variance 1."""

    scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "scale")


@dataclass(frozen=True)
class Condition:
    """What the denoiser sees in every step of a window: ``pose``, the embedded 2D ``[B, F, J, C]``."""

    pose: Tensor


class Denoiser(Lifter):
    """Diffusion over poses (D3DP, arXiv:2303.11579): MixSTE's trunk sees 2D poses, noisy 3D poses and time.

    It estimates the clean poses. A subclass may give it more to see.
    """

    probabilistic = True
    compiled_part = "trunk.lift"
    trains_compiled_part = True
    timed_stages = {"2D": "_embed_2d", "denoise": "denoise"}

    def __init__(self, config: DenoiserConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames = self.train_frames = config.frames
        self.trunk = Trunk(config, inputs=5, joints=len(skeleton.joints))
        C = config.channels
        self.time_mlp = nn.Sequential(nn.Linear(C, 2 * C), nn.GELU(), nn.Linear(2 * C, C))
        self.signal = cosine_schedule()

    def training_loss(self, batch: Batch) -> Tensor:
        """Mean joint distance between the clean pose and its estimate from a random timestep."""
        assert batch.pose_3d is not None
        times, noise = self.draw(batch.pose_3d)
        estimate = self.denoise_diffused(batch.pose_2d, batch.actions, batch.pose_3d, times, noise)
        return mean_joint_distance(estimate, batch.pose_3d)

    def draw(self, pose_3d: Tensor) -> tuple[Tensor, Tensor]:
        """The timestep of every window ``[B]`` (on the CPU), and noise like poses ``[B, F, J, 3]``."""
        return torch.randint(0, TIMESTEPS, (len(pose_3d),)), torch.randn_like(pose_3d)

    @torch.no_grad()
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        shape = (self.frames, len(self.skeleton.joints), 3)
        noise = window_noise(batch.window_keys, sampling.seed, sampling.hypotheses, sampling.steps, shape)
        noise = noise.to(batch.pose_2d.device)
        poses = self.sample(batch.pose_2d, batch.actions, noise, sampling.flip, alone=True)
        poses /= self.config.scale
        poses[..., self.skeleton.root, :] = 0
        return poses

    def condition(
        self, pose_2d: Tensor, actions: tuple[str, ...], flip: bool = False, alone: bool = False
    ) -> Condition:
        """The condition of windows ``[B, F, J, 2]``; with ``flip``, that of their mirror images follows.

        ``alone``: as if every window were alone in its batch, for a subclass in which windows see each other.
        """
        return Condition(self._embed_2d(pose_2d, flip))

    def denoise(
        self, condition: Condition, poses: Tensor, times: Tensor, first: int = 0, hypotheses: int | None = None
    ) -> Tensor:
        """Clean estimates of noisy poses.

        Args:
            condition: of the B windows.
            poses: ``[B, H, F, J, 3]``.
            times: ``[B]`` or ``[1]`` timesteps.
            first: number of the first of these hypotheses.
            hypotheses: how many there are in all; None for H.

        Returns:
            ``[B, H, F, J, 3]``.
        """
        time = self._embed_time(times)
        clean = self.trunk(self._tokens(condition, poses, time))
        return clean.unflatten(0, poses.shape[:2])  # [B·H, F, J, 3] → [B, H, F, J, 3]

    def denoise_diffused(
        self, pose_2d: Tensor, actions: tuple[str, ...], pose_3d: Tensor, times: Tensor, noise: Tensor
    ) -> Tensor:
        """Clean estimates ``[B, F, J, 3]`` of poses diffused to ``times`` ``[B]`` (CPU) with ``noise``."""
        noisy = self.diffuse(pose_3d, times, noise)
        condition = self.condition(pose_2d, actions)
        times = times.to(pose_2d.device, non_blocking=True)
        clean = self.denoise(condition, noisy[:, None], times)  # [B, F, J, 3] → [B, 1, F, J, 3]
        return clean[:, 0]

    def diffuse(self, pose_3d: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        """What the denoiser is given: poses at ``times``, clamped and divided by the scale."""
        scale = self.config.scale
        noisy = q_sample(pose_3d * scale, noise, times, self.signal)
        return noisy.clamp(-CLAMP * scale, CLAMP * scale) / scale

    def sample(
        self, pose_2d: Tensor, actions: tuple[str, ...], noise: Tensor, flip: bool = True, alone: bool = False
    ) -> Tensor:
        """Poses ``[B, K, H, F, J, 3]`` (times the scale) from recorded noise ``[K, B, H, F, J, 3]``.

        Every step averages the plain and the mirrored estimate, which run as one batch. Hypotheses run in chunks
        that bound memory and do not change the result. ``alone`` as in ``condition``.
        """
        condition = self.condition(pose_2d, actions, flip, alone)
        hypotheses = noise.shape[2]
        size = max(1, _values_at_once(noise.device) // condition.pose.numel())
        poses = noise.new_empty(noise.transpose(0, 1).shape)  # [K, B, H, F, J, 3] → [B, K, H, F, J, 3]
        for first in range(0, hypotheses, size):
            chunk = slice(first, first + size)
            poses[:, :, chunk] = self._sample_chunk(condition, noise[:, :, chunk], first, hypotheses, flip)
        return poses

    def _sample_chunk(
        self, condition: Condition, noise: Tensor, first: int, hypotheses: int, flip: bool
    ) -> Tensor:
        def denoise(poses: Tensor, time: int) -> Tensor:
            times = torch.full((1,), time, device=poses.device)
            return flip_average(
                lambda noisy: self.denoise(condition, noisy, times, first, hypotheses), poses, self.skeleton, flip
            )

        return sample(denoise, noise, self.config.scale, self.signal)

    def _embed_2d(self, pose_2d: Tensor, flip: bool) -> Tensor:
        return self.trunk.embed(torch.cat([pose_2d, self.skeleton.mirror(pose_2d)]) if flip else pose_2d)

    def _embed_time(self, times: Tensor) -> Tensor:
        return self.time_mlp(sinusoid(times, self.config.channels))

    def _tokens(self, condition: Condition, poses: Tensor, time: Tensor) -> Tensor:
        # [B, 1, F, J, C] + [B, H, F, J, C] + [1 or B, 1, 1, 1, C]
        tokens = condition.pose[:, None] + self.trunk.embed_3d(poses) + time[:, None, None, None]
        return tokens.flatten(0, 1)  # [B, H, F, J, C] → [B·H, F, J, C]


def _values_at_once(device: torch.device) -> int:
    """Numbers that an activation may have: what a CPU's caches hold, or what fits into a GPU's free memory."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, and not in use
        return min(VALUES_AT_ONCE, (free + kept) // (4 * ACTIVATIONS_AT_ONCE))
    return min(VALUES_AT_ONCE, CACHED_VALUES)


def sinusoid(times: Tensor, channels: int) -> Tensor:
    """Embedding ``[B, channels]`` of times ``[B]``: sines, then cosines (arXiv:1706.03762, section 3.5)."""
    half = channels // 2
    exponents = torch.arange(half, device=times.device) * -(math.log(10000) / (half - 1))
    angles = times[:, None] * exponents.exp()  # [B, 1] · [channels / 2] → [B, channels / 2]
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
