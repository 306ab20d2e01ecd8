"""Figures of training: loss and validation error by epoch, and error against compute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.results.grouping import grouped
from bench.results.record import Record, TrainingInfo
from reports.figures import style
from reports.figures.looks import Look, looks_of
from reports.figures.style import Drawing
from reports.rules.comparability import TRIVIAL, listed_subjects, same_but
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
        yield Drawing(f"training{name}", _by_epoch(lines[:MOST_LINES]), caption, conditions)


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
        ]
        lines = grouped(group, lambda record: same_but(record, "training.seed", "evaluation"))
        place = f" (trained on {detections})" * several
        yield f"-{number}" * several, place, list(lines.values()), conditions


def draw_mean(axes: Axes, curves: Sequence[Curve], look: Look, label: str | None = None) -> None:
    """The mean of curves at the places that all have, with a band from the lowest to the highest."""
    length = min(map(len, curves))
    if length:
        places, heights = np.array([curve[:length] for curve in curves]).transpose(2, 0, 1)
        axes.plot(places[0], heights.mean(0), color=look.colour, linestyle=look.line, label=label)
        if len(curves) > 1:
            axes.fill_between(
                places[0], heights.min(0), heights.max(0), color=look.colour, alpha=0.18, linewidth=0
            )


def _by_epoch(lines: Sequence[Sequence[Record]]) -> Figure:
    figure = style.new_figure(1.9)
    loss, validation = figure.subplots(1, 2)
    looks = looks_of(record for members in lines for record in members)
    for members in lines:
        name = method_name(members[0])
        look = looks[name]
        draw_mean(loss, [list(enumerate(record.training.loss, start=1)) for record in members], look, name)
        draw_mean(validation, [record.training.validation_mpjpe for record in members], look)
        for record in members:
            its = dict(record.training.validation_mpjpe)
            if record.training.selected_epoch in its:
                kept = record.training.selected_epoch
                validation.plot(kept, its[kept], **look.marks(3.5))
    loss.set(xlabel="Epoch", ylabel="Training loss", yscale="log")
    validation.set(xlabel="Epoch", ylabel="Validation MPJPE (mm)")
    for axes in (loss, validation):
        axes.xaxis.get_major_locator().set_params(integer=True)
        style.light_grid(axes)
    style.plain_log_ticks(loss.yaxis, loss.get_ylim())
    style.legend_above(figure, once=True, handlelength=1.2)
    return figure


def error_by_compute(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE on validation takes over the operations of the training so far, as in ``training_curves``."""
    trained = [record for record in records if len(curve(record.training)) > 1]
    for name, place, lines, conditions in trainings(trained):
        ends = sorted({f"{curve(record.training)[-1][0]:.2g}" for members in lines for record in members})
        caption = (
            f"MPJPE on validation takes over training compute{place}. Of one hypothesis after one step; compute: "
            f"counted operations of all steps, forward and backward, earlier stages included; {BAND}; markers: "
            "ends. Before its end a training has a higher learning rate than a shorter one would have there, so "
            f"lines show progress, and ends are compared with ends. Ends at {', '.join(ends)} TFLOP."
        )
        yield Drawing(f"compute{name}", _over_compute(lines), caption, conditions)


def curve(training: TrainingInfo) -> list[tuple[float, float]]:
    """(TFLOP so far, validation MPJPE in mm) of a training; empty where its operations were not counted."""
    total = training.total_tflop
    if total is None or training.tflop is None or not training.epochs:
        return []
    before = total - training.tflop
    return [
        (before + training.tflop * epoch / training.epochs, error) for epoch, error in training.validation_mpjpe
    ]


def _over_compute(lines: Sequence[Sequence[Record]]) -> Figure:
    figure = style.new_figure(2.1)
    axes = figure.add_subplot()
    looks = looks_of(record for members in lines for record in members)
    for members in lines:
        name = method_name(members[0])
        look, curves = looks[name], [curve(record.training) for record in members]
        draw_mean(axes, curves, look)
        ends = list(zip(*(its[-1] for its in curves), strict=True))
        axes.plot(*ends, linestyle="none", **look.marks(3.5))
        axes.plot([], [], look.line, color=look.colour, label=name, **look.marks(3.5))
    axes.set(xscale="log", xlabel="Training compute (TFLOP)", ylabel="Validation MPJPE (mm)")
    style.plain_log_ticks(axes.xaxis, axes.get_xlim())
    style.light_grid(axes)
    style.legend_above(figure, once=True)
    return figure
