import csv
import io
import re
import shutil
import subprocess
import tomllib
from dataclasses import replace
from functools import partial

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.config.registry import METHODS
from bench.results.run_set import RunSet
from models.errors import InputError
from reports.build import build
from reports.rules.names import USES
from reports.tables.accuracy.breakdown import SHORT_NAMES, actions
from reports.tables.accuracy.main import main
from reports.tables.accuracy.published_numbers import papers
from reports.tables.short_note import short_note
from reports.writers.citations import REFERENCES, keys_of
from reports.writers.latex import LONG
from reports.writers.paper import COMPLETE, PaperTable, chosen, read_paper, to_paper
from reports.writers.table import Block, Cell, Column, Row, Table
from tests import ROOT
from tests.reports.latex import need
from tests.reports.made_up import methods_records, prompt_records, record, runset, sampling_records, several
from tests.reports.writers.test_table import HOSTILE, small_table

CVPR_LIKE = r"""\NeedsTeXFormat{LaTeX2e}\ProvidesClass{twocolumns}\LoadClass[10pt,twocolumn]{article}
\setlength{\textwidth}{6.875in}\setlength{\columnsep}{0.3125in}\setlength{\textheight}{8.875in}
"""
CLASSES = {"article": "article", "IEEEtran": "IEEEtran", "CVPR-like": "twocolumns"}
PACKAGES = r"\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx,multirow,siunitx}"


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A folder of tables of every usual kind, and one of odd names."""
    out = tmp_path_factory.mktemp("results")
    methods, sampling, prompts = methods_records(), sampling_records(), prompt_records()
    parts = [
        record("finepose", hypotheses=10, steps=5, variant=name)
        for name in ("", "fpp=False", "pts=false", "shuffle_parts=True")
    ]
    made = [*methods, *sampling, *prompts, *parts]
    declared = runset(
        methods=("main", methods), sampling=("sampling", sampling), prompts=("prompts", prompts),
        blocks=("variants", parts), pareto=("pareto", [*sampling, *methods]), ranks=("ranks", methods),
        runs=("runs", made),
    )  # fmt: skip
    build(declared, {one.id: one for one in made}, out, forms=("tex",), drawn=False)
    odd = tuple(Row((Cell(name), Cell("1.5"), Cell(reason=name))) for name in HOSTILE)
    title = " ".join(HOSTILE)
    columns = (Column("Name", align="l"), Column("[x]", "%"), Column("*"))
    table = Table(title, columns, (Block(odd, title, title),), (title,), (title,), lambda shown: title)
    text = to_paper(table, "odd", PaperTable(reported=True))
    (out / "tables" / "odd.tex").write_text(text, encoding="utf-8")
    return out


@pytest.mark.latex
@pytest.mark.parametrize("name", CLASSES)
def test_every_table_compiles_in_the_classes_of_papers(tables, tmp_path, name):
    need("pdflatex", "article.cls" if CLASSES[name] == "twocolumns" else f"{CLASSES[name]}.cls", "siunitx.sty")
    (tmp_path / "twocolumns.cls").write_text(CVPR_LIKE)
    here = {"cwd": tmp_path, "capture_output": True, "text": True, "errors": "replace"}
    shutil.copytree(tables / "tables", tmp_path / "tables")
    names = sorted(path.stem for path in (tmp_path / "tables").glob("*.tex"))
    assert {"methods", "methods-actions", "methods-cost", "sampling", "pareto", "register", "odd"} <= set(names)
    inputs = "\n".join(rf"\input{{tables/{table}}}\clearpage" for table in names)
    text = rf"\documentclass{{{CLASSES[name]}}}{PACKAGES}\begin{{document}}{inputs}\end{{document}}"
    (tmp_path / "paper.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "paper.tex"]
    done = subprocess.run(command, **here, timeout=120, check=False)
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("!")]
    assert "Float too large" not in done.stdout.replace("\n", "")


def test_the_usual_form_is_short_and_has_measured_rows_only(tables):
    text = (tables / "tables" / "methods.tex").read_text()
    assert r"\begin{table*}[htbp]" in text
    assert r"D3DP~\cite{d3dp}" in text
    assert "README" not in text, "rows that papers report were not asked for"
    note = text.partition(r"\scriptsize\raggedright")[2].partition(r"\end{minipage}")[0]
    assert len(note) < 900
    assert "MPJPE, P-MPJPE in mm. Data: Made-up data (made\\_up)." in note
    assert "Test part" not in note, "all of it"


def test_the_note_is_of_the_rows_that_are_printed():
    made = [several(one) for one in methods_records(subset="12 of 120 windows")]
    table = main(made, "Methods")
    table = replace(table, short=partial(short_note, made))
    text = to_paper(table, "t", PaperTable(rows=["D3DP", "FinePOSE"], columns=["Aggregation", "DET: cpn"]))
    note = text.partition(r"\scriptsize\raggedright")[2]
    assert "Test part: 12 of 120 windows." in note
    assert "Intervals over: " in note
    assert "Device" not in note, "no time is printed"
    assert "MixSTE" not in note
    assert "also of those not shown" in note
    bare = to_paper(table, "t", PaperTable(intervals=False))
    assert "Intervals over" not in bare
    assert "Device: cpu" in bare
    assert "also of those not shown" not in bare


def options(**changes):
    table = main([several(one) for one in methods_records()], "Methods")
    return chosen(table, PaperTable(**changes), "methods")


def test_rows_columns_metrics_and_aggregations_are_those_asked_for_in_their_order():
    table = options(
        rows=["MixSTE", "D3DP", "FinePOSE"],
        aggregations=["single", "P-Agg", "J-Best"],
        metrics=["P-MPJPE"],
        columns=["Aggregation", "GT", "DET: cpn"],
        caption="Mine",
    )
    assert table.title == "Mine"
    assert [column.full_name for column in table.columns] == [
        "Method", "Aggregation", "GT P-MPJPE", "DET: cpn P-MPJPE",
    ]  # fmt: skip
    assert [[row.cells[0].text for row in block.rows] for block in table.blocks] == [
        ["MixSTE", "D3DP", "FinePOSE§"],
        ["D3DP", "FinePOSE§"],
    ]


def test_decimals_intervals_and_differences_are_as_asked_for():
    plain = options(intervals=False, decimals=2).column(8)
    assert (plain[2].text, plain[2].spread, plain[5].ahead) == ("62.00", "", None)
    full = options(differences=True, decimals=3).column(8)[5]
    assert (full.text, full.spread, f"{full.ahead:.1f}") == ("49.500", "1.500", "-0.5")
    assert full.ahead_spread
    costs = options(decimals=0).column(7)
    assert costs[3].text == "0.444", "a cost keeps its digits"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": ["MixSTEE"]}, "table methods has no row 'MixSTEE': did you mean 'MixSTE'?"),
        ({"metrics": ["MPJVE"]}, "table methods has no metric 'MPJVE'"),
        ({"aggregations": ["P-Bst"]}, "table methods has no aggregation 'P-Bst': did you mean 'P-Best'?"),
        ({"columns": ["Parms (M)"]}, "table methods has no column 'Parms (M)': did you mean 'Params (M)'?"),
    ],
)
def test_what_a_table_does_not_have_is_named(changes, said):
    with pytest.raises(InputError) as error:
        options(**changes)
    assert str(error.value).startswith(said)


def test_conditions_are_full_short_or_none():
    table = main(methods_records(), "Methods")
    texts = {how: to_paper(table, "t", PaperTable(conditions=how)) for how in ("full", "short", "none")}
    assert "Test part: all" in texts["full"]
    assert "oracle (ground-truth pose)" in texts["short"]
    assert "minipage" not in texts["none"]


def test_a_long_table_is_several_floats_under_one_number():
    rows = tuple(Row((Cell(f"row {n}"), Cell("1"), Cell("2")), (str(n),)) for n in range(2 * LONG + 1))
    columns = (Column("Name", align="l"), Column("A"), Column("B"))
    text = to_paper(Table("T", columns, (Block(rows),), ("Conditions.",)), "t", PaperTable(conditions="full"))
    assert text.count(r"\begin{table}") == 3
    assert text.count(r"\caption") == 1
    assert text.count(r"\tablename~\thetable: T (continued)") == 2
    assert text.count(r"\label{tab:t}") == text.count("Conditions.") == 1
    assert all(f"row {n} " in text for n in range(2 * LONG + 1))


def test_actions_are_printed_as_papers_do():
    made = [record(name, hypotheses=5, actions=tuple(SHORT_NAMES)) for name in ("mixste", "d3dp")]
    table = actions(made, "T")
    heads = "Dir. Disc. Eat Greet Phone Photo Pose Purch. Sit SitD. Smoke Wait WalkD. Walk WalkT. Avg"
    assert [column.header for column in table.columns] == ["Method", "Aggregation", *heads.split()]
    parts = ["DET: cpn, Protocol 1, MPJPE", "DET: cpn, Protocol 2, P-MPJPE"]
    assert [block.heading for block in table.blocks] == [
        f"{part}; {use}" for part in parts for use in USES.values()
    ]
    shown = chosen(table, PaperTable(metrics=["P-MPJPE"], aggregations=["single", "J-Best"]), "t")
    assert [[cell.text for cell in row.cells[:2]] for row in shown.rows()] == [
        ["MixSTE", "single"],
        ["D3DP", "J-Best†"],
    ]
    assert shown.blocks[0].rows[0].cells[2].text == f"{51 * 0.8 - 2.5:.1f}"


def test_every_method_and_data_set_has_a_reference():
    own = {method.title for _, method in METHODS.available() if "own reading" not in method.title}
    names = (own | set(papers())) - {
        "Mean pose",
        "Nearest pose",
        "DiffPose's pose estimator",
        "Masked pose modelling",
    }
    assert names - keys_of(names).keys() == set()
    text = REFERENCES.read_text(encoding="utf-8")
    keys = re.findall(r"@\w+\{(\w+),", text)
    assert len(keys) == len(set(keys))
    assert {"human36m", "mpiinf3dhp"} <= set(keys)
    assert text.count("{") == text.count("}")
    assert set(keys_of(names).values()) <= set(keys)
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert REFERENCES.name in packaged["reports"]


def test_every_citation_has_an_entry(tables):
    entries = re.findall(r"@\w+\{(\w+),", REFERENCES.read_text(encoding="utf-8"))
    text = "".join(path.read_text() for path in (tables / "tables").glob("*.tex"))
    found = {key for keys in re.findall(r"\\cite\{(.*?)\}", text) for key in keys.split(",")}
    assert {"d3dp", "finepose", "mixste", "tcn"} <= found <= set(entries)


def test_data_sets_are_cited_in_captions_and_notes():
    table = main([record("tcn", label="Human3.6M"), record("mixste", label="Human3.6M")], "Errors on Human3.6M")
    said = "Data: Human3.6M (human36m). Human3.6M again. MPI-INF-3DHP (annot3)."
    table = replace(table, short=lambda shown: said)
    text = to_paper(table, "t", PaperTable())
    assert r"\caption{Errors on Human3.6M~\cite{human36m}}" in text
    assert r"Data: Human3.6M~\cite{human36m} (human36m). Human3.6M again. MPI-INF-3DHP~\cite{mpiinf3dhp}" in text
    assert r"\cite" not in to_paper(table, "t", PaperTable(citations=False))


def test_variants_are_named_as_in_the_paper(tables):
    text = (tables / "tables" / "blocks.tex").read_text()
    assert "w/o FPP &" in text
    assert "w/o PTS &" in text
    assert "shuffle parts &" in text


def test_choices_are_read_from_a_file_and_what_is_wrong_is_said(tmp_path):
    path = tmp_path / "paper.yaml"
    path.write_text("methods:\n  rows: [D3DP, FinePOSE]\n  conditions: none\n")
    assert read_paper(path) == {"methods": PaperTable(rows=("D3DP", "FinePOSE"), conditions="none")}
    for text, said in (
        ("[a]", "has no tables"),
        ("methods:\n  row: [D3DP]\n", "unknown key 'row': did you mean 'rows'?"),
        ("methods: 3\n", "methods"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=re.escape(said)):
            read_paper(path)


def test_the_example_of_the_documentation_is_taken(tmp_path):
    page = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    example = page.partition("```yaml\nmethods:")[2].partition("```")[0]
    (tmp_path / "paper.yaml").write_text(f"methods:{example}")
    made = methods_records()
    declared = runset(methods=("main", made))
    paper = read_paper(tmp_path / "paper.yaml")
    build(declared, {one.id: one for one in made}, tmp_path / "out", drawn=False, paper=paper)
    text = (tmp_path / "out" / "tables" / "methods.tex").read_text()
    assert r"\caption{Errors on Human3.6M~\cite{human36m} in mm.}" in text
    assert "minipage" not in text
    assert re.findall(r"\\cite\{(\w+)\}", text) == ["human36m", "mixste", "d3dp", "finepose", "d3dp", "finepose"]


def test_the_command_line_takes_choices_and_refuses_a_file_that_is_not_there(tmp_path):
    missing = str(tmp_path / "paper.yaml")
    result = CliRunner().invoke(app, ["report", "--no-pdf", "--out", str(tmp_path), "--paper", missing])
    assert result.exit_code == 2
    assert "give the path of a YAML file" in result.stderr


def test_a_table_that_the_report_does_not_have_changes_nothing(tmp_path):
    made = record("tcn")
    declared: RunSet = runset(methods=("main", [made]))
    with pytest.raises(InputError, match="no table 'method': did you mean 'methods'"):
        build(declared, {made.id: made}, tmp_path, drawn=False, paper={"method": PaperTable()})
    assert not list(tmp_path.iterdir())


def test_other_forms_keep_all_rows(tables, tmp_path):
    made = methods_records()
    declared = runset(methods=("main", made))
    paper = {"methods": PaperTable(rows=("D3DP",))}
    build(declared, {one.id: one for one in made}, tmp_path, drawn=False, paper=paper)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tables" / "methods.csv").read_text())))
    assert {"TCN", "D3DP", "FinePOSE§"} <= {row["Method"] for row in rows}
    text = (tmp_path / "tables" / "methods.tex").read_text()
    assert "D3DP" in text
    assert "MixSTE" not in text
    assert to_paper(small_table(), "t", COMPLETE).startswith("% Needs")
