"""The user's cache folder: arrays that were made or parsed once, kept for the next time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_dir

from bench.results.files import atomic


def cache_folder() -> Path:
    """``$BENCH_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("BENCH_CACHE") or user_cache_dir("lifting-bench"))


def load_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """What ``store_arrays`` wrote; None if it is not there or not whole."""
    try:
        with np.load(path) as archive:
            return dict(archive)
    except Exception:  # a damaged archive can raise almost anything, and is made anew
        return None


def store_arrays(path: Path, **arrays: Any) -> None:
    """Write an ``.npz`` whole or not at all; that a folder cannot be written is no error, only slow."""
    try:
        with atomic(path) as file:
            np.savez(file, **arrays)
    except OSError:
        return
