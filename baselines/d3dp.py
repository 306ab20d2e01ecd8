"""D3DP: diffusion over poses on MixSTE's trunk (Shan et al., arXiv:2303.11579, ICCV 2023).

Where its parts are:

- this file: sizes and schedules alone.
- ``models.diffusion.denoiser``: the method: loss, sampling, mirroring, hypotheses in chunks, ``DenoiserConfig``.
- ``models.diffusion.process``: noise schedule, forward process, DDIM steps, noise of each window.
- ``models.layers.transformer``: the trunk. ``models.losses``: ``mean_joint_distance``, the loss.
"""

from __future__ import annotations

from models.diffusion.denoiser import Denoiser, DenoiserConfig
from models.layers.transformer import SMALL_TRUNK, TINY_TRUNK
from models.lifter import SMALL_RECIPE, TINY_RECIPE, Preset, Recipe
from models.tuned import tuned


class D3DP(Denoiser):
    """Diffusion-based lifting; the mean joint distance of the clean estimate is its training loss."""

    title = "D3DP"
    Config = DenoiserConfig
    presets = {
        "tiny": tuned("d3dp", DenoiserConfig(**TINY_TRUNK), TINY_RECIPE),
        "small": Preset(DenoiserConfig(**SMALL_TRUNK), SMALL_RECIPE),
        "base": Preset(
            DenoiserConfig(frames=81, channels=128, depth=4, heads=8),
            Recipe(epochs=60, batch_frames=1296, learning_rate=2e-4, decay=0.98, weight_decay=0.1),
        ),
        "paper": Preset(
            DenoiserConfig(),
            Recipe(epochs=400, batch_frames=972, learning_rate=6e-5, decay=0.993, weight_decay=0.1),
        ),
    }
    published = {"gradient": "times_loss", "rate_per": "epoch", "batches": "full"}
