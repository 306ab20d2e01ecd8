"""Exponents are those of made-up power laws, and only rows that differ in one thing are joined."""

import numpy as np
import pytest

from bench.results.cost import Setup
from reports.figures.cost.accuracy_cost import latency_accuracy
from reports.figures.cost.scaling import growth
from reports.page.plots import plots
from reports.rules.scaling import fit_power_law, series_of
from reports.tables.cost.scaling import scaling
from tests.reports.made_up import latency, methods_records, record


def measured(method="d3dp", frames=27, hypotheses=2, steps=2, batch=1, workers=1, device="cpu"):
    """Time grows with F^1.5 H K and falls with workers' number; memory with F H batch."""
    made = record(method, hypotheses=hypotheses, steps=steps, device=device, subset=f"4 of {9000 // frames}")
    setup = Setup(
        hypotheses=hypotheses, steps=steps, flip=True, precision="fp32", tf32="nothing", compiled=False,
        threads=2, batch=batch, workers=workers,
    )  # fmt: skip
    cost = {
        "setup": setup,
        "latency": latency(frames**1.5 * hypotheses * steps, frames),
        "added_memory_mb": 0.1 * frames * hypotheses * batch,
    }
    training = made.training.model_copy(update={"steps": 0, "loss": (), "validation_mpjpe": ()})
    return made.model_copy(update={"cost": made.cost.model_copy(update=cost), "training": training})


def grid(**changes):
    return [
        measured(**changes),
        *(measured(frames=frames, **changes) for frames in (45, 81, 243)),
        *(measured(hypotheses=hypotheses, **changes) for hypotheses in (1, 5, 10)),
        *(measured(steps=steps, **changes) for steps in (1, 5)),
        *(measured(batch=batch, **changes) for batch in (4, 16)),
        measured(workers=2, **changes),
    ]


def test_a_power_law_is_found_exactly():
    fit = fit_power_law([(x, 3 * x**1.5) for x in (27, 81, 243)])
    assert fit.exponent == pytest.approx(1.5)
    assert fit.factor == pytest.approx(3)
    assert fit.half == pytest.approx(0, abs=1e-6)


def test_the_interval_is_students():
    x, y = [1, 2, 4, 8], [1.0, 2.2, 3.8, 8.5]
    slope, covariance = np.polyfit(np.log(x), np.log(y), 1, cov=True)
    fit = fit_power_law(list(zip(x, y, strict=True)))
    assert fit.exponent == pytest.approx(slope[0])
    assert fit.half == pytest.approx(4.303 * covariance[0, 0] ** 0.5, rel=1e-3)
    assert fit_power_law([(1, 1.0), (2, 2.0)]).half is None
    assert fit_power_law([(2, 1.0), (2, 2.0)]) is None


def test_rows_are_joined_along_one_axis_at_a_time():
    found = {along.axis: along.positions() for along in series_of(grid())}
    assert found == {
        "frames": [27, 45, 81, 243],
        "hypotheses": [1, 2, 5, 10],
        "steps": [1, 2, 5],
        "batch": [1, 4, 16],
        "workers": [1, 2],
    }


def test_the_table_heads_rows_with_exponents():
    table = scaling(grid(), "T")
    headings = [block.heading for block in table.blocks]
    assert headings[0] == "D3DP tiny, exponent over Frames F: time 1.50 ± 0.00, memory 1.00 ± 0.00"
    assert headings[-1] == "D3DP tiny, exponent over Workers: time −1.00, memory 0.00"
    assert "Weights: as drawn, untrained" in " ".join(table.conditions[0])
    assert not any(block.section for block in table.blocks)


def test_devices_stand_apart():
    table = scaling([*grid(), *grid(device="NVIDIA H200")], "T")
    assert {block.section for block in table.blocks} == {"cpu (Made-up CPU, 2 threads)", "NVIDIA H200"}
    assert len(list(growth([*grid(), *grid(device="NVIDIA H200")]))) == 2


def test_memory_that_is_not_known_leaves_times():
    unknown = [r.model_copy(update={"cost": r.cost.model_copy(update={"added_memory_mb": None})}) for r in grid()]
    assert "memory not known" in scaling(unknown, "T").blocks[0].heading
    (drawing,) = growth(unknown)
    assert len(drawing.figure.axes) == 10


def test_errors_of_untrained_weights_are_in_no_figure():
    (drawing,) = list(latency_accuracy(methods_records()))[:1]
    (with_untrained,) = list(latency_accuracy([*methods_records(), *grid()]))[:1]
    assert len(drawing.figure.axes[0].collections) == len(with_untrained.figure.axes[0].collections)
    assert list(latency_accuracy(grid())) == []
    assert plots(grid()) == []
