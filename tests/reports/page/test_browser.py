"""The page in a real browser, opened from disk."""

import re
import shutil

import numpy as np
import pytest

from bench.config.registry import LAYOUTS
from bench.results.arrays import RunFiles
from bench.results.footage import ShownPoses
from reports.page.content import content
from reports.page.footage import write_page
from reports.page.template import page
from tests.reports.made_up import examples, methods_records, record, runset, sampling_records

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no Chromium is installed (Debian: apt-get install chromium)", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

EVIL = '<script>window.pwned = 1</script><img src=x onerror="window.pwned = 1">'
READY = "html[data-ready]"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def records():
    odd = record("tcn", title=EVIL, variant=f"a=<b>{EVIL}", label=EVIL, warnings=(EVIL,), mean=70.0)
    seeds = [record("d3dp", seed=seed) for seed in (1, 2, 3)]
    return [*methods_records(), *sampling_records(), *seeds, odd]


@pytest.fixture(scope="module")
def address(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    files = RunFiles(folder)
    for made in records:
        if made.method in ("tcn", "mixste", "d3dp") or made.title == EVIL:
            examples(made, 5 if made.method == "d3dp" else 0).save(files.examples_path(made.id))
    methods = methods_records()
    declared = runset(methods=("main", methods), sampling=("sampling", records[len(methods) :]))
    tables = {"methods": LAYOUTS.load("main").table(methods, f"Methods {EVIL}")}
    path = folder / "index.html"
    path.write_text(page(content(declared, records, tables, files)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def tab():
    """One tab for all: what a browser has compiled once it opens faster again."""
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium.new_page()
        chromium.close()


@pytest.fixture
def opened(tab, address):
    """Opens the page; at the end nothing may have been complained of or fetched."""
    complaints, fetched = [], []
    hear = {
        "console": lambda message: complaints.append(message.text),
        "pageerror": lambda error: complaints.append(str(error)),
        "request": lambda request: fetched.append(request.url),
    }
    for event, listener in hear.items():
        tab.on(event, listener)

    def open_page(hash_="", viewport=DESKTOP, scheme="light", at=address):
        tab.goto("about:blank")
        tab.set_viewport_size(viewport)
        tab.emulate_media(color_scheme=scheme)
        tab.goto(at + hash_)
        tab.wait_for_selector(READY)
        return tab

    yield open_page
    for event, listener in hear.items():
        tab.remove_listener(event, listener)
    assert not tab.evaluate("'pwned' in window")
    assert not complaints
    assert {url.split("/")[-1].split("#")[0] for url in fetched} == {"index.html"}
    assert all(url.startswith("file://") for url in fetched)


def column(tab, name, table="#results"):
    """Texts of a column, group by group."""
    return tab.evaluate(
        """([table, name]) => {
            const heads = [...document.querySelectorAll(`${table} thead th`)].map((head) => head.textContent);
            return [...document.querySelector(`${table} table`).tBodies].map((body) =>
                [...body.rows].filter((row) => !row.className)
                    .map((row) => row.cells[heads.indexOf(name)].textContent));
        }""",
        [table, name],
    )


def numbers(texts):
    return [float(text.split(" ±")[0].replace(",", "")) for text in texts]


def head(tab, name, table="#results"):
    return tab.locator(f"{table} thead button", has_text=re.compile(f"^{name}$")).first


def found(tab):
    return tab.locator("#results [role=status]").first.text_content()


def choice(tab, name):
    return tab.get_by_role("combobox", name=name, exact=True)


def test_it_opens_from_disk_and_shows_names_as_text(opened, records):
    tab = opened()
    assert f"{len(records)} runs" in tab.text_content("#summary")
    tab.fill("#results input[type=search]", "<script>")
    assert found(tab).startswith("1 of ")
    assert EVIL in column(tab, "Method")[0][0]
    assert EVIL in tab.text_content("#tables summary")
    assert EVIL in tab.text_content("#warnings")


def test_sorting_stays_within_groups(opened):
    tab = opened()
    tab.locator("#results button", has_text="Show more").click()
    before = [sorted(numbers(group)) for group in column(tab, "MPJPE")]
    button = head(tab, "MPJPE")
    button.click()
    assert [numbers(group) for group in column(tab, "MPJPE")] == before
    assert tab.locator("#results th[aria-sort=ascending]").text_content() == "MPJPE"
    button.click()
    assert [numbers(group) for group in column(tab, "MPJPE")] == [group[::-1] for group in before]
    assert tab.locator("#results th[aria-sort=descending]").count() == 1
    head(tab, "H").click()
    assert all(numbers(group) == sorted(numbers(group)) for group in column(tab, "H"))


def test_filtering_by_words_and_values(opened):
    tab = opened()
    total = int(found(tab).split()[2])
    tab.fill("#results input[type=search]", "d3dp sampling")
    by_words = int(found(tab).split()[0])
    assert 0 < by_words < total
    methods = [name for group in column(tab, "Method") for name in group]
    assert set(methods) == {"D3DP"}
    choice(tab, "Aggregation").select_option("J-Best†")
    assert int(found(tab).split()[0]) == by_words // 4
    choice(tab, "K").select_option("3")
    assert {text for group in column(tab, "K") for text in group} == {"3"}
    tab.fill("#results input[type=search]", "no such thing")
    assert found(tab) == f"0 of {total} rows"


def test_further_rows_are_shown_on_demand(opened):
    tab = opened()
    assert sum(map(len, column(tab, "Method"))) == 100
    tab.locator("#results button", has_text="Show more").click()
    assert sum(map(len, column(tab, "Method"))) == int(found(tab).split()[2])


def test_a_number_leads_to_the_record_of_its_run(opened, records):
    tab = opened()
    tab.fill("#results input[type=search]", records[2].id)
    tab.locator("#results tbody td.number a").first.click()
    text = tab.text_content("#record")
    for said in (
        records[2].mlflow_run_id,
        records[2].git_commit,
        records[2].training_id,
        "Checkpoint selection",
        "0/0",
    ):
        assert said in text
    link = tab.locator("#record a").first
    assert link.get_attribute("href") == f"http://127.0.0.1:5000/#/runs/{records[2].mlflow_run_id}"
    tab.click("#record-close")
    assert not tab.locator("#record").is_visible()
    tab.wait_for_function("!location.hash")


def test_a_row_of_a_table_leads_to_all_its_runs(opened, records):
    tab = opened()
    tab.locator("#tables tbody th a", has_text="TCN").first.click()
    assert "2 runs are behind this" in tab.text_content("#record-body")
    second = tab.locator("#record-body button").nth(1)
    identity = second.text_content()
    second.click()
    assert next(made for made in records if made.id == identity).mlflow_run_id in tab.text_content("#record")


def test_an_address_opens_a_record_and_a_wrong_one_none(opened, records):
    assert records[0].mlflow_run_id in opened(f"#run-{records[0].id}").text_content("#record")
    assert not opened("#run-nonsense").locator("#record").is_visible()


def test_a_click_in_the_plot_opens_the_record(opened):
    tab = opened()
    # The pixels of a point, from the axes of Plotly.
    at = tab.evaluate(
        """() => {
            const plot = document.getElementById("plot");
            const { xaxis, yaxis } = plot._fullLayout;
            const trace = plot.data.find((one) => one.name === "MixSTE");
            const box = plot.getBoundingClientRect();
            const [x, y] = [xaxis._offset + xaxis.d2p(trace.x[0]), yaxis._offset + yaxis.d2p(trace.y[0])];
            return [box.left + x, box.top + y, trace.points[0].run];
        }"""
    )
    tab.mouse.move(at[0], at[1])
    tab.wait_for_selector(".hoverlayer .hovertext")
    assert "MixSTE" in tab.text_content(".hoverlayer")
    tab.mouse.click(at[0], at[1])
    tab.wait_for_selector("#record[open]")
    assert tab.url.endswith(at[2])


def test_the_plot_shows_oracles_on_demand_and_other_conditions(opened):
    tab = opened()
    points = "document.getElementById('plot').data.reduce((sum, trace) => sum + trace.points.length, 0)"
    symbols = "document.getElementById('plot').data.flatMap((trace) => trace.marker?.symbol ?? [])"
    few = tab.evaluate(points)
    assert not any("dot" in symbol for symbol in tab.evaluate(symbols))
    tab.check("#plot-every")
    assert tab.evaluate(points) > few
    assert any("dot" in symbol for symbol in tab.evaluate(symbols))
    tab.select_option("#plot-choice", label=tab.locator("#plot-choice option").nth(1).text_content())
    assert tab.evaluate(points) != few


def test_the_viewer_plays(opened):
    tab = opened()
    pixels = "[...document.querySelectorAll('#pose-panels canvas')].map((canvas) => canvas.toDataURL())"
    assert tab.locator("#pose-panels figure").count() == 5
    first = tab.evaluate(pixels)
    tab.click("#pose-play")
    playwright.expect(tab.locator("#pose-position")).to_have_text(re.compile("Frame ([3-9]|1.) of 12"))
    tab.click("#pose-play")
    assert tab.text_content("#pose-play") == "Play"
    assert tab.text_content("#pose-position") == f"Frame {int(tab.input_value('#pose-frame')) + 1} of 12"
    second = tab.evaluate(pixels)
    assert all(a != b for a, b in zip(first, second, strict=True))
    tab.select_option("#pose-sequence", index=1)
    assert tab.text_content("#pose-position") == "Frame 1 of 8"


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


def test_everything_is_done_by_keyboard(opened):
    tab = opened()
    stops = []
    for _ in range(2):
        tab.keyboard.press("Tab")
        stops.append(tab.evaluate("document.activeElement.textContent"))
    assert stops == ["Warnings: 2", "Error against time"]
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.focus("#plot")
    tab.keyboard.press("ArrowRight")
    first = tab.text_content("#plot-point")
    tab.keyboard.press("ArrowRight")
    assert "ms/frame" in first
    assert tab.text_content("#plot-point") != first
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#record[open]")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#record", state="hidden")
    assert tab.evaluate("document.activeElement.id") == "plot"
    head(tab, "MPJPE").focus()
    tab.keyboard.press("Space")
    assert tab.locator("#results th[aria-sort=ascending]").text_content() == "MPJPE"
    tab.locator("#results tbody th a").first.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#record[open]")
    tab.keyboard.press("Escape")
    tab.focus("#pose-play")
    tab.keyboard.press("Enter")
    assert tab.text_content("#pose-play") == "Pause"
    tab.keyboard.press("Space")
    canvas = tab.locator("#pose-panels canvas[tabindex]").first
    canvas.focus()
    before = canvas.evaluate("(one) => one.toDataURL()")
    tab.keyboard.press("ArrowLeft")
    assert canvas.evaluate("(one) => one.toDataURL()") != before


def test_it_fits_a_phone(opened):
    tab = opened(viewport=PHONE)
    width = "document.documentElement.scrollWidth"
    assert tab.evaluate(width) <= PHONE["width"]
    for summary in tab.locator("#tables details:not([open]) summary").all():
        summary.click()
    tab.locator("#results tbody th a").first.click()
    assert tab.evaluate(width) <= PHONE["width"]
    box = tab.locator("#record").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]


def test_dark_mode_changes_page_plot_and_poses(opened):
    tab = opened()
    look = """[
        getComputedStyle(document.body).backgroundColor, document.getElementById("plot").layout.font.color,
        document.querySelector("#pose-panels canvas").toDataURL(),
    ]"""
    light = tab.evaluate(look)
    tab.emulate_media(color_scheme="dark")
    tab.wait_for_function(f"light => {look}.every((now, part) => now !== light[part])", arg=light)
    assert light[0] == "rgb(255, 255, 255)"


def test_a_page_of_nothing(opened, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(page(content(runset(), [], {})))
    tab = opened(at=path.as_uri())
    assert "No run" in tab.text_content("#trade-off")
    assert found(tab) == "0 of 0 rows"


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
