"""A page with the pose viewer alone, for poses that were lifted from own key points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from bench.footage.files import Prediction
from bench.footage.keypoints import screen_points
from bench.results.files import write_text
from models.skeleton import HUMAN36M
from reports.figures.style import looks_of
from reports.page.template import poses_page
from reports.page.viewer import PER_METRE, PER_SCREEN, stored

MOST_FRAMES, FPS = 1_000, 25.0
"""Frames that are shown, and about how many of them are one second."""

NOTE = "Lifted from 2D key points without ground truth: nothing here says how far off a pose is."


def write_page(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write a page that shows predictions of several methods for the same key points, or of one."""
    points = predictions[0].points
    every = max(1, round(points.fps / FPS))
    frames = np.flatnonzero(points.lifted)[::every][:MOST_FRAMES]
    names = [prediction.method for prediction in predictions]
    colours = {name: (to_hex(shade), marker) for name, (shade, marker) in looks_of(names).items()}
    scene = {
        "title": f"{Path(points.source).name}, frames {points.frames[frames[0]]} to {points.frames[frames[-1]]}",
        "frames": len(frames),
        "fps": points.fps / every,
        "parents": list(HUMAN36M.parents),
        "right": list(np.isin(range(len(HUMAN36M.joints)), HUMAN36M.right).tolist()),
        "truth": None,
        "input": stored(screen_points(points)[frames], PER_SCREEN),
        "methods": [_method(prediction, frames) for prediction in predictions],
    }
    write_text(path, poses_page({"poses": {"note": NOTE, "scenes": [scene]}, "looks": colours}))


def _method(prediction: Prediction, frames: np.ndarray) -> dict[str, Any]:
    answer = stored(prediction.poses[frames], PER_METRE)
    name = prediction.method
    return {"run": None, "method": name, "name": name, "answer": answer, "hypotheses": []}
