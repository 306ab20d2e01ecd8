"""How the page looks: methods in its plot as in the figures, and everything within the window at three widths."""

import pytest

from reports.figures.looks import look_of
from reports.page.content import content
from reports.page.template import page
from tests.reports.made_up import record, runset
from tests.reports.page.browser import DESKTOP, PHONE

WIDTHS = (DESKTOP, {"width": 800, "height": 1000}, PHONE)


def test_a_method_has_its_colour_and_marker_in_the_plot(opened, tmp_path):
    methods = ("tcn", "mixste", "finepose")
    made = [*map(record, methods), record("finepose", mean=55.0, variant="fpp=False")]
    path = tmp_path / "index.html"
    path.write_text(page(content(runset(), made, {})), encoding="utf-8")
    tab = opened(at=path.as_uri())
    drawn = tab.evaluate(
        """Object.fromEntries(document.getElementById("plot").data.filter((trace) => trace.text)
            .map((trace) => [trace.name, [trace.marker.color, ...new Set(trace.marker.symbol)]]))"""
    )
    tcn, mixste, finepose = (look_of(method).colour for method in methods)
    assert drawn == {
        "TCN": [tcn, "diamond"],
        "MixSTE": [mixste, "cross"],
        "FinePOSE": [finepose, "triangle-right"],
        "FinePOSE w/o FPP": [finepose, "triangle-right-open"],
    }, "Plotly's names of the markers that tests/reports/figures/test_looks.py lists"


@pytest.mark.parametrize("size", WIDTHS, ids=lambda size: str(size["width"]))
def test_it_fits_the_window_with_every_table_open(opened, size):
    tab = opened(viewport=size)
    for summary in tab.locator("#tables details:not([open]) summary").all():
        summary.click()
    assert tab.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for name in ("#answer", "#plot", "#pose-panels", "#results"):
        box = tab.locator(name).bounding_box()
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= size["width"], name
    tab.locator("#results tbody th a").first.click()
    tab.wait_for_selector("#record[open]")
    box = tab.locator("#record").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size["width"]
