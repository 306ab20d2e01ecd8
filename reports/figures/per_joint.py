"""The figure of errors by joint, on a drawn person that faces the reader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.results.record import Record
from reports.figures.style import (
    COLUMN_INCHES,
    SMALL_POINTS,
    STYLE,
    Drawing,
    left_out,
    new_figure,
    settings,
    with_conditions,
)
from reports.rules.comparability import TRIVIAL, headline
from reports.rules.names import headlines, row_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

MOST_PANELS = 16
ACROSS = 4

_TRUNK = {
    "Hip": (0, 0, ""), "Spine": (0, 0.27, "Hip"), "Thorax": (0, 0.55, "Spine"), "Neck/Nose": (0, 0.72, "Thorax"),
    "Head": (0, 0.9, "Neck/Nose"),
}  # fmt: skip
_LIMBS = {
    "Hip": (0.17, -0.03, "Hip"), "Knee": (0.23, -0.45, "Hip"), "Foot": (0.27, -0.88, "Knee"),
    "Shoulder": (0.26, 0.52, "Thorax"), "Elbow": (0.5, 0.3, "Shoulder"), "Wrist": (0.72, 0.08, "Elbow"),
}  # fmt: skip
_OTHER_NAMES = {
    "Pelvis": "Hip", "Neck": "Thorax", "HeadTop": "Head", "RAnkle": "RFoot", "LAnkle": "LFoot",
}  # fmt: skip
"""Joints of MPI-INF-3DHP that stand where Human3.6M has another name."""


def _places() -> dict[str, tuple[float, float, str]]:
    """Joint → place, and the joint that it hangs on; the person's right is on the reader's left."""
    places: dict[str, tuple[float, float, str]] = dict(_TRUNK)
    for side, sign in (("R", -1), ("L", 1)):
        for name, (x, y, parent) in _LIMBS.items():
            above = parent if parent in _TRUNK and (parent != "Hip" or name == "Hip") else side + parent
            places[side + name] = (sign * x, y, above)
    return places


PLACES = _places()


def errors_by_joint(records: Sequence[Record]) -> list[Drawing]:
    """MPJPE of the headline by joint, a person per learned method; none for joints that have no place here."""
    drawings = []
    for name, group in settings(records):
        learned = [record for record in group if record.method not in TRIVIAL and _errors(record)]
        if learned:
            shown = headlines(learned)
            caption = (
                f"Mean error by joint (mm, {shown}, mean over all frames), one scale of colours and "
                "sizes; the person faces the reader. The root, to which all poses are aligned, has none."
                f"{left_out(len(learned), MOST_PANELS)}"
            )
            chosen = learned[:MOST_PANELS]
            drawings.append(Drawing(f"by-joint{name}", _figure(chosen), with_conditions(caption, chosen)))
    return drawings


def _errors(record: Record) -> dict[str, float]:
    """Place → error in mm, without the root; empty where a joint is not known or no errors were kept."""
    value = record.value("mpjpe", headline(record))
    joints = [_OTHER_NAMES.get(joint, joint) for joint in record.data.joints]
    if "HeadTop" in record.data.joints:
        joints[record.data.joints.index("Head")] = "Neck/Nose"
    if value is None or not value.per_joint or not set(joints) <= PLACES.keys():
        return {}
    return {joint: error for joint, error in zip(joints, value.per_joint, strict=True) if joint != "Hip"}


def _figure(records: list[Record]) -> Figure:
    import matplotlib

    errors = [_errors(record) for record in records]
    finite = [error for panel in errors for error in panel.values() if math.isfinite(error)]
    limits = min(finite, default=0.0), max(finite, default=1.0)
    across = min(len(records), ACROSS)
    down = math.ceil(len(records) / across)
    with matplotlib.rc_context(STYLE):
        figure = new_figure(1.9 * down, COLUMN_INCHES * (1 if across <= 2 else 2) + (0.2 if across > 2 else 0))
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for axes, name, panel in zip(panels[: len(records)], row_names(records), errors, strict=True):
            shown = _draw(axes, panel, limits)
            axes.set_title(name.replace("§", ""), pad=2)
        for axes in panels:
            axes.set_axis_off()
            axes.set(xlim=(-1.05, 1.05), ylim=(-1.08, 1.05), aspect="equal")
        bar = figure.colorbar(shown, ax=panels.tolist(), shrink=0.8, aspect=25, pad=0.02)
        bar.set_label("Error (mm)")
        bar.outline.set_visible(False)
    return figure


def _draw(axes: Axes, errors: dict[str, float], limits: tuple[float, float]) -> PathCollection:
    import seaborn

    for x, y, parent in PLACES.values():
        if parent:
            axes.plot([x, PLACES[parent][0]], [y, PLACES[parent][1]], color="0.75", linewidth=1.2, zorder=1)
    places = [PLACES[joint] for joint in errors]
    span = (limits[1] - limits[0]) or 1.0
    sizes = [8 + 40 * (error - limits[0]) / span for error in errors.values()]
    shown = axes.scatter(
        [x for x, _, _ in places], [y for _, y, _ in places], c=list(errors.values()), s=sizes,
        cmap=seaborn.color_palette("crest", as_cmap=True), vmin=limits[0], vmax=limits[1], zorder=2, linewidths=0,
    )  # fmt: skip
    for joint, error in errors.items():
        place = PLACES[joint]
        right = place[0] > 0 or (joint in _TRUNK and joint != "Thorax")
        note = axes.annotate(
            f"{error:.0f}", place[:2], (5 if right else -5, -7 if joint == "Thorax" else 0), va="center",
            ha="left" if right else "right", textcoords="offset points", color="0.25", fontsize=SMALL_POINTS - 0.5,
        )  # fmt: skip
        note.set_in_layout(False)
    return shown
