"""The pose viewer in a real browser."""

import re

import numpy as np
import pytest

from bench.results.arrays import RunFiles
from bench.results.footage import ShownPoses
from reports.figures.looks import look_of
from reports.page.content import content
from reports.page.footage import write_page
from reports.page.template import page
from tests.reports.made_up import examples, record, runset
from tests.reports.page.browser import EVIL

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


def test_the_viewer_plays(opened):
    tab = opened()
    pixels = "[...document.querySelectorAll('#pose-panels canvas')].map((canvas) => canvas.toDataURL())"
    assert tab.locator("#pose-panels figure").count() == 4
    first = tab.evaluate(pixels)
    tab.click("#pose-play")
    # The page itself pauses: a click from here comes late, when the first frame may be shown again.
    tab.wait_for_function(
        """() => {
            const shown = document.getElementById("pose-position").textContent;
            if (!/^Frame ([3-9]|1.) of 12$/.test(shown)) return false;
            document.getElementById("pose-play").click();
            return true;
        }"""
    )
    assert tab.text_content("#pose-play") == "Play"
    assert tab.text_content("#pose-position") == f"Frame {int(tab.input_value('#pose-frame')) + 1} of 12"
    second = tab.evaluate(pixels)
    assert all(a != b for a, b in zip(first, second, strict=True))
    tab.select_option("#pose-sequence", index=1)
    assert tab.text_content("#pose-position") == "Frame 1 of 8"


def test_the_viewer_opens_with_finepose_beside_the_best_and_their_errors_over_time(opened, tmp_path):
    made, files = [record(name) for name in ("tcn", "mixste", "finepose")], RunFiles(tmp_path)
    for member in made:
        examples(member, 5 if member.method == "finepose" else 0).save(files.examples_path(member.id))
    path = tmp_path / "index.html"
    path.write_text(page(content(runset(), made, {}, files)), encoding="utf-8")
    tab = opened(at=path.as_uri())
    names = tab.evaluate("[...document.querySelectorAll('#pose-panels canvas')].map((one) => one.ariaLabel)")
    assert names[:2] == ["2D input", "Ground truth"]
    assert len(names) == 4
    assert "FinePOSE P-Agg" in names
    curves = tab.evaluate("document.getElementById('pose-errors').data.map((one) => [one.name, one.y.length])")
    assert sorted(curves) == sorted([name, 12] for name in names[2:])
    tab.fill("#pose-frame", "7")
    assert tab.evaluate("document.getElementById('pose-errors').layout.shapes[0].x0") == 8


def test_lines_of_errors_that_share_a_colour_differ(opened, tmp_path):
    variants = [record("finepose", variant=f"{part}=False") for part in ("fpp", "fpc", "pts")]
    other = record("poseformerv2", title="PoseFormerV2", mean=55.0)
    made, files = [*map(record, ("mean_pose", "finepose")), other, *variants], RunFiles(tmp_path)
    for member in made:
        examples(member, 2 if member.method == "finepose" else 0).save(files.examples_path(member.id))
    path = tmp_path / "index.html"
    path.write_text(page(content(runset(), made, {}, files)), encoding="utf-8")
    tab = opened(at=path.as_uri())
    tab.locator("#pose-methods summary").click()
    for box in tab.locator("#pose-methods input").all():
        box.check()
    assert len({look_of(member.method).colour for member in made}) == 1
    lines = tab.locator("#pose-errors .scatterlayer .js-line")
    assert len(set(lines.evaluate_all("(its) => its.map((one) => one.style.strokeDasharray)"))) == len(made)


def test_methods_and_hypotheses_of_the_viewer_are_chosen(opened):
    tab = opened()
    caption = tab.locator("#pose-panels figcaption", has_text="D3DP P-Agg")
    box = tab.get_by_role("checkbox", name=re.compile("^D3DP P-Agg"))
    box.check()
    assert re.search(r"\d+\.\d mm$", caption.text_content())
    image = "document.querySelector('canvas[aria-label=\"D3DP P-Agg\"]').toDataURL()"
    cloud = tab.evaluate(image)
    tab.uncheck("#pose-cloud")
    assert tab.evaluate(image) != cloud
    box.uncheck()
    assert caption.count() == 0


def test_poses_of_own_footage_are_shown_without_errors(opened, tmp_path):
    rng = np.random.default_rng(0)
    poses, screen = rng.normal(size=(20, 17, 3)) * 0.3, rng.normal(size=(20, 17, 2)) * 0.3
    several = [ShownPoses("clip.json", name, "", 20, 25.0, np.arange(20), screen, poses) for name in ("TCN", EVIL)]
    write_page(tmp_path / "index.html", several)
    tab = opened(at=(tmp_path / "index.html").as_uri())
    assert tab.locator("#pose-panels canvas").count() == 3  # the input and two methods, no ground truth
    assert tab.locator("#pose-methods").text_content() == f" TCN {EVIL}"
    assert "mm" not in tab.locator("#viewer").inner_text()
    drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    assert all(panel.evaluate(drawn) for panel in tab.locator("#pose-panels canvas").all())
    tab.fill("#pose-frame", "7")
    assert tab.text_content("#pose-position") == "Frame 8 of 20"
