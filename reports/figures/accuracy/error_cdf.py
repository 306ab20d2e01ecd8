"""The figure of how errors are distributed over frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from bench.results.arrays import RunFiles
from bench.results.record import Record
from reports.figures import style
from reports.figures.looks import looks_of
from reports.figures.style import Drawing
from reports.rules.comparability import TRIVIAL, headline
from reports.rules.names import headlines, method_name

MOST_LINES = 20
DASHES = ("-", "--", "-.", ":")


def error_distribution(records: Sequence[Record], files: RunFiles) -> Iterator[Drawing]:
    """Share of frames whose mean error over joints is below x, headline aggregation; a line per learned method."""
    for name, place, group in style.settings(records):
        learned = [record for record in group if record.method not in TRIVIAL]
        errors = [
            (record, found)
            for record in learned[:MOST_LINES]
            if (found := files.frame_errors(record, "mpjpe", headline(record))) is not None
        ]
        if errors:
            members = [record for record, _ in errors]
            shown = headlines(members)
            drawn = {record.id for record in members}
            missed = [method_name(record) for record in learned[:MOST_LINES] if record.id not in drawn]
            caption = (
                f"Share of test frames{place} whose error (mean over joints, {shown}) is at most x. Markers: "
                "median and 95th percentile. The axis ends where 99 % of the frames of the worst method are below."
                f"{style.left_out(len(learned), MOST_LINES)}"
                f"{style.not_there('their errors', missed)}"
            )
            yield Drawing(f"distribution{name}", _figure(errors), caption, style.stated(members))


def _figure(errors: list[tuple[Record, np.ndarray]]) -> Figure:
    shares = np.linspace(0, 1, 201)
    figure = style.new_figure(2.4)
    axes = figure.add_subplot()
    names = [method_name(record) for record, _ in errors]
    looks = looks_of(record for record, _ in errors)
    for number, (name, (_, found)) in enumerate(zip(names, errors, strict=True)):
        values = np.quantile(found, shares)
        axes.plot(
            values, 100 * shares, DASHES[number // 6 % len(DASHES)], color=looks[name].colour, label=name,
            **looks[name].marks(3), markevery=[100, 190],
        )  # fmt: skip
    axes.set(xlabel="Error of a frame (mm)", ylabel="Frames (%)", ylim=(0, 100))
    axes.set_xlim(0, max(float(np.quantile(found, 0.99)) for _, found in errors))
    style.light_grid(axes)
    style.legend_above(figure, handlelength=1.6)
    return figure
