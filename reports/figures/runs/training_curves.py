"""The figure of training: loss and validation error by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.results.record import Record
from reports.figures.looks import Look, looks_of
from reports.figures.style import (
    Drawing,
    left_out,
    legend_above,
    legend_columns,
    light_grid,
    new_figure,
    plain_log_ticks,
)
from reports.rules.comparability import TRIVIAL, device, grouped
from reports.rules.names import method_name

MOST_TRAININGS = 40


def training_curves(records: Sequence[Record]) -> Iterator[Drawing]:
    """Training loss and validation MPJPE by epoch, one line per training."""
    trained = [record for record in records if record.method not in TRIVIAL and len(record.training.loss) > 1]
    known = list({record.training_id: record for record in reversed(trained)}.values())[::-1]
    groups = grouped(
        known, lambda record: (record.data.label, record.data.train_subjects, record.data.train_detections)
    )
    for number, ((label, subjects, detections), group) in enumerate(groups.items(), start=1):
        seeds = sorted({seed for record in group for seed in record.conditions.training_seeds})
        caption = (
            "Training loss (each method's own loss: levels are not comparable between methods) and MPJPE on the "
            "validation takes by epoch; markers: the epoch whose weights were kept; lines of one colour: "
            f"trainings of one method. Data: {label}. Device: {'; '.join(dict.fromkeys(map(device, group)))}. "
            f"Training subjects: {', '.join(subjects)}. Training detections: {detections}. Validation: "
            f"{'; '.join(dict.fromkeys(record.conditions.validation for record in group))}. Training seeds: "
            f"{', '.join(map(str, seeds))}."
            f"{left_out(len(group), MOST_TRAININGS)}"
        )
        name = f"training-{number}" if len(groups) > 1 else "training"
        yield Drawing(name, _training_figure(group[:MOST_TRAININGS]), caption)


def _training_figure(records: list[Record]) -> Figure:
    figure = new_figure(1.9)
    loss, validation = figure.subplots(1, 2)
    looks = looks_of(records)
    drawn: set[str] = set()
    for record in records:
        name = method_name(record)
        _draw_training(loss, validation, record, looks[name], "" if name in drawn else name)
        drawn.add(name)
    loss.set(xlabel="Epoch", ylabel="Training loss", yscale="log")
    validation.set(xlabel="Epoch", ylabel="Validation MPJPE (mm)")
    for axes in (loss, validation):
        axes.xaxis.get_major_locator().set_params(integer=True)
        light_grid(axes)
    plain_log_ticks(loss.yaxis, loss.get_ylim())
    names = list(dict.fromkeys(map(method_name, records)))
    legend_above(figure, ncols=legend_columns(names), handlelength=1.2)
    return figure


def _draw_training(loss: Axes, validation: Axes, record: Record, look: Look, label: str) -> None:
    training = record.training
    loss.plot(range(1, len(training.loss) + 1), training.loss, color=look.colour, label=label or None)
    if not training.validation_mpjpe:
        return
    epochs, errors = zip(*training.validation_mpjpe, strict=True)
    validation.plot(epochs, errors, color=look.colour)
    kept = [(e, error) for e, error in training.validation_mpjpe if e == training.selected_epoch]
    for position in kept:
        validation.plot(*position, **look.marks(3.5))
