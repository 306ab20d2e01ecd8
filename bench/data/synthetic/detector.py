"""What a 2D detector does to exact keypoints: jitter that lingers, outliers, left and right exchanged.

The sizes follow measurements of fine-tuned detectors as simulated in the field: 6 px median error on images of
1000 px. No detector was run.
"""

from __future__ import annotations

import numpy as np

from models.skeleton import HUMAN36M

SIGMA = np.array([3.5, 4.0, 5.5, 7.0, 4.0, 5.5, 7.0, 4.5, 4.5, 5.0, 5.5, 5.0, 7.0, 9.5, 5.0, 7.0, 9.5])  # px
LINGERING = 0.75  # share of the variance that is correlated over time
MEMORY = 0.88  # correlation of its successive frames
OUTLIERS = 0.0036  # chance per joint and frame that a displacement of 1 to 4 frames begins
DISPLACED = (35.0, 140.0)  # px
EXCHANGES = 0.0006  # chance per frame that a left-right exchange begins; five times that where limbs overlap
OVERLAP = 25.0  # px between left and right

PERSON = 320.0
"""Pixels: the size of a person in the image (``size_in_image``) that all these belong to: the median over
takes and cameras of the data set ``population``."""


def detect(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Exact keypoints ``[T, 17, 2]`` in pixels of Human3.6M's joints, as a detector would give them."""
    strength = rng.uniform(0.8, 1.2)
    noise = SIGMA[:, None] * strength * _jitter(rng, pixels.shape)
    return _exchanged(rng, pixels) + noise + _outliers(rng, len(pixels))


def detect_in_proportion(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Keypoints of ``detect``, with errors in proportion to the person: a detector sees a crop of one size."""
    scale = size_in_image(pixels) / PERSON
    return detect(rng, pixels / scale) * scale


def size_in_image(pixels: np.ndarray) -> float:
    """Median over the frames of the diagonal of the box around the keypoints ``[T, J, 2]``, in their unit."""
    return float(np.median(np.linalg.norm(np.ptp(pixels, axis=1), axis=-1)))


def _jitter(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Unit-variance noise: an AR(1) process and white noise."""
    warm_up = 64
    slow = rng.standard_normal((shape[0] + warm_up, *shape[1:]))
    lag = 1
    while lag < len(slow):  # x[t] + a x[t-1] + a^2 x[t-2] + …, by doubling
        slow[lag:] += MEMORY**lag * slow[:-lag].copy()
        lag *= 2
    slow = slow[warm_up:] * np.sqrt(1 - MEMORY**2)
    return np.sqrt(LINGERING) * slow + np.sqrt(1 - LINGERING) * rng.standard_normal(shape)


def _outliers(rng: np.random.Generator, frames: int) -> np.ndarray:
    """``[T, 17, 2]``: displacements that last 1 to 4 frames."""
    shape = (frames, len(SIGMA))
    begins = rng.random(shape) < OUTLIERS
    lasts = rng.integers(1, 5, shape)
    angle, size = rng.uniform(0, 2 * np.pi, shape), rng.uniform(*DISPLACED, shape)
    kick = size[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    total = np.zeros((*shape, 2))
    for age in range(4):
        active = (begins & (lasts > age))[: frames - age]
        total[age:][active] = kick[: frames - age][active]
    return total


def _exchanged(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """The keypoints with left and right legs, or arms, exchanged for some bursts of 2 to 12 frames."""
    result = pixels.copy()
    frames = len(pixels)
    for limb in (slice(0, 3), slice(3, 6)):  # legs, arms
        left, right = np.array(HUMAN36M.left[limb]), np.array(HUMAN36M.right[limb])
        apart = np.linalg.norm(pixels[:, left] - pixels[:, right], axis=-1).mean(axis=1)
        begins = rng.random(frames) < np.where(apart < OVERLAP, 5 * EXCHANGES, EXCHANGES)
        lasts = rng.integers(2, 13, frames)
        ends = np.where(begins, np.arange(frames) + lasts, 0)
        active = np.flatnonzero(np.arange(frames) < np.maximum.accumulate(ends))[:, None]
        result[active, left] = pixels[active, right]
        result[active, right] = pixels[active, left]
    return result
