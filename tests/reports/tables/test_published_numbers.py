"""What papers report stands apart from what was measured, and says where it comes from."""

import csv
import io

from reports.tables.main import main, measured_methods
from reports.tables.published_numbers import NOT_TAKEN, SECTION, UNKNOWN, published, reported_blocks
from reports.writers.csv import to_csv
from reports.writers.latex import to_latex
from reports.writers.markdown import to_markdown
from reports.writers.table import Block, Cell, Column, Row, Table
from tests.reports.made_up import methods_records, record, several


def test_the_twelve_methods_of_the_poster_are_there():
    titles = [entry.title for entry in published()]
    assert sorted(titles) == sorted(
        ["TCN", "Anatomy", "P-STMO", "MixSTE", "PoseFormerV2", "MHFormer", "DiffPose", "GLA-GCN", "ActionPrompt",
         "MotionBERT", "D3DP", "FinePOSE"]
    )  # fmt: skip
    by_title = {entry.title: entry for entry in published()}
    assert by_title["FinePOSE"].det == {"mpjpe": 31.9, "p_mpjpe": 25.0}
    assert {title for title, entry in by_title.items() if entry.aggregation == "J-Best"} == {"D3DP", "FinePOSE"}
    assert not by_title["ActionPrompt"].det, "nobody could vouch for a number"
    assert all(entry.citation and entry.detector for entry in published())


def test_reported_numbers_are_never_ranked_and_change_no_measured_cell():
    table = main(methods_records(), "T")
    below = [block for block in table.blocks if block.section == SECTION]
    cells = [cell for block in below for row in block.rows for cell in row.cells]
    assert not any(cell.rank or cell.tie or cell.ahead is not None for cell in cells)
    assert not any(row.runs for block in below for row in block.rows)
    assert table.blocks[: -len(below)] == measured_methods(methods_records(), "T").blocks


def test_reported_numbers_stand_in_the_columns_of_their_detections():
    table = main([record("mixste"), record("mixste", train="gt", test="gt")], "T")
    headers = [column.full_name for column in table.columns]
    row = next(row for block in table.blocks[1:] for row in block.rows if row.cells[0].text == "MixSTE (CPN)")
    found = dict(zip(headers, (cell.text or cell.reason for cell in row.cells), strict=True))
    assert found["DET: cpn MPJPE"] == "40.9"
    assert found["GT MPJPE"] == "21.6"
    assert found["GT P-MPJPE"] == UNKNOWN
    assert found["ms/frame"] == NOT_TAKEN
    assert (found["F"], found["H"], found["K"]) == ("243", "1", "1")


def test_columns_of_crossed_detections_get_no_reported_number():
    table = main([record("mixste", train="cpn", test="gt")], "T")
    cells = [cell for block in table.blocks[1:] for row in block.rows for cell in row.cells[7:]]
    assert all(cell.reason == UNKNOWN for cell in cells)


def test_every_form_says_that_they_are_reported():
    table = main([record("mixste"), record("tcn")], "T")
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    reported = [row for row in rows if row["section"] == SECTION]
    assert len(reported) == 12
    assert {row["runs"] for row in reported} == {""}
    for text in (to_markdown(table), to_latex(table, "t")):
        assert "Reported by the papers on Human3.6M" in text
        assert "not checked against a source" in text
    assert "FinePOSE (CPN) | J-Best†" in to_markdown(table)


def test_the_difference_to_the_best_baseline_stands_in_brackets():
    means = {"mixste": 51.0, "tcn": 62.0, "finepose": 49.5}
    table = main([several(record(method, mean=mean)) for method, mean in means.items()], "T")
    first = table.blocks[0]
    assert [row.cells[7].ahead for row in first.rows] == [None, None, -1.5]
    assert "**49.5** ± 1.5 (−1.5)" in to_markdown(table)
    row = next(row for row in csv.DictReader(io.StringIO(to_csv(table))) if row["Method"].startswith("FinePOSE§"))
    assert float(row["DET: cpn MPJPE minus best other"]) == -1.5


def test_brackets_keep_latex_digits_aligned():
    table = Table(
        "T", (Column("M", align="l"), Column("X")),
        (Block((Row((Cell("a"), Cell("50.0", 50.0))), Row((Cell("b"), Cell("48.8", 48.8, ahead=-1.2))))),),
    )  # fmt: skip
    text = to_latex(table, "t")
    assert "a & 50.0\\hphantom{{\\scriptsize\\,($-$1.2)}} \\\\" in text
    assert "b & 48.8{\\scriptsize\\,($-$1.2)} \\\\" in text
    assert "in brackets: minus the best other method" in text


def test_no_block_without_sources():
    assert [len(block.rows) for block in reported_blocks({}, [])] == [10, 2]
