"""Figures of a paper: accuracy against time, H by K, and training curves.

Every figure holds points of one setting (data, subjects, part of the test set, selection, flip, device) and one
pair of detections; records of several settings make several figures. A figure is as wide as one column of a
two-column page.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bench.records import Record
from reports.comparison import (
    TRIVIAL,
    aggregation_title,
    device,
    grouped,
    method_name,
    sampling_size,
    source,
    untrained,
)
from reports.drawing import (
    SMALL_POINTS,
    STYLE,
    Drawing,
    Point,
    left_out,
    legend_columns,
    looks_of,
    new_figure,
    plain_log_ticks,
    point_of,
    settings,
    with_conditions,
)
from reports.heat import heat_map
from reports.labels import Label, place_labels
from reports.pareto import trade_off
from reports.scaling import growth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FRONT = "Pareto front"
MOST_TRAININGS = 40


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other one beats in one coordinate without losing in the other, by x then y.

    Lower is better in both. Equal points are on the front together.
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: points[i]):
        if not front or points[index][1] < points[front[-1]][1] or points[index] == points[front[-1]]:
            front.append(index)
    return front


def latency_accuracy(records: Sequence[Record]) -> list[Drawing]:
    """MPJPE over milliseconds per output frame, headline aggregation only, with the Pareto front."""
    drawings = []
    for name, group in settings(records):
        points = [point for record in group if not untrained(record) and (point := point_of(record)) is not None]
        learned = [point for point in points if point.record.method not in TRIVIAL]
        if len(learned) < 2:
            continue
        trivial = [f"{p.record.title} {p.value.action_mean:.1f} mm" for p in points if p.record.method in TRIVIAL]
        shown = dict.fromkeys(aggregation_title(point.value.aggregation, "") for point in learned)
        caption = (
            f"Accuracy against time. MPJPE ({', '.join(shown)}; no ground-truth pose at test time) with its 95 % "
            "interval over the median time per output frame at batch 1. Labels: (H, K), where there is room. "
            "Rings and dashed line: Pareto front. Assisted and oracle aggregations are left out."
        )
        caption += f" Trivial predictors, not drawn: {'; '.join(trivial)}." if trivial else ""
        drawings.append(Drawing(f"latency{name}", _latency_figure(learned), with_conditions(caption, group)))
    return drawings


def training_curves(records: Sequence[Record]) -> list[Drawing]:
    """Training loss and validation MPJPE by epoch, one line per training."""
    trainings = {record.training_id: record for record in reversed(records) if _was_trained(record)}
    known = list(trainings.values())[::-1]
    groups = grouped(known, lambda record: (record.data.label, record.data.train_subjects, _trained_on(record)))
    drawings = []
    for number, ((label, subjects, detections), group) in enumerate(groups.items(), start=1):
        seeds = sorted({seed for record in group for seed in record.conditions.training_seeds})
        caption = (
            "Training loss (each method's own loss: levels are not comparable between methods) and MPJPE on the "
            "validation takes by epoch; dots: the epoch whose weights were kept; lines of one colour: trainings "
            f"of one method. Data: {label}. Device: {'; '.join(dict.fromkeys(map(device, group)))}. "
            f"Training subjects: {', '.join(subjects)}. Training detections: {detections}. Validation: "
            f"{'; '.join(dict.fromkeys(record.conditions.validation for record in group))}. Training seeds: "
            f"{', '.join(map(str, seeds))}."
            f"{left_out(len(group), MOST_TRAININGS)}"
        )
        name = f"training-{number}" if len(groups) > 1 else "training"
        drawings.append(Drawing(name, _training_figure(group[:MOST_TRAININGS]), caption))
    return drawings


FIGURES: dict[str, tuple[Callable[[Sequence[Record]], list[Drawing]], ...]] = {
    "main": (training_curves,),
    "sampling": (heat_map,),
    "pareto": (trade_off,),
    "runs": (training_curves,),
    "scaling": (growth,),
}
"""Figures that go with a layout of tables; the latency/accuracy plot shows the runs of all tables together."""


def _latency_figure(points: list[Point]) -> Figure:
    import matplotlib
    import seaborn

    with matplotlib.rc_context(STYLE):
        figure = new_figure(2.5)
        axes = figure.add_subplot()
        _draw_front(axes, points)
        looks = looks_of([point.record.title for point in points])
        for title, members in grouped(points, lambda point: point.record.title).items():
            _draw_points(axes, members, *looks[title], title)
        axes.set(xscale="log", xlabel="Median time per output frame (ms)", ylabel="MPJPE (mm)")
        axes.margins(x=0.12, y=0.08)
        plain_log_ticks(axes.xaxis, axes.get_xlim())
        axes.grid(True, which="major", linewidth=0.3, color="0.88")
        axes.set_axisbelow(True)
        seaborn.despine(ax=axes)
        handles, names = axes.get_legend_handles_labels()
        order = sorted(range(len(names)), key=lambda index: names[index] == FRONT)
        figure.legend(
            [handles[index] for index in order], [names[index] for index in order], ncols=legend_columns(names),
            loc="outside upper center", frameon=False, columnspacing=1.0, handletextpad=0.3,
        )  # fmt: skip
        labels = [
            Label(point.position, _point_label(point), seaborn.desaturate(looks[point.record.title][0], 0.7))
            for point in _by_importance(points)
        ]
        place_labels(axes, labels, _obstacles(points), SMALL_POINTS)
    return figure


def _draw_points(axes: Axes, points: list[Point], colour: tuple, marker: str, title: str) -> None:
    x, y = zip(*(point.position for point in points), strict=True)
    below = [_length(point.value.action_mean - point.value.low) for point in points]
    above = [_length(point.value.high - point.value.action_mean) for point in points]
    axes.errorbar(
        x, y, (below, above), fmt=marker, color=colour, label=title,
        markersize=4, elinewidth=0.6, capsize=1.5, capthick=0.6, markeredgecolor="white", markeredgewidth=0.4,
    )  # fmt: skip


def _length(distance: float) -> float:
    return max(distance, 0.0) if math.isfinite(distance) else 0.0


def _draw_front(axes: Axes, points: list[Point]) -> None:
    positions = [point.position for point in points]
    x, y = zip(*(positions[index] for index in pareto_front(positions)), strict=True)
    axes.step(
        x, y, where="post", color="0.55", linewidth=0.8, linestyle="--", zorder=1, label=FRONT,
        marker="o", markersize=8, markerfacecolor="none", markeredgewidth=0.8,
    )  # fmt: skip


def _obstacles(points: list[Point]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Ends of the upright and level lines that are drawn: intervals and steps of the front."""
    lines = [((x, p.value.low), (x, p.value.high)) for p in points for x in [p.position[0]]]
    positions = [point.position for point in points]
    front = [positions[index] for index in pareto_front(positions)]
    for (x, y), (next_x, next_y) in itertools.pairwise(front):
        lines += [((x, y), (next_x, y)), ((next_x, y), (next_x, next_y))]
    return [line for line in lines if all(map(math.isfinite, itertools.chain(*line)))]


def _by_importance(points: list[Point]) -> list[Point]:
    """Points of the front first: they get their labels before room runs out."""
    front = set(pareto_front([point.position for point in points]))
    return [points[i] for i in sorted(range(len(points)), key=lambda i: (i not in front, i))]


def _point_label(point: Point) -> str:
    sampled = point.value.kind != "deterministic"
    size = "({}, {})".format(*sampling_size(point.record)) if sampled else ""
    return " ".join(part for part in (size, point.record.variant) if part)


def _was_trained(record: Record) -> bool:
    return record.method not in TRIVIAL and len(record.training.loss) > 1


def _trained_on(record: Record) -> str:
    return source(record).train


def _training_figure(records: list[Record]) -> Figure:
    import matplotlib
    import seaborn

    with matplotlib.rc_context(STYLE):
        figure = new_figure(1.9)
        loss, validation = figure.subplots(1, 2)
        looks = looks_of([method_name(record) for record in records])
        drawn: set[str] = set()
        for record in records:
            name = method_name(record)
            _draw_training(loss, validation, record, looks[name][0], "" if name in drawn else name)
            drawn.add(name)
        loss.set(xlabel="Epoch", ylabel="Training loss", yscale="log")
        validation.set(xlabel="Epoch", ylabel="Validation MPJPE (mm)")
        for axes in (loss, validation):
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(True, which="major", linewidth=0.3, color="0.88")
            seaborn.despine(ax=axes)
        plain_log_ticks(loss.yaxis, loss.get_ylim())
        names = list(dict.fromkeys(map(method_name, records)))
        figure.legend(
            loc="outside upper center", ncols=legend_columns(names), frameon=False, columnspacing=1.0,
            handlelength=1.2,
        )  # fmt: skip
    return figure


def _draw_training(loss: Axes, validation: Axes, record: Record, colour: tuple, label: str) -> None:
    training = record.training
    loss.plot(range(1, len(training.loss) + 1), training.loss, color=colour, label=label or None)
    if not training.validation_mpjpe:
        return
    epochs, errors = zip(*training.validation_mpjpe, strict=True)
    validation.plot(epochs, errors, color=colour)
    kept = [(e, error) for e, error in training.validation_mpjpe if e == training.selected_epoch]
    for position in kept:
        validation.plot(*position, "o", color=colour, markersize=3.5)
