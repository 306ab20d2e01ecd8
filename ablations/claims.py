"""Claims of a paper in a declared ablation: comparisons of two configurations, with what the paper reports.

A file holds, beside its axes or in place of them::

    claims:
      - claim: FinePOSE§ has a lower MPJPE than D3DP (J-Best†)
        metric: mpjpe                                            # the default
        better: {method.name: finepose, aggregation: J-Best}     # keys of an experiment, over ``base``
        other: {method.name: d3dp, aggregation: J-Best}          # without one: what needs no ground truth
        reported: -3.2                                           # better minus other, in the metric's unit
        conditions: Human3.6M, CPN, H = 20, K = 10
        source: FinePOSE poster, main table
        between: [human36m, mpi_inf_3dhp]                        # better by more on the first than on the second

Of a claim between two data sets (``between``, which most leave out) a sweep runs both sides on the one that it is
on, and nothing if it is on neither. ``reported`` is then the difference on the first less that on the second.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from bench.config.parsing import Description, Name
from bench.config.registry import AGGREGATIONS, DATASETS, METRICS
from bench.results.run_set import Claim

AGGREGATION = "aggregation"


def _checked(side: dict[str, Any]) -> dict[str, Any]:
    """A side whose aggregation, if it names one, is known."""
    if AGGREGATION in side:
        AGGREGATIONS.checked(side[AGGREGATION])
    return side


def _two(names: tuple[str, str]) -> tuple[str, str]:
    if len(set(names)) < 2:
        raise ValueError("must name two data sets")
    return names


Side = Annotated[dict[Name, Any], AfterValidator(_checked)]
DataSet = Annotated[str, AfterValidator(DATASETS.checked)]


class DeclaredClaim(Description):
    """A claim as a file declares it; the head of this file describes the fields."""

    claim: str
    metric: Annotated[str, AfterValidator(METRICS.checked)] = "mpjpe"
    better: Side
    other: Side
    reported: float | None = None
    conditions: str = ""
    source: str = ""
    between: Annotated[tuple[DataSet, DataSet], AfterValidator(_two)] | None = None

    @property
    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What both sides set in an experiment."""
        better, other = (
            {key: value for key, value in side.items() if key != AGGREGATION} for side in (self.better, self.other)
        )
        return better, other

    def with_runs(self, better: tuple[str, ...], other: tuple[str, ...]) -> Claim:
        """The claim with the ids of the runs that test it."""
        return Claim(
            text=self.claim,
            metric=self.metric,
            better=better,
            other=other,
            aggregations=(self.better.get(AGGREGATION), self.other.get(AGGREGATION)),
            reported=self.reported,
            conditions=self.conditions,
            source=self.source,
            between=self.between,
        )
