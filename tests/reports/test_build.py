import re
import shutil
import subprocess

import matplotlib
import numpy as np
import pytest

from bench.config.registry import LAYOUTS
from bench.results.arrays import RunFiles
from bench.results.store import Store
from models.errors import InputError
from reports import build as building
from reports.build import build
from reports.document import document
from reports.figures.cost.accuracy_cost import latency_accuracy
from reports.figures.style import STYLE, Drawing, new_figure
from reports.page.content import content
from reports.pdf import compile_pdf
from reports.rules.names import named_for_figures
from reports.tables.runs.register import environments, register
from reports.writers import latex
from tests import ROOT
from tests.reports.latex import need
from tests.reports.made_up import (
    examples,
    methods_records,
    prompt_records,
    record,
    runset,
    sampling_records,
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    methods, sampling = methods_records(), sampling_records()[:6]
    prompts = [*prompt_records(), record("finepose", variant="prompt=lost")]
    odd = [
        record("tcn", label=r"50% of $my$ {data}_#1 \ ~^ & é", warnings=('a "quoted" --warning <<x>>',)),
        record("mixste"),
    ]
    declared = runset(
        methods=("main", methods),
        prompts=("prompts", prompts),
        sampling=("sampling", sampling),
        odd_name=("no_such", odd),
    )
    records = {made.id: made for made in [*methods, *sampling, *prompts[:2], *odd]}
    return declared, records, out, build(declared, records, out).files


def test_build_writes_every_file_and_nothing_else(built):
    _, _, out, files = built
    there = {path for path in out.rglob("*") if path.is_file()}
    assert set(files) == there
    assert len(set(files)) == len(files)
    names = {path.relative_to(out).as_posix() for path in files}
    for table in ("methods", "methods-cost", "methods-actions", "prompts", "sampling", "odd-name", "register"):
        assert {f"tables/{table}.{end}" for end in ("tex", "csv", "md")} <= names
    assert {f"figures/latency-1.{end}" for end in ("pdf", "png", "txt")} <= names
    assert {"summary.md", "report.tex", "figures/sampling-grid.pdf", "figures/methods-training-2.png"} <= names
    assert not list(out.glob(".*")), "no temporary folder is left"


def test_missing_runs_are_named_where_the_table_is_read(built):
    declared, _, out, _ = built
    lost = declared.tables["prompts"].ids[-1]
    sentence = (
        f"1 of 3 declared runs have no record and no reason, and are not shown: {lost}; run the command again."
    )
    assert sentence in (out / "tables/prompts.md").read_text()
    assert sentence in (out / "tables/prompts.tex").read_text()
    assert sentence in (out / "summary.md").read_text()


def test_an_unknown_layout_falls_back_to_a_row_per_run(built):
    text = (built[2] / "tables/odd-name.md").read_text()
    assert "There is no layout 'no\\_such': one row per run." in text


def test_figures_embed_real_fonts_and_captions_name_the_command(built):
    out = built[2]
    pdf = (out / "figures/latency-1.pdf").read_bytes()
    assert b"/Type3" not in pdf
    assert b"/FontFile2" in pdf
    assert "Command: python -m bench ablate --preset tiny" in (out / "figures/latency-1.txt").read_text()


def test_the_register_names_every_run(built):
    _, records, out, _ = built
    text = (out / "tables/register.csv").read_text()
    for made in records.values():
        line = next(line for line in text.splitlines() if line.endswith(made.id))
        assert {made.training_id, made.mlflow_run_id, made.git_commit} <= set(line.split(","))


def test_the_same_records_make_the_same_files(built, tmp_path):
    declared, records, out, files = built
    build(declared, records, tmp_path)
    for path in files:
        assert (tmp_path / path.relative_to(out)).read_bytes() == path.read_bytes(), path


def test_an_error_leaves_the_old_files(built, tmp_path, monkeypatch):
    declared, records, _, _ = built
    (tmp_path / "summary.md").write_text("old")
    monkeypatch.setattr(building, "summary", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build(declared, records, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["summary.md"]
    assert (tmp_path / "summary.md").read_text() == "old"


def test_names_that_make_the_same_file_name_keep_a_file_each(tmp_path):
    made = record("tcn")
    names = ["日本", "本日", "register", "a_b", "a-b", "x" * 300]
    declared = runset(**{name: ("main", [made]) for name in names})
    build(declared, {made.id: made}, tmp_path)
    files = sorted(path.stem for path in (tmp_path / "tables").glob("*.md"))
    assert {"table", "table-2", "register", "register-2", "a-b", "a-b-2"} <= set(files)
    assert files[-1].startswith("x" * 100)
    text = (tmp_path / "summary.md").read_text()
    assert [text.count(f"### Table {name.replace('_', chr(92) + '_')}\n") for name in names] == [1] * len(names)
    figures = {path.name for path in (tmp_path / "figures").glob("*.pdf")}
    assert {"table-training.pdf", "table-training-2.pdf"} <= figures


def test_build_of_nothing(tmp_path):
    assert [path.name for path in build(runset(), {}, tmp_path).files][:2] == ["summary.md", "report.tex"]


def test_without_latex_there_is_no_pdf(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "report.tex").write_text("x")
    assert compile_pdf(tmp_path / "report.tex") is None


@pytest.mark.latex
def test_report_compiles_without_overflow(built, tmp_path):
    need("pdflatex", "lmodern.sty", "pdffonts")
    out = shutil.copytree(built[2], tmp_path / "results")
    pdf = compile_pdf(out / "report.tex")
    assert pdf == out / "report.pdf"
    assert pdf.stat().st_size > 50_000
    fonts = subprocess.run(["pdffonts", pdf], capture_output=True, text=True, check=True).stdout
    assert "Type 1" in fonts
    assert "Type 3" not in fonts, "no font is a bitmap"
    for _ in range(2):  # references are known to the second run
        subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-draftmode", "report.tex"],
            cwd=out,
            capture_output=True,
            timeout=60,
            check=True,
        )
    log = (out / "report.log").read_text(errors="replace")
    assert "Overfull" not in log
    assert "undefined" not in log
    for ending in ("lot", "lof"):
        listed = re.findall(r"\\numberline \{(\d+)\}", (out / f"report.{ending}").read_text())
        assert listed == [str(number) for number in range(1, len(listed) + 1)], "no number is left out"
        assert listed


@pytest.mark.latex
def test_a_latex_error_is_named(tmp_path):
    need("pdflatex")
    (tmp_path / "report.tex").write_text("\\documentclass{article}\\begin{document}\\nonsense\\end{document}")
    with pytest.raises(InputError, match="Undefined control sequence"):
        compile_pdf(tmp_path / "report.tex")


def test_the_report_waits_for_floats_before_a_table_over_pages_and_lists_what_it_has(monkeypatch):
    monkeypatch.setattr(latex, "PAGE_LINES", 30)
    records = {made.id: made for made in sampling_records()}
    declared = runset(short=("runs", list(records.values())[:2]), grid=("sampling", list(records.values())))
    tables = {
        name: LAYOUTS.load(spec.layout).table([records[run] for run in spec.ids], "T")
        for name, spec in declared.tables.items()
    }
    drawings = [Drawing("grid", new_figure(2), "MPJPE (mm) over H and K; one scale.", ["Data: x."])]
    known = list(records.values())
    said = ["TCN is at 3 %."], ["Of 2 claims: 1 supported, 1 open."]
    text = document(declared, known, tables, drawings, register(known), ["short"], *said)
    assert "\\ifnum\\value{table}>0\\relax\\clearpage\\fi{\\scriptsize" in text
    assert r"\caption{MPJPE (mm) over H and K}" in text
    names = ("Findings", "Verdicts on claims", "Definitions", "Environment", "Conditions", "Every run")
    places = [text.index(rf"\section{{{name}}}") for name in names]
    assert places == sorted(places)
    assert r"TCN is at 3 \%." in text[places[0] : places[1]]
    assert "1 supported" in text[places[1] : places[2]], "verdicts on oracles are no findings of the deployable"
    assert text.index(r"\label{tab:short}") < places[0], "the main table comes before what is said of it"
    floats = [text.index(rf"\label{{{name}}}") for name in ("tab:grid", "fig:grid")]
    lists, appendix = text.index(r"\listoftables\listoffigures"), text.index(r"\printfloats\appendix")
    assert [places[2], lists, *floats, appendix] == sorted([places[2], lists, *floats, appendix])


def test_conditions_that_tables_share_are_written_once_in_the_report(built):
    text = (built[2] / "report.tex").read_text()
    body, _, appendix = text.partition(r"\section{Conditions}")
    assert "120 windows" not in body
    assert "Data: Made-up data" in body, "the short conditions stand under every table"
    conditions = appendix.partition(r"\section{")[0]
    rows = [line for line in conditions.splitlines() if line.endswith(r"\\") and line.count(" & ") == 2][1:]
    words = [row.partition(" & ")[2].rpartition(" & ")[0] for row in rows]
    assert len(words) == len(set(words)), "every condition is written once"
    assert any("120 windows" in text for text in words)
    known = {n for row in rows for n in numbers(row.rpartition(" & ")[2])}
    referred = re.findall(r"\\hyperref\[conditions\]\{(.*?)\}", body)
    assert {n for its in referred for n in numbers(its)} == known == set(range(1, len(known) + 1))
    shared = [row for row in rows if row.startswith("Validation & every 10th take")]
    assert [row.rpartition(" & ")[2] for row in shared] == [r"all \\"]


def test_the_appendix_of_conditions_takes_few_pages(built):
    text = (built[2] / "report.tex").read_text().partition(r"\section{Conditions}")[2].partition(r"\section{")[0]
    assert len(text) < 12_000


def test_environments_that_differ_in_what_disturbed_them_are_one():
    made = [record("tcn", warnings=("it was busy",)), record("mixste"), record("d3dp", device="NVIDIA H200")]
    (name, lines), other = environments(made)
    assert name == "cpu (Made-up CPU, 2 threads)"
    assert lines[-1] == "Warning, 1 of 2 runs: it was busy"
    assert other[0] == "NVIDIA H200"


def numbers(text):
    """All numbers of a text as ``1--3, 5``."""
    ends = [list(map(int, part.split("--"))) for part in re.findall(r"\d+--\d+|\d+", text)]
    return [number for its in ends for number in range(its[0], its[-1] + 1)]


def test_the_report_defines_what_its_tables_print(built):
    text = (built[2] / "report.tex").read_text()
    definitions = text.partition(r"\section{Definitions}")[2].partition(r"\end{minipage}")[0]
    for word in (
        "P-Agg {[}deployable]: mean pose of all hypotheses", "J-Best", "MPJPE: mean", "FPP", "oracle", "H: ",
        "GT: ",
    ):  # fmt: skip
        assert word in definitions
    table = (built[2] / "tables" / "methods.md").read_text()
    assert "P-Agg: mean pose of all hypotheses; " in table
    assert "; H: hypotheses; " in table
    assert "FPP: " not in table, "it is defined where it is printed"
    assert r"\usepackage{lmodern}" in text
    assert (built[2] / "references.bib").read_text().count("@") > 15


def test_the_main_table_comes_first(tmp_path):
    made = [*methods_records(), *prompt_records()]
    declared = runset(a=("prompts", made[-2:]), b=("main", made[:-2]))
    build(declared, {one.id: one for one in made}, tmp_path, drawn=False)
    text = (tmp_path / "report.tex").read_text()
    assert text.index(r"\label{tab:b}") < text.index(r"\label{tab:a}")


def test_figures_from_files_are_made_where_the_files_are(tmp_path):
    members = [record("tcn"), record("mixste")]
    files = RunFiles(tmp_path / "store")
    for member in members:
        path = files.errors_path(member.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{"frames/mpjpe/": np.arange(10.0)})
    declared = runset(methods=("main", members))
    known = {member.id: member for member in members}
    names = {path.name for path in build(declared, known, tmp_path / "out", files).files}
    assert "methods-distribution.pdf" in names
    assert "methods-distribution.pdf" not in {
        path.name for path in build(declared, known, tmp_path / "without").files
    }


def kept(member, files):
    """A record whose arrays lie in a store, and are sealed in it."""
    path = files.errors_path(member.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **dict.fromkeys(("frames/mpjpe/", "frames/mpjpe/P-Agg"), np.arange(10.0)))
    examples(member).save(files.examples_path(member.id))
    return member.model_copy(update={"files": files.checksums(member.id)})


def flip_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_arrays_that_are_missing_or_damaged_are_said_wherever_they_are_missed(tmp_path, capsys):
    files = RunFiles(tmp_path / "store")
    methods = ("tcn", "mixste", "d3dp", "finepose")
    whole, removed, damaged, both = [kept(record(method), files) for method in methods]
    older = record("tcn", title="Older", errors_file="errors.npz")
    files.errors_path(removed.id).unlink()
    flip_bit(files.examples_path(damaged.id))
    flip_bit(files.errors_path(both.id))
    files.examples_path(both.id).unlink()
    members = [whole, removed, damaged, both, older]
    out = tmp_path / "out"
    build(runset(methods=("main", members)), {member.id: member for member in members}, out, files)
    again = (
        "Files of 3 runs are missing or damaged, and figures lack what was in them: "
        f"MixSTE (errors/{removed.id}.npz), D3DP (examples/{damaged.id}-examples.npz), "
        f"FinePOSE (errors/{both.id}.npz, examples/{both.id}-examples.npz); "
        "run the same command again: they are evaluated again"
    )
    former = f"Older (errors/{older.id}.npz); older versions made these runs, which are not evaluated again"
    text = (out / "summary.md").read_text().replace("\\", "")
    assert f"- {again}\n" in text
    assert former in text
    assert f"warning: {again}\n" in capsys.readouterr().err
    shown = content(runset(methods=("main", members)), members, {}, files)
    assert again in shown["warnings"]
    assert "Files with poses of D3DP, FinePOSE are missing or damaged" in shown["poses"]["note"]
    distribution = (out / "figures/methods-distribution.txt").read_text()
    assert "Not drawn, as their errors are not there: MixSTE, FinePOSE, Older." in distribution
    poses = (out / "figures/methods-poses.txt").read_text()
    assert "Not drawn, as their poses of these frames are not there: D3DP, FinePOSE, Older." in poses


def test_nothing_is_said_of_arrays_that_are_there(tmp_path, capsys):
    files = RunFiles(tmp_path / "store")
    members = [kept(record("tcn"), files), record("mixste")]
    build(runset(methods=("runs", members)), {member.id: member for member in members}, tmp_path / "out", files)
    assert "missing or damaged" not in (tmp_path / "out" / "summary.md").read_text()
    assert not capsys.readouterr().err


def test_names_in_figures_are_text_whatever_they_contain(tmp_path):
    names = ("_hidden", r"$\frac{$", "x" * 300)
    members = [record("tcn", title=name, mean=50.0 + number) for number, name in enumerate(names)]
    written = build(runset(mine=("main", members)), {member.id: member for member in members}, tmp_path).files
    assert tmp_path / "figures" / "latency.pdf" in written
    assert "cannot be drawn" not in (tmp_path / "summary.md").read_text()
    with matplotlib.rc_context(STYLE):
        (drawing,) = latency_accuracy([named_for_figures(member) for member in members])
    legend = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert legend[:3] == ["\u200b_hidden", r"$\frac{$", f"{'x' * 20}…{'x' * 20}"]


def test_records_of_older_schemas_stand_beside_new_ones(tmp_path):
    older = RunFiles(ROOT / "tests" / "bench" / "results" / "store_of_50aafb7" / "store")
    former = Store(older.root).records()
    assert {made.schema_version for made in former.values()} == {3}
    records = former | {made.id: made for made in (record("tcn"), record("mixste", warnings=("it was busy",)))}
    build(runset(mixed=("runs", list(records.values()))), records, tmp_path, older)
    table = (tmp_path / "tables" / "mixed.csv").read_text()
    assert all(name in table for name in records)
    assert "- MixSTE: it was busy\n" in (tmp_path / "summary.md").read_text()
