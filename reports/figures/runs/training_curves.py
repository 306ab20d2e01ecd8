"""The figure of training: loss and validation error by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.results.record import Record
from reports.figures import style
from reports.figures.looks import Look, looks_of
from reports.figures.style import Drawing
from reports.rules.comparability import TRIVIAL, device, grouped, listed_subjects, same_but
from reports.rules.names import method_name

MOST_LINES = 40
BAND = "line: mean of the trainings that differ in their seed only; band: from the lowest to the highest of them"

Curve = Sequence[tuple[float, float]]


def training_curves(records: Sequence[Record]) -> Iterator[Drawing]:
    """Training loss and validation MPJPE by epoch; trainings that differ in their seed are a line with a band."""
    trained = [record for record in records if len(record.training.loss) > 1]
    for name, place, lines, conditions in trainings(trained):
        caption = (
            f"Training loss and MPJPE on the validation takes{place} by epoch. Loss: each method's own, levels "
            f"are not comparable between methods; {BAND}; markers: the epochs whose weights were kept."
            f"{style.left_out(len(lines), MOST_LINES)}"
        )
        yield Drawing(f"training{name}", _figure(lines[:MOST_LINES]), caption, conditions)


def trainings(records: Iterable[Record]) -> Iterator[tuple[str, str, list[list[Record]], list[str]]]:
    """For each training set: end of a figure's name, words for its caption, records by training, conditions.

    Records of trainings that differ in their seed only stand together.
    """
    known = {record.training_id: record for record in records if record.method not in TRIVIAL}.values()
    groups = grouped(
        known, lambda record: (record.data.label, record.data.train_subjects, record.data.train_detections)
    )
    for number, ((label, subjects, detections), group) in enumerate(groups.items(), start=1):
        several = len(groups) > 1
        seeds = sorted({seed for record in group for seed in record.conditions.training_seeds})
        conditions = [
            f"Data: {label} ({group[0].data.name}).",
            f"Training subjects: {listed_subjects(subjects)}.",
            f"Training detections: {detections}.",
            f"Validation: {'; '.join(dict.fromkeys(record.conditions.validation for record in group))}.",
            f"Training seeds: {', '.join(map(str, seeds))}.",
            f"Device: {'; '.join(dict.fromkeys(map(device, group)))}.",
        ]
        lines = grouped(group, lambda record: same_but(record, "training.seed", "evaluation"))
        place = f" (trained on {detections})" * several
        yield f"-{number}" * several, place, list(lines.values()), conditions


def draw_mean(axes: Axes, curves: Sequence[Curve], look: Look, label: str | None = None) -> None:
    """The mean of curves at the places that all have, with a band from the lowest to the highest."""
    length = min(map(len, curves))
    if length:
        places, heights = np.array([curve[:length] for curve in curves]).transpose(2, 0, 1)
        axes.plot(places[0], heights.mean(0), color=look.colour, label=label)
        if len(curves) > 1:
            axes.fill_between(
                places[0], heights.min(0), heights.max(0), color=look.colour, alpha=0.18, linewidth=0
            )


def _figure(lines: Sequence[Sequence[Record]]) -> Figure:
    figure = style.new_figure(1.9)
    loss, validation = figure.subplots(1, 2)
    looks = looks_of(record for members in lines for record in members)
    unnamed = set(looks)
    for members in lines:
        name = method_name(members[0])
        look, label = looks[name], name if name in unnamed else None
        draw_mean(loss, [list(enumerate(record.training.loss, start=1)) for record in members], look, label)
        draw_mean(validation, [record.training.validation_mpjpe for record in members], look)
        for record in members:
            its = dict(record.training.validation_mpjpe)
            if record.training.selected_epoch in its:
                kept = record.training.selected_epoch
                validation.plot(kept, its[kept], **look.marks(3.5))
        unnamed.discard(name)
    loss.set(xlabel="Epoch", ylabel="Training loss", yscale="log")
    validation.set(xlabel="Epoch", ylabel="Validation MPJPE (mm)")
    for axes in (loss, validation):
        axes.xaxis.get_major_locator().set_params(integer=True)
        style.light_grid(axes)
    style.plain_log_ticks(loss.yaxis, loss.get_ylim())
    style.legend_above(figure, handlelength=1.2)
    return figure
