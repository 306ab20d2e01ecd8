"""Pictures of a data set: poses, what the cameras see of them, and errors of detections."""

from __future__ import annotations

from collections import abc
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.data.cameras.camera import image_coordinates, project
from bench.data.inspect.describe import detection_errors
from bench.data.sequence import Dataset, Sequence
from bench.data.synthetic.curves import gait_angles
from models.skeleton import HUMAN36M, Skeleton

COLOURS = {"left": "#2166ac", "right": "#b2182b", "middle": "#333333"}
SHOWN = 8  # poses of one strip
ACTIONS_SHOWN, CAMERAS_SHOWN = 5, 4  # rows and columns of projections
PHASE = np.linspace(0, 1, 101)  # of a stride
LONGEST_TITLE = 40  # letters of a take's name that fit over a projection


def save_pictures(dataset: Dataset, folder: Path) -> list[Path]:
    """Draw a data set into PNG files, whose paths are given back; the folder is made if it is not there.

    Always skeletons over time, and in each camera the 2D poses with the projected 3D poses over them; joint angles
    of the gait if there are full strides of walking in Human3.6M's joint order; statistics of the 2D errors if
    there are any. Frames that do not count may hold no pose and are not drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"poses": _poses(dataset), "projections": _projections(dataset)}
    walking = [sequence for sequence in dataset.train + dataset.test if sequence.action_class == "Walking"]
    if dataset.skeleton == HUMAN36M and (strides := [s for sequence in walking for s in _strides(sequence)]):
        figures["gait"] = _gait(strides)
    errors = np.concatenate([detection_errors(sequence)[sequence.counted] for sequence in dataset.test])
    if errors.max() > 0.1:
        figures["detections"] = _detections(dataset, errors)
    files = []
    for name, figure in figures.items():
        files.append(folder / f"{dataset.name}-{name}.png")
        figure.savefig(files[-1], dpi=80)
    return files


def _poses(dataset: Dataset) -> Figure:
    """One strip of poses for each action, as its camera sees the person, 3D at the left and then over time."""
    by_action = {sequence.action_class: sequence for sequence in reversed(dataset.test)}
    chosen = [by_action[action] for action in sorted(by_action)]
    figure = Figure(figsize=(7.6, 1.2 * len(chosen)), layout="constrained")
    for row, sequence in enumerate(chosen):
        axes = figure.add_subplot(len(chosen), 1, row + 1)
        counted = np.flatnonzero(sequence.counted)
        frames = counted[np.linspace(0, len(counted) - 1, SHOWN).astype(int)]
        for place, frame in enumerate(frames):
            pose = sequence.pose_3d[frame, :, :2] * [1, -1] + [1.5 * place, 0]
            draw_bones(axes, pose, dataset.skeleton)
            axes.text(1.5 * place + 0.35, -0.95, f"{frame / sequence.fps:.1f} s", fontsize=7, color="gray")
        axes.set(aspect="equal", xlim=(-0.9, 1.5 * SHOWN - 0.6), ylim=(-1.05, 0.95), xticks=[], yticks=[])
        axes.set_title(f"{sequence.take}, camera {sequence.camera}", fontsize=8, loc="left", pad=2)
        axes.set_frame_on(False)
    return figure


def _projections(dataset: Dataset) -> Figure:
    """A frame in the middle of some test takes in some cameras: 2D poses, and over them the projected 3D poses."""
    takes: dict[str, list[Sequence]] = {}
    for sequence in dataset.test:
        takes.setdefault(sequence.take, []).append(sequence)
    actions = {take.split("/")[1].split(" ")[0]: take for take in reversed(takes)}
    every = -(-len(actions) // ACTIONS_SHOWN)
    rows = [takes[actions[action]][:CAMERAS_SHOWN] for action in sorted(actions)[::every]]
    columns = max(map(len, rows))
    figure = Figure(figsize=(max(2.4 * columns, 4.8), 2.7 * len(rows)), layout="constrained")
    for row, views in enumerate(rows):
        for column, sequence in enumerate(views):
            axes = figure.add_subplot(len(rows), columns, row * columns + column + 1)
            _projection(axes, sequence, dataset.skeleton)
    figure.suptitle("2D poses in colour, projected 3D poses dashed; pixels", fontsize=9)
    return figure


def _projection(axes: Axes, sequence: Sequence, skeleton: Skeleton) -> None:
    """One frame in image coordinates, cut to the person."""
    counted = np.flatnonzero(sequence.counted)
    frame = counted[len(counted) // 2]
    seen = sequence.pose_3d[frame] + sequence.trajectory[frame]
    given, exact = (
        image_coordinates(points, sequence.width, sequence.height)
        for points in (sequence.pose_2d[frame], project(seen, sequence.intrinsics, clamped=False))
    )
    draw_bones(axes, given, skeleton)
    for parent, child in skeleton.bones:
        axes.plot(*exact[[parent, child]].T, color="black", linewidth=0.9, linestyle=(0, (3, 2)))
    both = np.concatenate([given, exact])
    centre, reach = (both.min(axis=0) + both.max(axis=0)) / 2, 0.55 * np.ptp(both, axis=0).max()
    axes.set(xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] + reach, centre[1] - reach))
    axes.set_aspect("equal")
    axes.tick_params(labelsize=6)
    take = sequence.take if len(sequence.take) <= LONGEST_TITLE else f"{sequence.take[: LONGEST_TITLE - 1]}…"
    axes.set_title(f"{take}\n{sequence.camera}, frame {frame}", fontsize=6)


def draw_bones(axes: Axes, pose: np.ndarray, skeleton: Skeleton, width: float = 1.6) -> None:
    """Draw a pose ``[J, 2]``, its left and right in colours; the axes' limits are the caller's."""
    for parent, child in skeleton.bones:
        side = "left" if child in skeleton.left else "right" if child in skeleton.right else "middle"
        line = Line2D(*pose[[parent, child]].T, color=COLOURS[side], linewidth=width, solid_capstyle="round")
        axes.add_line(line)


def _gait(strides: abc.Sequence[tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Hip and knee angles over the stride, and the published curves."""
    hip, knee, _ = np.degrees(gait_angles(PHASE))
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for column, (name, published) in enumerate((("hip", hip), ("knee", knee))):
        axes = figure.add_subplot(1, 2, column + 1)
        measured = np.stack([stride[column] for stride in strides])
        for subject_curve in measured[:: max(1, len(measured) // 40)]:
            axes.plot(100 * PHASE, subject_curve, color="#9ecae1", linewidth=0.6)
        axes.plot(100 * PHASE, measured.mean(axis=0), color="#08519c", label=f"mean of {len(measured)} strides")
        axes.plot(100 * PHASE, published, color="black", linestyle="--", label="published normal gait")
        axes.set(xlabel="stride from heel contact, %", ylabel=f"{name} flexion, degrees")
        axes.legend(fontsize=8, frameon=False)
    return figure


def _strides(sequence: Sequence) -> list[tuple[np.ndarray, np.ndarray]]:
    """Hip and knee flexion in degrees of every full stride of the right leg, resampled to ``PHASE``."""
    pose = sequence.pose_3d.astype(np.float64)
    up = pose[:, 8].mean(axis=0) / np.linalg.norm(pose[:, 8].mean(axis=0))
    across = pose[:, 1] - pose[:, 4]
    forward = np.cross(up, across)
    forward -= (forward @ up)[:, None] * up
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    thigh, shank = pose[:, 2] - pose[:, 1], pose[:, 3] - pose[:, 2]
    hip, leg = (np.degrees(np.arctan2((bone * forward).sum(-1), -bone @ up)) for bone in (thigh, shank))
    ahead = ((pose[:, 3] - pose[:, 0]) * forward).sum(-1)
    peaks = np.flatnonzero((ahead[1:-1] > ahead[:-2]) & (ahead[1:-1] >= ahead[2:]) & (ahead[1:-1] > 0.15)) + 1
    found = []
    for begin, end in pairwise(peaks):
        if 0.6 < (end - begin) / sequence.fps < 1.8:
            at = begin + PHASE * (end - begin)
            frames = np.arange(len(pose))
            found.append((np.interp(at, frames, hip), np.interp(at, frames, hip - leg)))
    return found


def _detections(dataset: Dataset, errors: np.ndarray) -> Figure:
    """Errors of the 2D poses ``[T, J]`` in pixels: by joint, over all joints, and how long they last."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    joints, spread, memory = figure.subplots(1, 3)
    quartiles = np.percentile(errors, [25, 50, 75, 95], axis=0)
    places = np.arange(errors.shape[1])
    joints.barh(places, quartiles[2] - quartiles[0], left=quartiles[0], color="#9ecae1", label="middle half")
    joints.plot(quartiles[1], places, "|", color="#08519c", markersize=9, label="median")
    joints.plot(quartiles[3], places, ".", color="#b2182b", label="95 %")
    joints.set(yticks=places, yticklabels=dataset.skeleton.joints, xlabel="error, px")
    joints.tick_params(axis="y", labelsize=7)
    joints.legend(fontsize=7, frameon=False)
    spread.hist(errors.ravel(), bins=np.geomspace(0.1, 300, 60), color="#9ecae1")
    spread.set(xscale="log", yscale="log", xlabel="error, px", ylabel="joints")
    lags = range(26)
    memory.plot(lags, [_correlation(dataset.test, lag) for lag in lags], color="#08519c")
    memory.axhline(0, color="gray", linewidth=0.5)
    memory.set(xlabel="frames apart", ylabel="correlation of the error", ylim=(-0.1, 1.05))
    return figure


def _correlation(sequences: abc.Sequence[Sequence], lag: int) -> float:
    """Correlation of a coordinate's error with itself ``lag`` frames later; outliers above 20 px left out."""
    products, squares = [], []
    for sequence in sequences:
        with np.errstate(divide="ignore", invalid="ignore"):  # frames that do not count may hold no pose
            exact = project(sequence.pose_3d + sequence.trajectory[:, None], sequence.intrinsics, clamped=False)
        error = (sequence.pose_2d - exact) * (sequence.width / 2)
        error[~sequence.counted] = np.nan
        early, late = error[: max(len(error) - lag, 0)], error[lag:]
        usual = (np.abs(early) < 20) & (np.abs(late) < 20)
        if usual.any():  # a short sequence has no two frames so far apart
            products.append((early * late)[usual].mean())
            squares.append(0.5 * ((early**2)[usual].mean() + (late**2)[usual].mean()))
    return float(np.mean(products) / np.mean(squares)) if products else np.nan
