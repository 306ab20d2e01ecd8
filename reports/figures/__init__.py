"""Which figures go with which layout of tables, and training curves.

A figure is a function of records, and perhaps of the arrays that lie beside them, to drawings; a new one is such a
function and one line here. Figures are as wide as one column of a two-column page, or as both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.results.arrays import RunFiles
from bench.results.record import Record
from reports.figures.accuracy_cost import latency_accuracy, memory_accuracy
from reports.figures.convergence import convergence
from reports.figures.error_cdf import distribution
from reports.figures.heatmap import heat_map
from reports.figures.pareto import trade_off
from reports.figures.per_action import action_map
from reports.figures.per_joint import joint_errors
from reports.figures.qualitative import qualitative
from reports.figures.scaling import growth
from reports.figures.style import Drawing
from reports.figures.training_curves import training_curves

Draw = Callable[[Sequence[Record]], list[Drawing]]
Picture = Callable[[Sequence[Record], RunFiles], list[Drawing]]


OVERALL: tuple[Draw, ...] = (latency_accuracy, memory_accuracy)
"""Figures of the runs of all tables together."""

FIGURES: dict[str, tuple[Draw, ...]] = {
    "main": (training_curves, convergence, joint_errors, action_map),
    "sampling": (heat_map, convergence),
    "pareto": (trade_off,),
    "scaling": (growth,),
    "runs": (training_curves, convergence, joint_errors, action_map),
}
"""Figures that go with a layout of tables."""

PICTURES: dict[str, tuple[Picture, ...]] = {
    "main": (distribution, qualitative),
    "runs": (distribution, qualitative),
}
"""The same, for what stands in files beside the records."""
