"""Pictures of a prediction: the key points beside the poses, still or moving."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.animation import FFMpegWriter, FuncAnimation, PillowWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.data.inspect.pictures import draw_bones
from bench.footage.files import Prediction
from models.errors import InputError
from models.skeleton import HUMAN36M

SHOWN = 6  # frames of a still picture

MOVING_FPS, LONGEST_SECONDS = 12.5, 20.0
"""Frames per second of a moving picture, and how much of the video it shows at most."""

SIDE = np.radians(60)  # how far the second view is turned about the vertical

WIDTH = 1.4  # points, of bones


def check_ffmpeg() -> None:
    """Raises ``InputError`` where there is no ffmpeg, which an MP4 needs."""
    if not FFMpegWriter.isAvailable():
        raise InputError("--write mp4: needs ffmpeg, which is not installed: install it, or write gif instead")


def save_still(path: Path, prediction: Prediction) -> None:
    """A PNG: frames spread over the video; above the key points, below the poses from ahead and from the side."""
    there = np.flatnonzero(prediction.points.lifted)
    chosen = there[np.linspace(0, len(there) - 1, min(SHOWN, len(there))).astype(int)].tolist()
    figure = Figure(figsize=(1.7 * len(chosen), 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    for column, frame in enumerate(chosen):
        for row, draw in enumerate((_draw_points, _draw_ahead, _draw_side)):
            axes = figure.add_subplot(3, len(chosen), row * len(chosen) + column + 1)
            draw(axes, prediction, frame)
            if row == 0:
                filled = ", filled" if prediction.points.filled[frame] else ""
                axes.set_title(f"frame {prediction.points.frames[frame]}{filled}", fontsize=7)
            if column == 0:
                axes.set_ylabel(("key points", "3D as seen", "3D turned by 60°")[row], fontsize=7)
    figure.suptitle(_title(prediction), fontsize=8)
    figure.savefig(path, dpi=110)


def save_moving(path: Path, prediction: Prediction) -> None:
    """A GIF or an MP4: key points, and the poses from ahead and from the side."""
    points = prediction.points
    every = max(1, round(points.fps / MOVING_FPS))
    frames = np.flatnonzero(points.lifted)[::every][: int(LONGEST_SECONDS * MOVING_FPS)].tolist()
    figure = Figure(figsize=(7.2, 2.7))  # places are fixed: a layout for each frame takes most of the time
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3, gridspec_kw={"left": 0.05, "right": 0.98, "bottom": 0.08, "top": 0.84})
    figure.suptitle(_title(prediction), fontsize=8)

    def draw(frame: int) -> Sequence[Artist]:
        for axes, paint in zip(panels, (_draw_points, _draw_ahead, _draw_side), strict=True):
            axes.clear()
            paint(axes, prediction, frame)
        panels[0].set_title(f"frame {points.frames[frame]}", fontsize=7)
        return ()

    writer = (FFMpegWriter if path.suffix == ".mp4" else PillowWriter)(fps=round(points.fps / every))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # whole or not at all
        made = Path(folder) / path.name
        FuncAnimation(figure, draw, frames=frames, init_func=lambda: ()).save(made, writer=writer, dpi=90)
        made.replace(path)


def _title(prediction: Prediction) -> str:
    return f"{prediction.method}: 3D lifted from key points, not measured; left blue, right red"


def _draw_points(axes: Axes, prediction: Prediction, frame: int) -> None:
    """The key points in the image, cut to the person."""
    points = prediction.points.points[frame]
    draw_bones(axes, points, HUMAN36M, WIDTH)
    centre, reach = (points.min(axis=0) + points.max(axis=0)) / 2, 0.6 * float(np.ptp(points, axis=0).max()) + 1
    axes.set(xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] + reach, centre[1] - reach))
    axes.set(aspect="equal")
    axes.tick_params(labelsize=5)


def _draw_ahead(axes: Axes, prediction: Prediction, frame: int) -> None:
    _draw_pose(axes, prediction.poses[frame][:, :2])


def _draw_side(axes: Axes, prediction: Prediction, frame: int) -> None:
    x, y, z = prediction.poses[frame].T
    _draw_pose(axes, np.stack([np.cos(SIDE) * x + np.sin(SIDE) * z, y], axis=-1))


def _draw_pose(axes: Axes, pose: np.ndarray) -> None:
    draw_bones(axes, pose, HUMAN36M, WIDTH)
    axes.set(xlim=(-1.1, 1.1), ylim=(1.1, -1.1), aspect="equal", xticks=[], yticks=[])
