import numpy as np
import pytest

from reports.drawing import looks_of
from reports.figures import training_curves
from reports.heat import heat_map
from reports.tradeoffs import latency_accuracy, memory_accuracy, pareto_front
from tests.reports.made_up import methods_records, record, sampling_records


def by_brute_force(points):
    def beaten(one):
        return any(o[0] <= one[0] and o[1] <= one[1] and o != one for o in points)

    return {index for index, point in enumerate(points) if not beaten(point)}


def test_pareto_front_by_brute_force():
    generator = np.random.default_rng(0)
    for _ in range(200):
        points = [
            tuple(map(float, point)) for point in generator.integers(0, 8, size=(generator.integers(1, 30), 2))
        ]
        front = pareto_front(points)
        assert set(front) == by_brute_force(points)
        assert [points[i] for i in front] == sorted(points[i] for i in front)


def test_latency_figure_shows_deployable_numbers_of_one_setting():
    drawings = latency_accuracy(methods_records())
    assert [drawing.name for drawing in drawings] == ["latency-1", "latency-2"]
    first = drawings[0]
    assert "Trivial predictors, not drawn: Mean pose 240.0 mm; Nearest pose 110.0 mm." in first.caption
    assert "cpn → cpn" in first.caption
    assert "gt → gt" not in first.caption
    assert "cpu (Made-up CPU, 2 threads)" in first.caption
    (axes,) = first.figure.axes
    assert axes.get_xscale() == "log"
    heights = {float(y) for line in axes.lines for y in line.get_ydata() if line.get_marker() not in ("None", "_")}
    assert heights == {62.0, 51.0, 50.0, 49.5}, "no oracle, no assisted value"
    assert first.figure.get_size_inches()[0] == pytest.approx(3.4)


def test_no_figure_of_one_point():
    assert latency_accuracy([record("mixste"), record("tcn", device="NVIDIA H200")]) == []


def test_labels_overlap_nothing():
    (drawing,) = latency_accuracy(sampling_records())
    axes = drawing.figure.axes[0]
    drawing.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) > 3
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    assert all(text.get_fontsize() >= 6.5 for text in axes.texts)


def test_heat_map_has_a_panel_per_method_and_a_dash_for_what_was_not_run():
    (drawing,) = heat_map(sampling_records()[1:])
    panels = [axes for axes in drawing.figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["D3DP", "FinePOSE"]
    texts = [text.get_text() for text in panels[0].texts]
    assert len(texts) == 9
    assert texts.count("–") == 1
    assert "50.8" in texts


def test_training_curves_one_line_per_training():
    shared = record("d3dp", hypotheses=5)
    again = record("d3dp", hypotheses=10, training_id=shared.training_id)
    (drawing,) = training_curves([shared, again, record("tcn"), record("mean_pose")])
    loss, validation = drawing.figure.axes
    assert len(loss.lines) == 2
    assert sorted(line.get_ydata()[0] for line in validation.lines if len(line.get_ydata()) > 1) == [59.0, 71.0]
    assert "Training detections: cpn." in drawing.caption


def test_a_method_looks_the_same_in_every_figure():
    assert looks_of(["FinePOSE"])["FinePOSE"] == looks_of(["Mine", "TCN", "FinePOSE"])["FinePOSE"]
    assert len(set(looks_of(["Mine", "TCN", "FinePOSE"]).values())) == 3


def test_many_methods_look_different():
    many = [f"Method {number}" for number in range(40)]
    assert len(set(looks_of(many).values())) == 40
