"""What papers report stands apart from what was measured, and says where it comes from."""

import csv
import io
import math
import re

import pytest

from reports.tables.accuracy.main import main, measured_methods, measured_pck, pck
from reports.tables.accuracy.published_numbers import (
    NOT_TAKEN,
    SECTIONS,
    UNKNOWN,
    others,
    papers,
    published,
    reported_blocks,
    sources_of_reported,
)
from reports.tables.accuracy.variants import prompts
from reports.writers.csv import to_csv
from reports.writers.latex import to_latex
from reports.writers.markdown import to_markdown
from reports.writers.paper import PaperTable, to_paper
from reports.writers.table import Block, Cell, Column, Row, Table
from tests import SHARED
from tests.reports.made_up import methods_records, prompt_records, record, several

DATA = ("human36m", "mpi_inf_3dhp", "prompts")
ROWS = [row for data in DATA for row in published(data)]
POSTER = ("TCN", "Anatomy", "P-STMO", "MixSTE", "PoseFormerV2", "MHFormer", "DiffPose", "GLA-GCN", "ActionPrompt",
          "MotionBERT", "D3DP", "FinePOSE")  # fmt: skip


def rows_of(data, paper, source="poster"):
    return [row for row in published(data) if row.paper == paper and row.source.startswith(source)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.data} {row.name} {row.aggregation}")
def test_every_number_has_a_source_and_conditions(row):
    assert row.source
    assert row.conditions
    assert row.paper in papers()
    numbers = [*row.det.values(), *row.gt.values()]
    assert numbers
    assert all(math.isfinite(number) for number in numbers)
    assert bool(row.det) <= bool(row.detector), "a detected input has a detector"
    assert (row.use == "oracle") == (row.aggregation in ("P-Best", "J-Best"))
    assert ("true pose" in row.conditions) == (row.use == "oracle")


@pytest.mark.parametrize("data", DATA[:2])
def test_the_table_prints_source_and_conditions_of_every_row(data):
    printed = " ".join(sources_of_reported(data))
    stated = re.search("sources: (.*) Reported, conditions: (.*) Reported, further: ", printed)
    assert stated
    for row in published(data):
        for part, text in zip(stated.groups(), (row.source, row.conditions), strict=True):
            found = dict(re.findall(r"([^\[\]]+) \[(.*?)\]", part))
            names = found[next(key for key in found if key.removeprefix("; ") == text)]
            assert row.full_name in names or (names == "all others" and row.full_name not in part)
        assert f"{row.paper}: {papers()[row.paper].split(', ')[0]} et al." in printed
    assert all(text in printed for text in others(data))


@pytest.mark.parametrize("data", DATA)
def test_rows_of_two_sources_have_two_names(data):
    names = [(row.full_name, row.frames) for row in published(data)]
    assert len(set(names)) == len(names)


def test_where_sources_disagree_both_are_there():
    assert [row.gt["mpjpe"] for row in published("human36m") if row.paper == "TCN"] == [37.8, 37.2]
    assert [row.det["mpjpe"] for row in published("human36m") if row.paper == "FinePOSE"] == [32.2, 31.9]
    assert any("contradicts itself" in text for text in others("human36m"))
    sh = {row.row: row.det["mpjpe"] for row in published("human36m") if row.paper == "MotionBERT"}
    assert sh == {"pre-trained": 37.5, "pre-trained, README": 37.2, "from scratch": 39.2}
    mixste = {row.detector: row.det for row in published("human36m") if row.paper == "MixSTE"}
    assert mixste == {"HRNet": {"mpjpe": 39.8, "p_mpjpe": 30.6}, "CPN": {"mpjpe": 40.9}}


def test_an_oracle_is_never_among_single_poses():
    uses = {(row.paper, row.row): row.use for row in published("human36m")}
    assert (
        uses["D3DP", ""] == uses["KTPFormer", "diffusion form"] == uses["FinePOSE", "table of methods"] == "oracle"
    )
    assert uses["KTPFormer", ""] == uses["D3DP", "single answer"] == "none"
    assert {row.use for row in published("mpi_inf_3dhp") if row.paper == "D3DP"} == {"none", "assisted", "oracle"}


def test_targets_of_mpi_inf_3dhp_are_in_the_names():
    assert {row.paper for row in published("mpi_inf_3dhp") if row.target == "annot3"} == {"D3DP", "FinePOSE"}
    assert {row.target for row in published("mpi_inf_3dhp")} == {"annot3", "univ_annot3", "not known"}
    assert all(row.target in row.name for row in published("mpi_inf_3dhp"))


def facts(heading):
    """Cells of the tables under a heading of the page of facts; skips without it."""
    path = SHARED / "facts" / "REPORTED.md"
    if not path.exists():
        pytest.skip("the facts beside the repository are not there")
    part = next(part for part in path.read_text().split("\n## ") if part.startswith(heading))
    lines = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    return part, [[cell.strip() for cell in line] for line in lines[2:]]


def numbers(text):
    """The first number before a slash and the first one behind it; None where there is a dash."""
    found = [re.match(r"[\d.]+", part.strip()) for part in text.split("/")]
    return [float(match[0]) if match else None for match in found]


def test_the_poster_on_human36m_is_there_as_it_prints():
    _, lines = facts("Human3.6M")
    assert [line[0] for line in lines] == list(POSTER)
    for name, frames, detector, det, gt, _ in lines:
        (row,) = [row for row in rows_of("human36m", name) if row.gt]
        assert (str(row.frames), row.detector) == (frames, detector)
        for printed, found in ((det, row.det), (gt, row.gt)):
            mpjpe, p_mpjpe, *_ = *numbers(printed), None
            assert (found.get("mpjpe"), found.get("p_mpjpe")) == (mpjpe, p_mpjpe), name


def test_the_poster_on_mpi_inf_3dhp_is_there_as_it_prints():
    part, lines = facts("MPI-INF-3DHP")
    for name, frames, *scores in lines:
        (row,) = rows_of("mpi_inf_3dhp", name)
        assert str(row.frames) == frames
        assert [row.gt[metric] for metric in ("pck", "auc", "mpjpe")] == [numbers(text)[0] for text in scores]
    for row in rows_of("mpi_inf_3dhp", "D3DP", "results by sequence"):
        assert f"{row.aggregation} " + " / ".join(f"{score:.2f}" for score in row.gt.values()) in part


def test_the_prompts_of_the_poster_are_there_as_it_prints():
    part, _ = facts("Prompt variants")
    for row in published("prompts"):
        assert f"{row.printed} {row.det['mpjpe']} / {row.det['p_mpjpe']}" in part.replace("\n", " ")


@pytest.mark.parametrize(
    ("layout", "measured", "data", "records"),
    [
        (main, measured_methods, "human36m", methods_records()),
        (pck, measured_pck, "mpi_inf_3dhp", [record("mixste", train="gt", test="gt")]),
    ],
)
def test_reported_numbers_are_never_ranked_and_change_no_measured_cell(layout, measured, data, records):
    table = layout(records, "T")
    below = [block for block in table.blocks if block.section == SECTIONS[data]]
    cells = [cell for block in below for row in block.rows for cell in row.cells]
    assert any(cell.number is not None for cell in cells)
    assert not any(cell.rank or cell.tie or cell.ahead is not None for cell in cells)
    assert not any(row.runs for block in below for row in block.rows)
    assert table.blocks[: -len(below)] == measured(records, "T").blocks


def reported_row(table, name):
    headers = [column.full_name for column in table.columns]
    row = next(row for block in table.blocks[1:] for row in block.rows if row.cells[0].text == name)
    return dict(zip(headers, (cell.text or cell.reason for cell in row.cells), strict=True))


def test_reported_numbers_stand_in_the_columns_of_their_detections():
    table = main([record("mixste"), record("mixste", train="gt", test="gt")], "T")
    found = reported_row(table, "MixSTE (HRNet)")
    assert found["DET: cpn MPJPE"] == "39.8"
    assert found["GT MPJPE"] == "21.6"
    assert found["GT P-MPJPE"] == UNKNOWN
    assert found["ms/frame"] == NOT_TAKEN
    assert (found["Frames in"], found["Frames out"], found["H"], found["K"]) == ("243", NOT_TAKEN, "1", "1")


def test_scores_stand_under_the_table_of_mpi_inf_3dhp():
    found = reported_row(pck([record("tcn", train="gt", test="gt")], "T"), "FinePOSE (annot3)")
    assert [found[f"GT {name}"] for name in ("PCK ↑", "AUC ↑", "MPJPE ↓")] == ["98.7", "79.7", "26.8"]
    assert found["Aggregation"] == "J-Best†"


def test_columns_of_crossed_detections_get_no_reported_number():
    table = main([record("mixste", train="cpn", test="gt")], "T")
    cells = [cell for block in table.blocks[1:] for row in block.rows for cell in row.cells[8:]]
    assert cells
    assert all(cell.reason == UNKNOWN for cell in cells)


def test_every_form_says_that_they_are_reported():
    table = main([record("mixste"), record("tcn")], "T")
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    reported = [row for row in rows if row["section"] == SECTIONS["human36m"]]
    assert len(reported) == len(published("human36m"))
    assert {row["runs"] for row in reported} == {""}
    for text in (to_markdown(table), to_latex(table, "t")):
        assert "Reported by the papers on Human3.6M" in text
        assert "public repository of a later paper" in text
    assert "FinePOSE§ (CPN, table of methods) | J-Best†" in to_markdown(table)


def test_prompts_of_the_poster_stand_beside_the_measured_ones():
    other = record("d3dp", prompt="none", variant="prompt=none")
    table = prompts([*prompt_records(), other], "T")
    assert [column.full_name for column in table.columns[-2:]] == [
        "Reported: CPN, J-Best† MPJPE",
        "Reported: CPN, J-Best† P-MPJPE",
    ]
    beside = {row.runs: [cell.text or cell.reason for cell in row.cells[-2:]] for row in table.rows()}
    none, full = prompt_records()
    assert beside == {
        none.runs: ["37.2", "29.1"],
        full.runs: ["31.9", "25.0"],
        other.runs: [UNKNOWN, UNKNOWN],
    }
    assert "M-Prompt (manual) 35.8 / 28.1" in table.conditions[-1][0], "a prompt that was not run"
    assert "† oracle" in to_markdown(table)
    assert len(prompts([other], "T").columns) == len(table.columns) - 2, "nothing is reported of other methods"
    assert table.measured().columns == table.columns[:-2], "a paper prints them where they are asked for"
    text = to_paper(table, "t", PaperTable(reported=True))
    assert "reported: by the papers, of other data, not comparable" in text


def test_the_difference_to_the_best_baseline_stands_in_brackets():
    means = {"mixste": 51.0, "tcn": 62.0, "finepose": 49.5}
    table = main([several(record(method, mean=mean)) for method, mean in means.items()], "T")
    first = table.blocks[0]
    assert [row.cells[8].ahead for row in first.rows] == [None, None, -1.5]
    assert "**49.5** ± 1.5 (−1.5 ± 0.0)" in to_markdown(table)
    row = next(row for row in csv.DictReader(io.StringIO(to_csv(table))) if row["Method"] == "FinePOSE§")
    assert float(row["DET: cpn MPJPE minus best other"]) == -1.5
    assert float(row["DET: cpn MPJPE minus best other ±"]) < 0.1


def test_brackets_stand_below_their_number_in_latex():
    table = Table(
        "T", (Column("M", align="l"), Column("X")),
        (Block((Row((Cell("a"), Cell("50.0", 50.0))), Row((Cell("b"), Cell("48.8", 48.8, ahead=-1.2))))),),
    )  # fmt: skip
    text = to_latex(table, "t")
    assert "a & 50.0 \\\\" in text
    assert "b & \\begin{tabular}[t]{@{}r@{}}48.8\\\\{\\scriptsize ($-$1.2)}\\end{tabular} \\\\" in text
    assert "in brackets: minus the best other method" in text


def test_no_block_without_rows():
    assert [len(block.rows) for block in reported_blocks("human36m", {}, [])] == [21, 4]
    assert [len(block.rows) for block in reported_blocks("mpi_inf_3dhp", {}, [])] == [14, 1, 4]
