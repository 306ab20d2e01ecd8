"""Tables of README and docs are what the runs in docs/results say, to the letter."""

import functools
import re

import pytest

from ablations.declared import read_all
from bench.cli.sweeps.rounds import SEED, Plan
from bench.job.planning import Planner
from bench.results.documents import seal
from bench.results.run_set import RUNSET
from bench.results.store import Store
from models.errors import InputError
from reports.build import build
from tests import ROOT, figures
from tests.reports.made_up import methods_records, runset

WITH_BLOCKS = [page for page in figures.PAGES if "<!-- from: " in page.read_text(encoding="utf-8")]
PICTURE = "<!-- from: mine latency-1.png -->\n\n![Errors](latency.png)\n\n<!-- /from -->\n"


@functools.cache
def shipped(name):
    return figures.Shipped(figures.SHIPPED / name)


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.name)
def test_pages_say_what_the_runs_say(page):
    text = page.read_text(encoding="utf-8")
    assert figures.written_anew(text, shipped) == text, "run nox -s figures"


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.name)
def test_intervals_in_sentences_stand_in_a_table(page):
    contents = [
        match["content"] for page in WITH_BLOCKS for match in figures.BLOCK.finditer(page.read_text("utf-8"))
    ]
    printed = re.sub(r"[*()]|</?u>", "", "\n".join(contents))
    sentences = figures.BLOCK.sub("", page.read_text("utf-8"))
    for interval in re.findall(r"\d+\.\d+ ± \d+\.\d+", sentences):
        assert re.search(rf"(?<!\d){re.escape(interval)}(?!\d)", printed), interval


def test_the_default_run_that_is_shipped_is_what_is_run_today():
    default = shipped("default")
    ablations = read_all(list(default.runset.tables))
    seeds = [[], [(SEED, 1)], [(SEED, 2)]]
    plan = Plan(ablations, changes=[], seeds=seeds, full=False, named=False, planner=Planner(None))
    ids = {job.id for job in plan.planned()[-1].jobs}
    assert ids == set(default.records), "run it again, and ship it (tests/figures.py)"


def test_readme_and_the_pages_of_results_have_tables():
    names = {page.name: figures.blocks(page.read_text(encoding="utf-8")) for page in WITH_BLOCKS}
    assert ("study", "methods") in [block[:2] for block in names["README.md"]]
    assert ("study", "methods") in [block[:2] for block in names["study.md"]]
    assert ("default", "claims") in [block[:2] for block in names["default-run.md"]]


@pytest.mark.parametrize("name", figures.WITH_REPORT)
def test_the_page_that_is_shipped_is_made_from_the_runs_beside_it(name, tmp_path):
    build(shipped(name).runset, shipped(name).records, tmp_path, drawn=False)
    made, kept = ((folder / "index.html").read_text() for folder in (tmp_path, figures.SHIPPED / name))
    assert made == kept, "run nox -s figures"
    assert (figures.SHIPPED / name / "report.pdf").read_bytes().startswith(b"%PDF")


def test_shipped_records_are_small():
    for archive in figures.SHIPPED.glob(f"*/{figures.ARCHIVE}"):
        assert archive.stat().st_size < 3_000_000


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Made-up records in a store, shipped as "mine"; tmp_path has a page for them."""
    records = methods_records()
    store = Store(tmp_path / "store")
    store.make()
    for record in records:
        store.add(record)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / RUNSET).write_text(seal(runset(methods=("main", records))))
    monkeypatch.setattr(figures, "SHIPPED", tmp_path)
    monkeypatch.setattr(figures, "PAGES", [tmp_path / "page.md"])
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    return ["mine", str(tmp_path / "store"), str(tmp_path / "results")]


def test_one_command_ships_runs_and_writes_pages(mine, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        f"Before.\n<!-- from: mine methods {{metrics: [MPJPE]}} -->\nold\n<!-- /from -->\n{PICTURE}After.\n"
    )
    assert figures.main(mine) == 0
    text = page.read_text()
    assert (text[:8], text[-7:]) == ("Before.\n", "After.\n")
    assert "| D3DP | P-Agg |" in text
    assert not {"old", "P-MPJPE"} & set(text.split())
    assert (tmp_path / "latency.png").stat().st_size > 1000
    assert figures.written_anew(text, lambda name: figures.Shipped(tmp_path / name)) == text


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("<!-- from: mine method {} -->\n<!-- /from -->", "did you mean 'methods'"),
        ("<!-- from: mine methods {columns: [Aggregatoin]} -->\n<!-- /from -->", "did you mean 'Aggregation'"),
        ("<!-- from: mine methods -->\nno end", "no <!-- /from -->"),
        (PICTURE.replace("latency-1", "nothing"), "no such figure"),
    ],
    ids=["table", "column", "end", "picture"],
)
def test_what_there_is_not_is_refused(block, said, mine, tmp_path, capsys):
    (tmp_path / "page.md").write_text(block)
    assert figures.main(mine) == 2
    assert said in capsys.readouterr().err


def test_a_changed_number_is_noticed():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    changed = text.replace("| FinePOSE§ | P-Agg | 10 |", "| FinePOSE§ | P-Agg | 11 |")
    assert changed != text
    assert figures.written_anew(changed, shipped) == text


def test_a_block_without_runs_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        figures.written_anew("<!-- from: none methods -->\n<!-- /from -->", lambda name: figures.Shipped(tmp_path))
