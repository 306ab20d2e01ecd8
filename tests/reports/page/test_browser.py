"""The page in a real browser, opened from disk."""

import csv

from reports.page.content import content
from reports.page.template import page
from reports.writers.table import Block, Cell, Column, Row, Table
from tests.reports.made_up import methods_records, record, runset, several
from tests.reports.page.browser import DESKTOP, EVIL, PHONE, choice, column, found, head, numbers


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


def test_missing_cells_come_last_and_a_section_is_named_once(opened, tmp_path):
    cells = (Cell("10", 10.4), Cell(reason="not run"), Cell("10", 10.2), Cell("1,000"), Cell("<2"))
    rows = tuple(Row((Cell(name), cell)) for name, cell in zip("abcde", cells, strict=True))
    blocks = (Block(rows[:1], "H 1", "S"), Block(rows, "H 2", "S"))
    table = Table("T", (Column("Name", align="l"), Column("Number")), blocks)
    path = tmp_path / "index.html"
    path.write_text(page(content(runset(), [], {"t": table})), encoding="utf-8")
    tab = opened(at=path.as_uri())
    sections = tab.locator("#tables tr.section").filter(visible=True)
    tab.wait_for_selector("#tables table")
    assert sections.all_text_contents() == ["S"]
    for order in ("cadeb", "daceb"):
        head(tab, "Number", "#tables").click()
        assert "".join(column(tab, "Name", "#tables")[1]) == order
    tab.fill("#tables input[type=search]", "2 10")
    assert column(tab, "Name", "#tables") == [["a", "c"]]
    assert sections.all_text_contents() == ["S"], "the block that named it is not shown"


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
    tab.locator("#results tbody td.r a").first.click()
    tab.wait_for_selector("#record[open]")
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
    tab.wait_for_selector("#record[open]")
    assert "2 runs are behind this" in tab.text_content("#record-body")
    second = tab.locator("#record-body button").nth(1)
    identity = second.text_content()
    second.click()
    chosen = next(made for made in records if made.id == identity).mlflow_run_id
    tab.locator("#record", has_text=chosen).wait_for()


def test_an_address_opens_a_record_and_a_wrong_one_none(opened, records):
    assert records[0].mlflow_run_id in opened(f"#run-{records[0].id}").text_content("#record")
    assert not opened("#run-nonsense").locator("#record").is_visible()


def test_an_address_leads_to_a_section_or_a_table_and_opens_it(opened, tmp_path):
    rows = tuple(Row((Cell(f"row {number}"),)) for number in range(50))
    table = Table("T", (Column("Name", align="l"),), (Block(rows),))
    path = tmp_path / "index.html"
    path.write_text(page(content(runset(), methods_records(), dict.fromkeys("abc", table))), encoding="utf-8")
    low = DESKTOP | {"height": 400}  # the last table fills it
    top = "(place) => Math.abs(place.getBoundingClientRect().top)"
    tab = opened("#tables", low, at=path.as_uri())
    assert tab.locator("#tables").evaluate(top) < 1
    tab = opened("#table-b", low, at=path.as_uri())
    tab.wait_for_selector("#table-b table")
    assert tab.locator("#table-b").evaluate(top) < 1
    tab.evaluate("location.hash = '#table-c'")
    tab.wait_for_selector("#table-c table")
    assert tab.locator("#table-c").evaluate(top) < 1


def test_a_click_in_the_plot_opens_the_record(opened):
    tab = opened()
    tab.locator("#plot").scroll_into_view_if_needed()
    # The pixels of a point, from the axes of Plotly.
    at = tab.evaluate(
        """() => {
            const plot = document.getElementById("plot");
            const { xaxis, yaxis } = plot._fullLayout;
            const trace = plot.data.find((one) => one.name === "MixSTE");
            const box = plot.getBoundingClientRect();
            const [x, y] = [xaxis._offset + xaxis.d2p(trace.x[0]), yaxis._offset + yaxis.d2p(trace.y[0])];
            return [box.left + x, box.top + y, trace.customdata[0]];
        }"""
    )
    tab.mouse.move(at[0], at[1])
    tab.wait_for_selector(".hoverlayer .hovertext")
    assert "MixSTE" in tab.text_content(".hoverlayer")
    tab.mouse.click(at[0], at[1])
    tab.wait_for_selector("#record[open]")
    assert tab.url.endswith(at[2])


def test_the_first_screen_answers_and_names_the_cost(opened, tmp_path):
    made = [several(member) for member in methods_records()]
    path = tmp_path / "index.html"
    path.write_text(page(content(runset(methods=("main", made)), made, {})), encoding="utf-8")
    for viewport in (DESKTOP, PHONE):
        tab = opened(at=path.as_uri(), viewport=viewport)
        shown = tab.locator("#answer dd").first
        assert shown.text_content().startswith("FinePOSE§ P-Agg (H = 10, K = 5): MPJPE 49.5 mm")
        box = shown.bounding_box()
        assert box["y"] + box["height"] <= viewport["height"], "without scrolling"
        assert tab.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert tab.locator("#answer details").count() == 1, "the other detections fold away"


def test_a_table_is_saved_as_csv_that_no_spreadsheet_reads_as_a_formula(opened, tmp_path):
    odd = [record("tcn", title="=1+1"), record("mixste", title='a "b", c')]
    path = tmp_path / "index.html"
    path.write_text(page(content(runset(), odd, {})), encoding="utf-8")
    tab = opened(at=path.as_uri())
    with tab.expect_download() as started:
        tab.get_by_role("button", name="CSV").click()
    assert started.value.suggested_filename == "All results.csv"
    rows = list(csv.DictReader(started.value.path().read_text(encoding="utf-8-sig").splitlines()))
    assert [row["Method"] for row in rows] == ["'=1+1", 'a "b", c']
    assert [row["Runs"] for row in rows] == [made.id for made in odd]


def test_numbers_are_saved_as_numbers_and_what_stands_beside_them_in_columns_of_its_own(opened, tmp_path):
    cells = (
        Cell("60.0", 60.04, spread="3.5", rank=1, tie=True, ahead=-1.2345, ahead_spread="3.6"),
        Cell("−3.2", -3.2),
        Cell("1,000", 1000.5, disturbed=True),
        Cell(reason="not run"),
        Cell("+ text"),
    )
    rows = tuple(Row((Cell(name), cell)) for name, cell in zip("abcde", cells, strict=True))
    table = Table("T", (Column("Name", align="l"), Column("MPJPE")), (Block(rows),))
    path = tmp_path / "index.html"
    path.write_text(page(content(runset(), [], {"t": table})), encoding="utf-8")
    tab = opened(at=path.as_uri())
    with tab.expect_download() as started:
        tab.locator("#tables").get_by_role("button", name="CSV").click()
    names, *lines = csv.reader(started.value.path().read_text(encoding="utf-8-sig").splitlines())
    beside = ("±", "minus best other", "minus best other ±", "disturbed")
    assert names == ["Conditions", "Name", "MPJPE", *(f"MPJPE {what}" for what in beside), "Runs"]
    assert [line[1:-1] for line in lines] == [
        ["a", "60.04", "3.5", "-1.2345", "3.6", ""],
        ["b", "-3.2", "", "", "", ""],
        ["c", "1000.5", "", "", "", "yes"],
        ["d", "", "", "", "", ""],
        ["e", "'+ text", "", "", "", ""],
    ]


def test_results_are_filtered_by_conditions_and_seeds(opened):
    tab = opened()
    places = tab.locator("#results").get_by_role("combobox", name="Conditions", exact=True)
    label = next(text for text in tab.locator("#results option").all_text_contents() if "GT." in text)
    places.select_option(label)
    assert {text for group in column(tab, "Detections") for text in group} == {"gt"}
    places.select_option("")
    choice(tab, "Seeds").select_option("2/0")
    assert {text for group in column(tab, "Seeds") for text in group} == {"2/0"}


def test_two_runs_are_compared_side_by_side(opened, records):
    first, second = records[2], records[3]
    tab = opened(f"#run-{first.id}")
    options = tab.locator("#record option").all_text_contents()
    assert len(set(options)) == len(records)
    assert "D3DP, H = 5, K = 3, seeds 0/0, cpn" in options
    tab.locator("#record").get_by_label("Compare with").select_option(second.id)
    tab.wait_for_function("location.hash.startsWith('#compare-')")
    table = tab.locator("#record table")
    assert table.locator("thead th").all_text_contents() == [
        "",
        "TCN, H = 1, K = 1, seeds 0/0, cpn",
        "MixSTE, H = 1, K = 1, seeds 0/0, cpn",
    ]
    row = table.locator("tr", has=tab.get_by_role("rowheader", name="MPJPE (mm), single")).first
    assert row.locator("td").all_text_contents() == [
        "62.00 [60.50, 63.50]; 62.30",
        "51.00 [49.50, 52.50]; 51.30",
    ]
    assert row.get_attribute("class") == "differs"
    same = table.locator("tr", has=tab.get_by_role("rowheader", name="Commit")).first
    assert same.get_attribute("class") is None


def test_the_plot_shows_trivial_predictors_and_oracles_on_demand_and_other_conditions(opened):
    tab = opened()
    points = (
        "document.getElementById('plot').data.reduce((sum, trace) => sum + (trace.customdata ?? []).length, 0)"
    )
    symbols = "document.getElementById('plot').data.flatMap((trace) => trace.marker?.symbol ?? [])"
    few = tab.evaluate(points)
    tab.focus("#plot-trivial")
    tab.keyboard.press("Space")
    names = tab.evaluate("document.getElementById('plot').data.map((trace) => trace.name)")
    assert {"Mean pose", "Nearest pose"} <= set(names)
    tab.keyboard.press("Space")
    assert tab.evaluate(points) == few
    assert not any("dot" in symbol for symbol in tab.evaluate(symbols))
    tab.check("#plot-every")
    assert tab.evaluate(points) > few
    assert any("dot" in symbol for symbol in tab.evaluate(symbols))
    tab.select_option("#plot-choice", label=tab.locator("#plot-choice option").nth(1).text_content())
    assert tab.evaluate(points) != few


def test_everything_is_done_by_keyboard(opened):
    tab = opened()
    stops = []
    for _ in range(2):
        tab.keyboard.press("Tab")
        stops.append(tab.evaluate("document.activeElement.textContent"))
    assert stops == ["Warnings: 2", "Answer"]
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
    tab.wait_for_selector("#record[open]")
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
