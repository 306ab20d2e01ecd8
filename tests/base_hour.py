"""``base`` looked at: what an hour of training at that size shows, for docs/study.md.

``python -m tests.base_hour FOLDER`` writes docs/results/base/hour.json. FOLDER has, for each method,
its store ``base-NAME`` and in ``dry-NAME.txt`` what ``bench run --dry-run`` forecast for it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from matplotlib import rc_context

from bench.config.experiment import parse
from bench.config.registry import METHODS
from bench.job.resolve import resolve
from bench.job.weights import train_or_load
from bench.results.record import Record
from bench.results.store import Store
from bench.results.tracking.journal import head_of, journals, read
from models.errors import InputError
from reports.figures import style
from reports.figures.looks import look_of
from reports.figures.runs.training_curves import curve, draw_mean
from tests import ROOT

KEPT = ROOT / "docs" / "results" / "base" / "hour.json"
FORECAST = re.compile(r"1 training of .*: about ([\d.]+) (h|min)$", re.MULTILINE)


@dataclass(frozen=True)
class Hour:
    """What a training at ``base`` showed until it was ended.

    Attributes:
        method: name in the registry.
        commit: of the code.
        forecast: hours of the whole training, before it began.
        epochs: of the whole training.
        steps_per_epoch: of the optimiser.
        tflop: of an epoch, counted.
        loss: (minutes since the first point, step, training loss).
        validation: (minutes, step, MPJPE in mm on the validation takes).
    """

    method: str
    commit: str
    forecast: float
    epochs: int
    steps_per_epoch: int
    tflop: float
    loss: Sequence[tuple[float, int, float]]
    validation: Sequence[tuple[float, int, float]]

    @property
    def done(self) -> float:
        """Epochs that were done."""
        return self.loss[-1][1] / self.steps_per_epoch

    @property
    def expected(self) -> float:
        """Hours of the whole training, by the pace of what was done."""
        (begun, first, _), (ended, last, _) = self.loss[0], self.loss[-1]
        return (ended - begun) / (last - first) * self.steps_per_epoch * self.epochs / 60

    @property
    def lowest(self) -> float:
        """Validation MPJPE (mm)."""
        return min(error for *_, error in self.validation)


def read_hour(method: str, store: Path, forecast: str) -> Hour:
    """The hour that a store has of a training that was ended early.

    Raises:
        InputError: the store has no journal, or the forecast has no hours.
    """
    found = FORECAST.search(forecast)
    paths = journals(store)
    head = head_of(paths[0]) if paths else None
    if head is None or found is None:
        raise InputError(f"{store}: has no journal of {method}, or there is no forecast of its training")
    points, _ = read(paths[0])
    params = head.runs[0].params
    options = {key.removeprefix("method.options."): value for key, value in params.items() if ".options." in key}
    first = next(point for point in points if "train.loss" in point.metrics)

    def curve_of(metric: str) -> list[tuple[float, int, float]]:
        return [
            (round((point.moment - first.moment) / 60_000, 2), point.step, float(f"{point.metrics[metric]:.5g}"))
            for point in points
            if metric in point.metrics
        ]

    losses = [point for point in points if "epoch" in point.metrics]
    steps_per_epoch = round(losses[-1].step / losses[-1].metrics["epoch"])
    asked = {"text": options["text"]} if "text" in options else {}
    return Hour(
        method=method,
        commit=head.runs[0].tags["git.commit"],
        forecast=float(found[1]) / (60 if found[2] == "min" else 1),
        epochs=int(params["training.epochs"]),
        steps_per_epoch=steps_per_epoch,
        tflop=epoch_tflop(method, asked, steps_per_epoch),
        loss=curve_of("train.loss"),
        validation=curve_of("validation.mpjpe"),
    )


def epoch_tflop(method: str, options: Mapping[str, Any], steps_per_epoch: int) -> float:
    """TFLOP of an epoch, as a training of one step counts the operations."""
    described = {"name": method, "preset": "base", "options": dict(options)}
    recipe = {"compute": 1e-6, "selection": "last"}
    training = resolve(parse({"method": described, "data": {"detections": "cpn"}, "training": recipe})).training
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.make()
        info = train_or_load(training, training.build(), store, "cpu")
    assert info.tflop is not None
    return info.tflop / info.steps * steps_per_epoch


class BaseHour:
    """The kept hours: their table and figure, beside runs at ``small``."""

    def __init__(self, small: Sequence[Record], path: Path = KEPT) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        self.hours = [Hour(**entry) for entry in content["hours"]]
        self.small = {
            hour.method: list({one.training_id: one for one in small if one.method == hour.method}.values())
            for hour in self.hours
        }

    def table(self) -> str:
        """In Markdown: a row for each method."""
        header = (
            "Method", "Minutes", "Epochs", "TFLOP", "Loss, first", "Loss, last", "Validation MPJPE (mm), lowest",
            "At the end of `small`", "Whole training (h), forecast", "By the pace of the hour",
        )  # fmt: skip
        lines = [header, (":---", *["---:"] * (len(header) - 1))]
        for hour in self.hours:
            ends = [record.training.validation_mpjpe[-1][1] for record in self.small[hour.method]]
            lines.append((
                METHODS.load(hour.method).title, f"{hour.loss[-1][0]:.0f}", f"{hour.done:.1f} of {hour.epochs}",
                f"{hour.done * hour.tflop:.0f}", f"{hour.loss[0][2]:.3g}", f"{hour.loss[-1][2]:.3g}",
                f"{hour.lowest:.1f}", f"{min(ends):.1f} to {max(ends):.1f}", f"{hour.forecast:.1f}",
                f"{hour.expected:.1f}",
            ))  # fmt: skip
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def draw(self, path: Path) -> None:
        """Loss by time, and validation error by compute beside that of the trainings at ``small``."""
        with rc_context(style.STYLE):
            figure = style.new_figure(2.1, style.PAGE_INCHES)
            loss, validation = figure.subplots(1, 2)
            for hour in self.hours:
                title, look = METHODS.load(hour.method).title, look_of(hour.method)
                minutes, _, losses = np.array(hour.loss).T
                loss.plot(minutes, losses, color=look.colour, label=f"{title}, base")
                errors = [(step / hour.steps_per_epoch * hour.tflop, error) for _, step, error in hour.validation]
                validation.plot(*zip(*errors, strict=True), color=look.colour, **look.marks(2.5))
                small = [curve(record.training) for record in self.small[hour.method]]
                draw_mean(validation, small, look._replace(line=":"))
            validation.plot([], [], ":", color="0.4", label="small, three seeds")
            loss.set(xlabel="Minutes", ylabel="Training loss", yscale="log")
            validation.set(xscale="log", xlabel="Training compute (TFLOP)", ylabel="Validation MPJPE (mm)")
            for axes in (loss, validation):
                style.light_grid(axes)
            style.plain_log_ticks(loss.yaxis, loss.get_ylim())
            style.plain_log_ticks(validation.xaxis, validation.get_xlim())
            style.legend_above(figure, once=True)
            figure.savefig(path)


def longest_gap(hour: Hour) -> float:
    """Seconds between two points of the curve of the loss."""
    return max(60 * (later[0] - earlier[0]) for earlier, later in pairwise(hour.loss))


def main(words: list[str]) -> int:
    """The exit code: 2 for bad input, with one sentence."""
    try:
        if len(words) != 1:
            raise InputError("give the folder in which the trainings were made")
        folder = Path(words[0])
        names = [name for name in METHODS.own if (folder / f"base-{name}").exists()]
        hours = [
            read_hour(name, folder / f"base-{name}", (folder / f"dry-{name}.txt").read_text()) for name in names
        ]
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps({"hours": [asdict(hour) for hour in hours]}) + "\n", encoding="utf-8")
    for hour in hours:
        print(f"{hour.method}: {hour.loss[-1][0]:.0f} min, longest pause {longest_gap(hour):.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
