"""The figure of error against training compute: where a ranking of methods holds, and where it crosses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from bench.results.record import Record, TrainingInfo
from reports.figures import style
from reports.figures.looks import looks_of
from reports.figures.runs.training_curves import BAND, draw_mean, trainings
from reports.figures.style import Drawing
from reports.rules.names import method_name


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
        yield Drawing(f"compute{name}", _figure(lines), caption, conditions)


def curve(training: TrainingInfo) -> list[tuple[float, float]]:
    """(TFLOP so far, validation MPJPE in mm) of a training; empty where its operations were not counted."""
    total = training.total_tflop
    if total is None or training.tflop is None or not training.epochs:
        return []
    before = total - training.tflop
    return [
        (before + training.tflop * epoch / training.epochs, error) for epoch, error in training.validation_mpjpe
    ]


def _figure(lines: Sequence[Sequence[Record]]) -> Figure:
    figure = style.new_figure(2.1)
    axes = figure.add_subplot()
    looks = looks_of(record for members in lines for record in members)
    unnamed = set(looks)
    for members in lines:
        name = method_name(members[0])
        curves = [curve(record.training) for record in members]
        draw_mean(axes, curves, looks[name])
        ends = list(zip(*(its[-1] for its in curves), strict=True))
        axes.plot(*ends, linestyle="none", label=name if name in unnamed else None, **looks[name].marks(3.5))
        unnamed.discard(name)
    axes.set(xscale="log", xlabel="Training compute (TFLOP)", ylabel="Validation MPJPE (mm)")
    style.plain_log_ticks(axes.xaxis, axes.get_xlim())
    style.light_grid(axes)
    style.legend_above(figure)
    return figure
