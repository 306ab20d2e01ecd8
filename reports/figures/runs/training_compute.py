"""The figure of error against training compute: where a ranking of methods holds, and where it crosses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from bench.results.record import Record, TrainingInfo
from reports.figures.looks import looks_of
from reports.figures.style import (
    Drawing,
    legend_above,
    legend_columns,
    light_grid,
    new_figure,
    plain_log_ticks,
)
from reports.rules.comparability import TRIVIAL, device, grouped
from reports.rules.names import method_name


def error_by_compute(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE on validation takes over the operations of the training so far; a line per training."""
    trained = [record for record in records if record.method not in TRIVIAL and len(curve(record.training)) > 1]
    known = list({record.training_id: record for record in trained}.values())
    groups = grouped(
        known, lambda record: (record.data.label, record.data.train_subjects, record.data.train_detections)
    )
    for number, ((label, _, detections), group) in enumerate(groups.items(), start=1):
        ends = ", ".join(sorted({f"{curve(record.training)[-1][0]:.2g}" for record in group}))
        caption = (
            "MPJPE on validation takes (one hypothesis after one step) over training compute: counted operations "
            "of all steps, forward and backward, earlier stages included. A line for each training, a colour for "
            "each method; markers: ends. Before its end a training has a higher learning rate than a shorter "
            "training would have there, so lines show progress, and ends are compared with ends. "
            f"Ends at {ends} TFLOP. Data: {label}. Training detections: {detections}. Validation: "
            f"{'; '.join(dict.fromkeys(record.conditions.validation for record in group))}. "
            f"Device: {'; '.join(dict.fromkeys(map(device, group)))}."
        )
        yield Drawing(f"compute-{number}" if len(groups) > 1 else "compute", _figure(group), caption)


def curve(training: TrainingInfo) -> list[tuple[float, float]]:
    """(TFLOP so far, validation MPJPE in mm) of a training; empty where its operations were not counted."""
    total = training.total_tflop
    if total is None or training.tflop is None or not training.epochs:
        return []
    before = total - training.tflop
    return [
        (before + training.tflop * epoch / training.epochs, error) for epoch, error in training.validation_mpjpe
    ]


def _figure(records: Sequence[Record]) -> Figure:
    figure = new_figure(2.1)
    axes = figure.add_subplot()
    looks = looks_of(records)
    drawn: set[str] = set()
    for record in records:
        name = method_name(record)
        look = looks[name]
        compute, errors = zip(*curve(record.training), strict=True)
        axes.plot(compute, errors, color=look.colour)
        axes.plot(
            compute[-1], errors[-1], linestyle="none", label=None if name in drawn else name, **look.marks(3.5)
        )
        drawn.add(name)
    axes.set(xscale="log", xlabel="Training compute (TFLOP)", ylabel="Validation MPJPE (mm)")
    plain_log_ticks(axes.xaxis, axes.get_xlim())
    light_grid(axes)
    legend_above(figure, ncols=legend_columns(list(drawn)))
    return figure
