"""The figure of example poses: 2D input, prediction and ground truth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from bench.results.arrays import Examples, RunFiles
from bench.results.record import Record
from reports.figures import style
from reports.figures.style import Drawing
from reports.rules.comparability import TRIVIAL
from reports.rules.names import method_name

ACROSS = 7
MOST_METHODS = 12
TURN = math.radians(55)
"""From the camera's view about the upright axis, so that depth shows."""

Seen = tuple[np.ndarray, np.ndarray]
"""Horizontal and vertical coordinates of joints."""

TRUTH, LEFT, RIGHT, MIDDLE = "0.55", "#0173b2", "#de8f05", "0.15"


def example_poses(records: Sequence[Record], files: RunFiles) -> Iterator[Drawing]:
    """The middle one of the kept frames of each example sequence: 2D input, ground truth, and every method."""
    for name, place, group in style.settings(records):
        learned = [record for record in group if record.method not in TRIVIAL]
        known = {method_name(r): (r, found) for r in learned if (found := files.examples(r)) is not None}
        alike = [pair for pair in known.values() if _same_frames(pair[1], next(iter(known.values()))[1])]
        chosen = alike[:MOST_METHODS]
        if not chosen:
            continue
        examples = chosen[0][1]
        there = {method_name(record) for record, _ in alike}
        missed = [method_name(record) for record in learned if method_name(record) not in there]
        places = [f"{key}, frame {examples.frame[row]}" for key, row in _rows(examples)]
        caption = (
            f"Examples{place}: {'; '.join(places)}, the middle frames of what every run keeps, whatever the "
            f"errors. 2D input as the camera sees it, 3D poses turned by {math.degrees(TURN):.0f} degrees about "
            "the upright axis. Grey: ground truth; blue: left, orange: right side of the prediction (mean of the "
            "hypotheses where there are several); thin: up to five of them. "
            "Below: error of this pose, from poses kept in half precision."
            f"{style.left_out(len(alike), MOST_METHODS)}"
            f"{style.not_there('their poses of these frames', missed)}"
        )
        members = [record for record, _ in chosen]
        yield Drawing(f"poses{name}", _figure(chosen), caption, style.stated(members))


def _same_frames(one: Examples, other: Examples) -> bool:
    return one.keys == other.keys and np.array_equal(one.frame, other.frame)


def _rows(examples: Examples) -> list[tuple[str, int]]:
    """(name of a sequence, index of its middle frame)."""
    members = [np.flatnonzero(examples.sequence == number) for number in range(len(examples.keys))]
    return [(key, int(rows[len(rows) // 2])) for key, rows in zip(examples.keys, members, strict=True)]


def _figure(chosen: list[tuple[Record, Examples]]) -> Figure:
    first = chosen[0][1]
    across = min(ACROSS, len(chosen) + 2)
    down = math.ceil((len(chosen) + 2) / across)
    rows = _rows(first)
    width = style.PAGE_INCHES if across > 3 else style.COLUMN_INCHES
    figure = style.new_figure(1.35 * down * len(rows), width)
    panels = figure.subplots(down * len(rows), across, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
    for number, (_, row) in enumerate(rows):
        block = panels[number * down : (number + 1) * down].ravel()
        _draw_input(block[0], first, row)
        limits = _limits([examples for _, examples in chosen], row)
        _draw_pose(block[1], first, first.target[row], limits)
        block[1].set_title("Ground truth", pad=1)
        for axes, (record, examples) in zip(block[2 : 2 + len(chosen)], chosen, strict=True):
            _draw_prediction(axes, record, examples, row, limits)
    return figure


def _draw_input(axes: Axes, examples: Examples, row: int) -> None:
    pose = examples.pose_2d[row].astype(float)
    _draw_bones(axes, examples, (pose[:, 0], -pose[:, 1]))
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.1)
    axes.set_title("2D input", pad=1)


def _draw_prediction(axes: Axes, record: Record, examples: Examples, row: int, limits: tuple[float, ...]) -> None:
    _draw_bones(axes, examples, _seen(examples.target[row]), TRUTH, 1.4)
    for pose in examples.hypotheses[row]:
        _draw_bones(axes, examples, _seen(pose), width=0.5, alpha=0.25)
        axes.plot(*_seen(pose), ".", color="0.2", markersize=1, alpha=0.35)
    _draw_pose(axes, examples, examples.answer[row], limits)
    error = np.linalg.norm(examples.answer[row].astype(float) - examples.target[row], axis=-1).mean() * 1000
    axes.set_title(method_name(record).replace("§", ""), pad=1)
    axes.text(0.5, 0.0, f"{error:.0f} mm", transform=axes.transAxes, ha="center", va="bottom", color="0.25")


def _draw_pose(axes: Axes, examples: Examples, pose: np.ndarray, limits: tuple[float, ...]) -> None:
    _draw_bones(axes, examples, _seen(pose))
    axes.set(xlim=limits[:2], ylim=limits[2:], aspect="equal")


def _draw_bones(
    axes: Axes, examples: Examples, seen: Seen, colour: str = "", width: float = 1.0, alpha: float = 1.0
) -> None:
    x, y = seen
    bones = [(child, parent) for child, parent in enumerate(examples.parents.tolist()) if parent >= 0]
    lines = [[(x[child], y[child]), (x[parent], y[parent])] for child, parent in bones]
    sides = np.select([examples.left, examples.right], [LEFT, RIGHT], default=MIDDLE)
    colours = [colour or sides[child] for child, _ in bones]
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=width, alpha=alpha, capstyle="round"))


def _seen(pose: np.ndarray) -> Seen:
    """A pose in camera axes, seen from the side."""
    across, down, depth = pose.astype(float).T
    return across * math.cos(TURN) + depth * math.sin(TURN), -down


def _limits(all_examples: list[Examples], row: int) -> tuple[float, ...]:
    poses = np.concatenate([[examples.target[row], examples.answer[row]] for examples in all_examples])
    x, y = _seen(poses.reshape(-1, 3))
    across, half = 0.5 * np.ptp(x) + 0.05, 0.5 * np.ptp(y) + 0.03
    middle = (x.max() + x.min()) / 2, (y.max() + y.min()) / 2
    return middle[0] - across, middle[0] + across, middle[1] - 1.3 * half, middle[1] + half
