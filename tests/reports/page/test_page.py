import base64
import gzip
import html
import json
import math
import re

import pytest

from bench.config.registry import LAYOUTS
from bench.results.arrays import RunFiles
from bench.results.runs.named import finished
from reports.page.answer import answers
from reports.page.content import VALUES, content
from reports.page.template import page
from reports.page.viewer import NONE_KEPT
from reports.rules.comparability import headline
from reports.rules.conditions import NOT_COMPARED
from tests.reports.made_up import examples, methods_records, record, runset, several
from tests.reports.page.markup import blocks_of, link, text

TRIVIAL_NAMES = {"Mean pose", "Nearest pose"}
TRUTH = "No ground-truth pose or trajectory at test time"


def made(records, **further):
    return content(runset(methods=("main", records)), records, further.get("tables", {}), further.get("files"))


@pytest.fixture(scope="module")
def methods():
    records = methods_records()
    return records, made(records, tables={"methods": LAYOUTS.load("main").table(records, "Methods")})


def test_every_number_of_every_run_is_there(methods):
    records, shown = methods
    rows = [(headings, row) for headings, its in blocks_of(shown["results"]) for row in its]
    assert len(rows) == sum(4 if made.method in ("d3dp", "finepose") else 1 for made in records)
    for headings, row in rows:
        source = next(made for made in records if link(row["Method"]) == f"#run-{made.id}")
        marked = text(row["Aggregation"])
        aggregation = marked.rstrip("†‡")
        value = source.value("mpjpe", None if aggregation == "single" else aggregation)
        assert float(row["MPJPE"].get("data-number")) == pytest.approx(value.action_mean, rel=1e-5)
        assert link(row["MPJPE"]) == f"#run-{source.id}"
        assert source.mlflow_run_id.startswith(text(row["MLflow run"]))
        kind = {"assisted": "Assisted‡", "oracle": "Oracle†"}.get(value.kind, TRUTH)
        assert kind in headings[-1]
        assert ("†" in marked) == (value.kind == "oracle")
        assert ("‡" in marked) == (value.kind == "assisted")


def test_errors_of_the_shipped_runs_are_their_records_own(tmp_path):
    """Also where PCK is measured; only tables of MPI-INF-3DHP have means over frames."""
    records = [found for found in finished("study", tmp_path).records if found.preset == "small"][:8]
    for _, rows in blocks_of(made(records)["results"]):
        for row in rows:
            source = next(found for found in records if link(row["Method"]) == f"#run-{found.id}")
            aggregation = text(row["Aggregation"]).rstrip("†‡")
            value = source.value("mpjpe", None if aggregation == "single" else aggregation)
            assert source.value("pck", headline(source)) is not None
            assert float(row["MPJPE"].get("data-number")) == pytest.approx(value.action_mean, rel=1e-5)


def test_groups_do_not_mix_detections_or_conditions():
    records = [record("tcn"), record("tcn", test="gt", train="gt"), record("mixste", flip=False)]
    blocks = blocks_of(made(records)["results"])
    assert [(section, heading.split(".")[0], len(rows)) for (section, heading), rows in blocks] == [
        ("flip: yes", "DET: cpn", 1),
        ("flip: yes", "GT", 1),
        ("flip: no", "DET: cpn", 1),
    ]
    assert len(made(records)["plots"]) == 3


def test_all_results_begin_with_the_main_comparison():
    control, main = [record("tcn", flip=False)], [record("tcn"), record("mixste")]
    declared = runset(controls=("controls", control), methods=("main", main))
    shown = content(declared, [*control, *main], {}, None)
    sections = [section for (section, _), _ in blocks_of(shown["results"])]
    assert sections == ["flip: yes", "flip: no"]


def test_the_record_of_a_run_names_its_conditions_and_identities(methods):
    records, shown = methods
    source = next(made for made in records if made.method == "finepose")
    run = shown["runs"][source.id]
    identities = dict(run["facts"]["Identities"])
    assert run["mlflow"] == identities["MLflow run"] == source.mlflow_run_id
    assert identities["Commit"] == source.git_commit
    assert identities["Seeds (training/noise)"] == "0/0"
    assert identities["Ablations"] == "methods"
    assert dict(run["facts"]["Conditions"])["Action label given at test time"] == "yes"
    assert dict(run["facts"]["Environment"])["CPU"] == "Made-up CPU, 2 threads"
    values = dict(run["facts"][VALUES])
    assert list(values)[:4] == [f"MPJPE (mm), {name}" for name in ("P-Agg", "J-Agg‡", "P-Best†", "J-Best†")]
    best = source.value("mpjpe", "J-Best")
    numbers = (best.action_mean, best.low, best.high, best.frame_mean)
    assert values["MPJPE (mm), J-Best†"] == "{:.2f} [{:.2f}, {:.2f}]; {:.2f}".format(*numbers)
    assert json.loads(run["description"]) == source.experiment


def test_runs_have_labels_of_their_own():
    records = [record("tcn"), record("tcn", train="gt"), record("tcn", flip=False)]
    first, second, third = (run["label"] for run in made(records)["runs"].values())
    assert second == "TCN, H = 1, K = 1, seeds 0/0, gt → cpn"
    assert first == f"TCN, H = 1, K = 1, seeds 0/0, cpn, run {records[0].id}"
    assert third == f"TCN, H = 1, K = 1, seeds 0/0, cpn, run {records[2].id}"


def test_the_front_holds_learned_headlines_only(methods):
    for plot in methods[1]["plots"]:
        *headlines, front = plot["traces"]
        assert front["name"] == "Pareto front"
        assert front["x"]
        assert front["x"] == sorted(front["x"])
        assert front["y"] == sorted(front["y"], reverse=True)
        assert {trace["name"] for trace in plot["trivial"]} == TRIVIAL_NAMES
        assert not {trace["name"] for trace in headlines} & TRIVIAL_NAMES
        points = {point for trace in headlines for point in zip(trace["x"], trace["y"], strict=True)}
        assert set(zip(front["x"], front["y"], strict=True)) <= points
        assert not any("dot" in symbol for trace in headlines for symbol in trace["marker"]["symbol"])


def test_runs_that_differ_in_their_seeds_are_one_point_of_the_front():
    slow = [record("d3dp", seed=seed, mean=70.0 + seed) for seed in (1, 2, 3)]
    fast = [record("tcn", seed=seed, mean=50.0 + seed) for seed in (1, 2, 3)]
    (plot,) = made([*slow, *fast])["plots"]
    assert [len(trace["x"]) for trace in plot["traces"][:-1]] == [3, 3]
    assert plot["traces"][-1]["y"] == [52.0, 72.0]


def test_several_seeds_are_not_called_one_training_each():
    """Each run is a row and a point, also where the seeds were measured on several devices."""

    def warned(records):
        shown = made(records)
        return [NOT_COMPARED in shown["results"], *(NOT_COMPARED in plot["conditions"] for plot in shown["plots"])]

    def trained(method, seeds):
        return [record(method, seed=seed, device=f"device {seed}") for seed in seeds]

    assert warned(trained("tcn", (0, 1)) + trained("d3dp", (0, 1))) == [False, False, False]
    assert warned(trained("tcn", (0, 1)) + trained("d3dp", (0,))) == [True, True, False]


def test_a_table_of_the_report_links_numbers_to_runs_and_explains_dashes():
    records = [record("tcn"), record("tcn", train="gt", test="gt"), record("mixste")]
    table = made(records, tables={"methods": LAYOUTS.load("main").table(records, "Methods")})["tables"][0]["html"]
    ((_, (tcn, mixste)), *_) = blocks_of(table)
    assert link(tcn["DET: cpn MPJPE"]) == f"#run-{records[0].id}"
    assert link(tcn["GT MPJPE"]) == f"#run-{records[1].id}"
    assert text(mixste["GT MPJPE"]) == "–a"
    assert "<li>(a) no run with GT" in table
    assert "<li>Conditions. Data: Made-up data" in table


def test_numbers_that_are_not_finite_are_left_out():
    odd = record("tcn", mean=math.nan, median=math.inf)
    shown = made([odd, record("mixste", half=math.inf)])
    json.dumps(shown, allow_nan=False)
    (plot,) = shown["plots"]
    assert [trace["name"] for trace in plot["traces"]] == ["MixSTE", "Pareto front"]
    assert plot["traces"][0]["error_y"]["arrayminus"] == (0,)
    assert "nan" not in shown["results"].partition("<tbody>")[2].partition("</table>")[0].replace(
        "data-number", ""
    )


def test_poses_of_one_run_per_method(tmp_path):
    records = [record("d3dp", hypotheses=5, steps=k) for k in (1, 5)] + [record("tcn"), record("mixste")]
    files = RunFiles(tmp_path)
    shown = {made.id: examples(made, hypotheses=5 if made.method == "d3dp" else 0) for made in records[1:3]}
    for run, kept in shown.items():
        kept.save(files.examples_path(run))
    poses = made(records, files=files)["poses"]
    assert [scene["title"] for scene in poses["scenes"]] == [
        "S9/Walking 1 (Made-up data, cpn)",
        "S9/Jumping 1 (Made-up data, cpn)",
    ]
    first = poses["scenes"][0]
    assert [(method["name"], len(method["hypotheses"])) for method in first["methods"]] == [
        ("D3DP P-Agg", 5),
        ("TCN", 0),
    ]
    assert first["methods"][0]["run"] == records[1].id, "the first run of the method has no poses"
    assert first["fps"] == 25
    assert "2 further runs" in poses["note"]


def test_stored_poses_are_the_poses(tmp_path):
    one = record("tcn")
    files = RunFiles(tmp_path)
    kept = examples(one)
    kept.save(files.examples_path(one.id))
    second = made([one], files=files)["poses"]["scenes"][1]
    rows = kept.sequence == 1
    stored = second["methods"][0]["answer"]
    frames = [stored["differences"][at : at + stored["size"]] for at in range(0, 51 * second["frames"], 51)]
    summed = [sum(column) for column in zip(*frames, strict=True)]
    assert second["frames"] == rows.sum()
    assert summed == [round(float(value) * 1000) for value in kept.answer[rows][-1].ravel()]


def test_without_poses_the_page_says_so(tmp_path):
    assert made([record("tcn")])["poses"] == {"note": NONE_KEPT, "scenes": []}
    assert made([record("tcn")], files=RunFiles(tmp_path))["poses"]["note"] == NONE_KEPT


def test_runs_are_linked_to_the_tracking_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert made([])["mlflow"] == "http://127.0.0.1:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example/")
    assert made([])["mlflow"] == "https://mlflow.example"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")
    assert made([])["mlflow"] == "http://127.0.0.1:5000"


def test_the_file_holds_everything_and_nothing_as_markup():
    shown = made([record("tcn", title="</script><script>alert(1)</script>")])
    file = page(shown)
    assert file == page(shown)
    assert "<script>alert(1)" not in file
    assert "<script>alert(1)" not in shown["results"]
    assert not re.search(r"(src|href)=\"(?!#)", file), "nothing is fetched"
    packed = re.search(r'id="content">([^<]*)<', file).group(1)
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == json.loads(json.dumps(shown))


def test_the_address_of_mlflow_has_no_password(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@host:5000/path/")
    packed = json.dumps(made([record("tcn")]))
    assert "https://host:5000/path" in packed
    assert "secret" not in packed


def lines_of(records):
    return [dict(answer["lines"]) for answer in answers(records)]


def test_the_answer_names_the_best_deployable_method_how_sure_and_at_what_cost():
    detected, exact = lines_of([several(made) for made in methods_records()])
    assert detected["Best without ground-truth pose or trajectory"].startswith(
        "FinePOSE§ P-Agg (H = 10, K = 5): MPJPE 49.5 mm (95 % interval "
    )
    assert "of 4 methods" in detected["Best without ground-truth pose or trajectory"], "no trivial predictor"
    assert detected["By how much"].startswith("0.5 mm below D3DP P-Agg (H = 10, K = 5) (95 % interval 0.")
    assert "told apart from all others" in detected["How sure"]
    assert detected["At what cost"].startswith("15.6 ms for each output frame at batch 1, 512 MB of tensors")
    assert "39.5 mm" in exact["Best without ground-truth pose or trajectory"]
    said = answers([several(made) for made in methods_records()], ["Of 2 claims: 1 supported.", "The first."])
    assert said[0]["lines"][-1] == ("Published claims", "Of 2 claims: 1 supported.")


def test_the_answer_says_where_finepose_stands_when_it_is_not_best():
    made = [several(record("mixste", mean=40.0)), several(record("finepose", hypotheses=2, steps=2))]
    (lines,) = lines_of(made)
    assert lines["FinePOSE§"].startswith("place 2 with 49.5 mm; the best one is 9.5 mm below it (95 % interval")


def test_the_answer_names_what_was_trained_once_beside_others_of_several_seeds():
    once = several(record("tcn", mean=30.0), seeds=(0,))
    (lines,) = lines_of([once, several(record("mixste")), several(record("d3dp", mean=52.0))])
    assert lines["Best without ground-truth pose or trajectory"].startswith("MixSTE: MPJPE 51.0 mm")
    assert lines["Not ranked, as trained with one seed"] == "TCN 30.0 mm."


def test_marks_and_terms_are_explained_where_they_stand_first():
    records = [several(made) for made in methods_records()]
    verdicts = ["Of 1 claims: 1 open.", "FinePOSE§ (J-Best†) has a lower P-MPJPE than D3DP: open."]
    shown = content(runset(methods=("main", records)), records, {}, verdicts=verdicts)
    assert "P-Agg: mean pose of all hypotheses" in shown["terms"]
    assert "§ the ground-truth action label was given at test time" in shown["terms"]
    assert {"H: hypotheses", "K: steps of denoising"} <= {*shown["terms"]}
    assert [term[:6] for term in shown["terms_of_claims"]] == ["† orac", "J-Best", "P-MPJP"]
    written = page(shown)
    assert all(html.escape(term) in written for name in ("terms", "terms_of_claims") for term in shown[name])
    assert made([])["terms"] == made([])["terms_of_claims"] == []


def test_the_answer_is_not_surer_than_its_runs():
    made = [several(record(name), seeds=(0,)) for name in ("tcn", "mixste")]
    (lines,) = lines_of(made)
    assert lines["How sure"].startswith("Not known: one training each")
    assert lines["By how much"] == "11.0 mm below TCN; without an interval."
    alike = [several(record("tcn", mean=50.0), spread=9.0), several(record("mixste", mean=50.1), spread=9.1)]
    (lines,) = lines_of(alike)
    assert "not told apart from MixSTE, all pairs judged together (5 % level, Holm)." in lines["How sure"]
    sizes = (("tcn", 50.0, 0.05), ("mixste", 51.0, 0.05), ("d3dp", 52.0, 6.0))
    (lines,) = lines_of([several(record(name, mean=mean), spread=spread) for name, mean, spread in sizes])
    assert "; not told apart from D3DP P-Agg" in lines["How sure"], "though the second one is told apart"
    (lines,) = lines_of([record("tcn"), record("mixste")])
    assert lines["How sure"].startswith("Not known: their errors by take are not there")
    assert lines_of([several(record("tcn"))]) == []
