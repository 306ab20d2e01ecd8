"""The figure of errors by joint, on a person that faces the reader."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from bench.results.arrays import Examples, RunFiles
from bench.results.record import Record
from reports.figures import style
from reports.figures.style import Drawing
from reports.rules.comparability import TRIVIAL, headline
from reports.rules.names import headlines, row_names

MOST_PANELS = 16
ACROSS = 4
HALF_WIDTH, HALF_HEIGHT = 0.72, 0.9
"""Half the size of the drawn person; a panel is 2.1 by 2.13."""


@dataclass(frozen=True)
class Person:
    """Where joints are drawn.

    Attributes:
        places: ``[J, 2]`` across and up, the person's left on the reader's right.
        parents: ``[J]`` the joint that each one hangs on, -1 for the root.
        middle: ``[J]`` bool, joints of neither side.
    """

    joints: tuple[str, ...]
    places: np.ndarray
    parents: np.ndarray
    middle: np.ndarray

    def branches(self, joint: int) -> bool:
        """Whether several bones go on from a joint."""
        return int((self.parents == joint).sum()) > 1


def errors_by_joint(records: Sequence[Record], files: RunFiles) -> Iterator[Drawing]:
    """MPJPE of the headline by joint, a person per learned method; drawn like the ground truth of the examples."""
    for name, place, group in style.settings(records):
        learned = [record for record in group if record.method not in TRIVIAL and _errors(record)]
        person = next((person_of(found) for record in learned if (found := files.examples(record))), None)
        if person is not None:
            alike = [record for record in learned if record.data.joints == person.joints]
            caption = (
                f"Mean error by joint{place} (mm, {headlines(alike)}, mean over all frames), one scale of "
                "colours and sizes; the person, the mean ground truth of the example frames, faces the reader. "
                "The root, to which all poses are aligned, has none."
                f"{style.left_out(len(alike), MOST_PANELS)}"
            )
            chosen = alike[:MOST_PANELS]
            if chosen:
                drawing = _figure(chosen, person)
                yield Drawing(f"by-joint{name}", drawing, caption, style.stated(chosen))


def person_of(examples: Examples) -> Person:
    """The mean of the example poses, each turned about the upright axis so that left and right lie across.

    Limbs are drawn straight, so that no joint hides another.
    """
    on_a_side = examples.left | examples.right
    poses = examples.target.astype(float)  # [N, J, 3]
    across = np.stack([_across(pose, examples.left, examples.right) for pose in poses]).mean(axis=0)
    upward = -poses[..., 1].mean(axis=0)
    bones = poses - poses[:, np.maximum(examples.parents, 0)]  # [N, J, 3]
    lengths = np.linalg.norm(bones, axis=-1).mean(axis=0)
    places = _straightened(np.stack([across, upward], axis=1), examples.parents, on_a_side, lengths)
    low, high = places.min(axis=0), places.max(axis=0)
    extent = np.where(high > low, high - low, 1) / 2
    places = (places - (low + high) / 2) / extent * (HALF_WIDTH, HALF_HEIGHT)
    return Person(examples.joints, places, examples.parents, ~on_a_side)


def _straightened(
    places: np.ndarray, parents: np.ndarray, on_a_side: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """``[J, 2]`` the second and later bones of each limb in the direction of its first one, in full length."""
    straight = places.copy()
    for joint in sorted(range(len(parents)), key=lambda joint: len(_ancestors(joint, parents))):
        chain = _ancestors(joint, parents)[:2]
        if len(chain) == 2 and on_a_side[[joint, *chain]].all():
            direction = straight[chain[0]] - straight[chain[1]]
            length = float(np.linalg.norm(direction))
            straight[joint] = straight[chain[0]] + lengths[joint] * direction / (length or 1.0)
    return straight


def _ancestors(joint: int, parents: np.ndarray) -> list[int]:
    """The joints that a joint hangs on, the nearest first."""
    found: list[int] = []
    while (joint := int(parents[joint])) >= 0:
        found.append(joint)
    return found


def _across(pose: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``[J]`` how far joints lie on the person's left, of a pose ``[J, 3]`` in camera axes."""
    ground = pose[:, [0, 2]]  # [J, 2], without the upright axis
    if not (left.any() and right.any()):
        return ground[:, 0]
    direction = ground[left].mean(axis=0) - ground[right].mean(axis=0)
    length = float(np.linalg.norm(direction))
    return ground @ direction / length if length > 0 else ground[:, 0]


def _errors(record: Record) -> tuple[float, ...]:
    """Error of every joint in mm; empty where they were not kept."""
    value = record.value("mpjpe", headline(record))
    return value.per_joint if value else ()


def _figure(records: list[Record], person: Person) -> Figure:
    moving = [joint for joint, parent in enumerate(person.parents.tolist()) if parent >= 0]
    errors = [{joint: _errors(record)[joint] for joint in moving} for record in records]
    finite = [error for panel in errors for error in panel.values() if math.isfinite(error)]
    limits = min(finite, default=0.0), max(finite, default=1.0)
    across = min(len(records), ACROSS)
    down = math.ceil(len(records) / across)
    figure = style.new_figure(1.9 * down, style.COLUMN_INCHES if across <= 2 else style.PAGE_INCHES)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, name, panel in zip(panels[: len(records)], row_names(records), errors, strict=True):
        shown = _draw(axes, person, panel, limits)
        axes.set_title(name.replace("§", ""), pad=2)
    for axes in panels:
        axes.set_axis_off()
        axes.set(xlim=(-1.05, 1.05), ylim=(-1.08, 1.05), aspect="equal")
    bar = figure.colorbar(shown, ax=panels.tolist(), shrink=0.8, aspect=25, pad=0.02)
    bar.set_label("Error (mm)")
    bar.outline.set_visible(False)
    return figure


def _draw(axes: Axes, person: Person, errors: dict[int, float], limits: tuple[float, float]) -> PathCollection:
    for joint in errors:
        (x, y), (from_x, from_y) = person.places[joint], person.places[person.parents[joint]]
        axes.plot([x, from_x], [y, from_y], color="0.75", linewidth=1.2, zorder=1)
    places = person.places[list(errors)]
    span = (limits[1] - limits[0]) or 1.0
    sizes = [8 + 40 * (error - limits[0]) / span for error in errors.values()]
    shown = axes.scatter(
        places[:, 0], places[:, 1], c=list(errors.values()), s=sizes,
        cmap=seaborn.color_palette("crest", as_cmap=True), vmin=limits[0], vmax=limits[1], zorder=2, linewidths=0,
    )  # fmt: skip
    centre = float(person.places[person.middle, 0].mean())
    for joint, error in errors.items():
        place = person.places[joint]
        below = person.middle[joint] and person.branches(joint)
        right = bool(person.middle[joint]) != below or (not person.middle[joint] and place[0] > centre)
        note = axes.annotate(
            f"{error:.0f}", tuple(place), (5 if right else -5, -7 if below else 0), va="center", color="0.25",
            ha="left" if right else "right", textcoords="offset points", fontsize=style.SMALL_POINTS - 0.5,
        )  # fmt: skip
        note.set_in_layout(False)
    return shown
