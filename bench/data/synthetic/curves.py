"""Smooth curves of time: transitions, slow wandering, and the joint angles of a gait cycle."""

from __future__ import annotations

from functools import cache

import numpy as np

HARMONICS = 7

# Sagittal joint angles of level walking at natural cadence, degrees at every 5 % of the stride from heel contact
# on (flexion and dorsiflexion positive). Read off the normal curves in Winter, "The biomechanics and motor control
# of human gait", 2nd ed., 1991 (hip, knee, ankle); drawn values, good to about two degrees.
HIP = (21, 20, 17, 12.5, 8, 3, -2, -6.5, -10, -12, -12, -9, -2, 6, 13, 18, 21, 22.5, 23, 22)
KNEE = (4, 11, 17, 19, 17, 13, 9.5, 7, 6, 8, 14, 25, 41, 56, 63.5, 62, 51, 34, 16, 5)
ANKLE = (0, -4, -3, 1, 3.5, 5.5, 7, 8.5, 9.5, 9, 4.5, -5, -15.5, -17, -11, -5, -1.5, 0.5, 1.5, 1)


def change_times(rng: np.random.Generator, time: np.ndarray, pause: tuple[float, float]) -> np.ndarray:
    """``[N]`` seconds at which something changes, from before the first of times ``[T]`` to after the last.

    ``pause``: seconds between two changes, least and greatest.
    """
    gaps = rng.uniform(*pause, size=int(np.ceil((time[-1] + 3) / pause[0])) + 1)
    return time[0] - rng.uniform(0, pause[1]) + np.cumsum(gaps) - gaps[0]


def minimum_jerk(progress: np.ndarray) -> np.ndarray:
    """Smooth step from 0 to 1 (Flash and Hogan, 1985); constant outside."""
    x = np.clip(progress, 0, 1)
    return x**3 * (10 - 15 * x + 6 * x * x)


def staircase(time: np.ndarray, begin: np.ndarray, duration: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values that change one after the other, each change a minimum-jerk transition.

    Args:
        time: ``[T]`` seconds.
        begin, duration: ``[N]`` seconds, of each change.
        values: ``[N + 1, ...]`` before, between and after the changes.

    Returns:
        ``[T, ...]``.
    """
    progress = minimum_jerk((time[:, None] - begin) / duration)
    return values[0] + np.tensordot(progress, np.diff(values, axis=0), axes=1)


def bumps(time: np.ndarray, begin: np.ndarray, duration: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """``[T]``: sum of smooth bumps from ``begin`` on for ``duration``, with peaks ``heights`` (all ``[N]``)."""
    progress = np.clip((time[:, None] - begin) / duration, 0, 1)
    return (64 * (progress * (1 - progress)) ** 3) @ heights


def wander(rng: np.random.Generator, time: np.ndarray, channels: int, period: float) -> np.ndarray:
    """``[T, channels]`` smooth random motion, mean 0, standard deviation about 1, around ``period`` seconds."""
    waves = 7
    frequency = np.geomspace(0.35, 1.7, waves) / period * rng.uniform(0.9, 1.1, (channels, waves))
    phase = rng.uniform(0, 2 * np.pi, (channels, waves))
    weight = rng.uniform(0.5, 1.5, (channels, waves))
    weight *= np.sqrt(2 / (weight**2).sum(axis=1, keepdims=True))
    return (weight * np.sin(2 * np.pi * frequency * time[:, None, None] + phase)).sum(axis=-1)


def gait_angles(phase: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hip, knee and ankle angles in radians at a phase of the stride (0 and 1: heel contact); any shape."""
    hip, knee, ankle = (_periodic(name, phase) for name in ("hip", "knee", "ankle"))
    return hip, knee, ankle


def smooth(values: np.ndarray, width: float) -> np.ndarray:
    """``[T, ...]`` smoothed over time by a Gaussian of ``width`` frames (standard deviation), ends repeated."""
    reach = int(4 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    padded = np.pad(values, [(reach, reach)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    shifted = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=0)
    return shifted @ (kernel / kernel.sum())


def soft_minimum(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Smooth lower bound of min(a, b), exact where they differ by more than a few ``width``."""
    return -width * np.logaddexp(-a / width, -b / width)


def _periodic(name: str, phase: np.ndarray) -> np.ndarray:
    turns = 2 * np.pi * phase[..., None] * np.arange(HARMONICS + 1)
    cosine, sine = _fourier(name)
    return np.cos(turns) @ cosine + np.sin(turns) @ sine


@cache
def _fourier(name: str) -> tuple[np.ndarray, np.ndarray]:
    values = np.radians({"hip": HIP, "knee": KNEE, "ankle": ANKLE}[name])
    spectrum = np.fft.rfft(values)[: HARMONICS + 1] / len(values)
    spectrum[1:] *= 2
    return spectrum.real, -spectrum.imag
