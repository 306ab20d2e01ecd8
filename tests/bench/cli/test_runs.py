"""The ``runs`` commands, on a store of two seeds of a method and one that begins from another training."""

import json
import shutil
import time
import zipfile
from contextlib import ExitStack

import pytest
from typer.testing import CliRunner

import bench.data
from bench.cli import app
from bench.cli.report import beside_study
from bench.config.registry import METHODS
from bench.job import pipeline
from bench.job.model_card import read_card
from bench.results.documents import seal, unseal
from bench.results.failure import Failure
from bench.results.files import write_text
from bench.results.run_set import NOT_YET, RunSet
from bench.results.runs import named
from bench.results.runs.archive import Manifest
from bench.results.runs.listing import moment
from bench.results.store import Store, read_trained
from bench.results.tracking.recovery import rebuild_index
from bench.sweep.run import run
from models.errors import InputError
from tests.bench import toy
from tests.bench.mlflow_runs import logged_runs
from tests.bench.toy_jobs import job


def invoke(*arguments, answer=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=answer)


def said(*arguments):
    """What a command prints that succeeds."""
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output + result.stderr
    return result.output


def complaint(*arguments):
    """What a command says to bad input: one sentence."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    return result.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory, empty_database):
    """The store, copied for each test, and the ids of its runs."""
    store = Store(tmp_path_factory.mktemp("made") / "store")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(pipeline, "TINY_LATENCY_SECONDS", 0.01)
        patch.setattr(pipeline, "LATENCY_INPUTS", 1)
        patch.setattr(bench.data, "load", toy.dataset)
        for name in ("toy", "second"):
            patch.setitem(METHODS.own, name, f"tests.bench.toy:{name.title()}")
        store.make()
        shutil.copy(empty_database, store.root / "mlflow.db")
        jobs = [job(), job(training={"seed": 1}), job(method={"name": "second"})]
        run(jobs, store, "cpu")
    return store, [wanted.id for wanted in jobs], jobs[2].training, jobs[2].missing(NOT_YET)


@pytest.fixture
def store(made, tmp_path, quick_start, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(made[0].root, tmp_path / "store")
    return Store(tmp_path / "store")


@pytest.fixture
def ids(made):
    return made[1]


@pytest.fixture
def results(tmp_path, ids):
    """Makes a folder of results whose run set has a table of some runs."""

    def make(name, *numbers, tables=None, missing=None):
        table = RunSet.Table(title="Runs", layout="runs", ids=tuple(ids[number] for number in numbers))
        runset = RunSet(
            tables={name: table} | (tables or {}), missing=missing or {},
            command="bench run", created_at="2026-11-29", store=str(tmp_path),
        )  # fmt: skip
        write_text(tmp_path / name / "runset.json", seal(runset))
        return tmp_path / name

    return make


def content(store):
    """Every file of a store but MLflow's and locks, with its bytes."""
    files = (path for path in store.root.rglob("*") if path.is_file())
    names = {path.relative_to(store.root).as_posix(): path for path in files}
    others = ("mlflow", "artifacts", "locks")
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(others)}


def test_runs_are_listed_and_filtered(store, ids, results):
    place = ["--store", store.root]
    old = Failure(id="f" * 16, title="Toy", kind="diverged", reason="loss is NaN")  # as older versions wrote them
    store.failures.put("f" * 16, old)
    told = {"method": "toy", "preset": "tiny", "data": "synthetic", "seed": 3}
    store.failures.put(
        "e" * 16, Failure(id="e" * 16, title="Toy tiny", kind="diverged", reason="loss is NaN", **told)
    )
    lines = said("runs", "list", *place).splitlines()
    assert lines[0].split() == ["id", "status", "finished", "method", "data", "seed", "H", "K", "MPJPE"]
    assert {line.split()[0] for line in lines[1:-1]} >= {*ids, "f" * 16, "e" * 16}
    assert max(map(len, lines)) <= 120

    def listed(*options):
        return {run["id"] for run in json.loads(said("runs", "list", "--json", *place, *options))}

    assert listed("--seed", 1) == {ids[1]}
    toys = {*ids[:2], "e" * 16}
    assert listed("--method", "toy") == listed("--method", "Toy", "--preset", "tiny") == toys
    assert listed("--status", "failed") == {"f" * 16, "e" * 16}
    for filtered in (["--method", "toy"], ["--method", "Toy"], ["--data", "synthetic"], ["--seed", 3]):
        assert listed("--status", "failed", *filtered) == {"f" * 16, "e" * 16}, "an old one may be any"
    assert listed("--status", "failed", "--method", "second") == {"f" * 16}
    assert len(listed("--status", "trained")) == 1, "the first stage, of which nothing is evaluated"
    assert listed("--ablation", "chosen", "--out", results("chosen", 0, 2)) == {ids[0], ids[2]}
    assert listed("--since", "2026-01-01", "--until", "9999-01-01") == set(ids)
    assert listed("--until", "2026-01-01") == set()
    assert listed("--method", "second", "--seed", 1) == set(), "there are such runs, but none is both"


def test_a_run_is_shown_by_any_beginning_of_its_id(store, ids, made, results):
    shown = said("runs", "show", ids[0][:9], "--store", store.root, "--out", results("chosen", 0))
    for words in (ids[0], "MPJPE", "training", "table chosen of"):
        assert words in shown
    assert json.loads(said("runs", "show", ids[0], "--store", store.root, "--json"))["id"] == ids[0]
    first = made[2].first.id
    told = json.loads(said("runs", "show", first, "--store", store.root, "--out", results("none"), "--json"))
    assert [line.split()[0] for line in told["depends on it"]] == [made[2].id, ids[2]]


@pytest.mark.parametrize("words", ["list", "show a"])
def test_looking_at_damaged_runs_moves_nothing(store, words):
    for path in store.root.rglob("*.json"):
        path.write_text("{")
    assert "it stays there" in invoke("runs", *words.split(), "--store", store.root).stderr
    assert not (store.root / "unreadable").exists()


def test_a_run_is_deleted_everywhere(store, ids):
    result = invoke("runs", "delete", ids[0], "--store", store.root, answer="n\n")
    assert result.exit_code == 1
    assert ids[0] in store.records()
    assert "the question got no answer; give --yes" in complaint("runs", "delete", ids[0], "--store", store.root)
    assert ids[0] in store.records()
    assert "removed" in said("runs", "delete", ids[0], "--store", store.root, "--yes")
    assert set(store.records()) == set(ids[1:])
    assert not store.files.of(ids[0])
    assert logged_runs(store, f"tags.`bench.id` = '{ids[0]}'") == []
    assert "2 records, 2 of them from" in rebuild_index(store)


def test_a_cost_goes_with_the_last_run_that_has_it(store, ids):
    before = store.measurements.ids()
    assert "measurements of cost" not in said("runs", "delete", ids[0], "--store", store.root, "--yes")
    assert store.measurements.ids() == before, "the run with the other seed has the same"
    told = said("runs", "delete", ids[1], "--store", store.root, "--yes")
    assert "1 measurements of cost that no other run has" in told
    assert len(store.measurements.ids()) == len(before) - 1


def test_a_training_goes_with_what_was_made_from_it(store, ids, made):
    said("runs", "delete", made[2].first.id, "--store", store.root, "--yes")
    assert set(store.records()) == set(ids[:2])
    assert len(list(store.root.glob("trainings/*"))) == 2
    for training in made[2].chain:
        assert logged_runs(store, f"tags.`bench.training_id` = '{training.id}'") == []


def test_nothing_is_removed_while_a_program_works_on_the_store(store, ids, monkeypatch):
    with store.lock("training-0"):
        assert "is in use by process" in complaint("runs", "delete", ids[0], "--store", store.root, "--yes")
    with ExitStack() as until_here:  # a sweep that begins while the question stands
        monkeypatch.setattr("typer.confirm", lambda *_, **more: until_here.enter_context(store.lock("training-0")))
        assert "is in use by process" in complaint("runs", "delete", ids[0], "--store", store.root)
    assert ids[0] in store.records()


def test_what_no_run_set_names_is_collected(store, ids, made, results):
    keep = [results("second", 2), results("other", 0)]
    stray = store.files.errors_path("0" * 16)
    stray.write_bytes(b"12345")
    (store.root / "artifacts" / "gone").mkdir(parents=True)
    before = content(store)
    told = said("runs", "gc", *keep, "--store", store.root, "--dry-run")
    assert content(store) == before
    size = sum(len(found) for name, found in before.items() if ids[1] in name)
    assert f"would remove 1 runs with their arrays: {size / 1000:.0f} kB" in told
    assert "would remove 1 trainings: " in told
    assert "would remove 1 files of arrays without a record: 5 bytes" in told
    assert "folders of artifacts without a run in MLflow: 0 bytes" in told
    said("runs", "gc", *keep, "--store", store.root, "--yes")
    assert set(store.records()) == {ids[0], ids[2]}
    kept = {path.name for path in store.root.glob("trainings/*")}
    assert kept == {store.records()[ids[0]].training_id, *(training.id for training in made[2].chain)}
    assert not stray.exists()
    assert said("runs", "gc", *keep, "--store", store.root) == "nothing to remove\n"


def test_the_first_stage_of_a_run_that_is_not_finished_is_kept(store, ids, made, results):
    """As an interruption between the stages leaves it."""
    said("runs", "delete", made[2].id, "--store", store.root, "--yes")
    chosen = results("chosen", 0, 1, 2, missing={ids[2]: made[3]})
    assert said("runs", "gc", chosen, "--store", store.root, "--yes") == "nothing to remove\n"
    assert store.is_trained(made[2].first.id)


def test_results_of_a_search_that_has_not_ended_are_not_collected(store, ids, results):
    trials = RunSet.Table(title="Front", layout="pareto", ids=(), searching=True)
    before = content(store)
    told = complaint("runs", "gc", results("chosen", 0, tables={"front": trials}), "--store", store.root, "--yes")
    assert "the runs of front are not known before the search has ended; let `bench run` end" in told
    assert content(store) == before


def test_a_run_set_of_another_store_removes_nothing(store, results, tmp_path):
    elsewhere = results("elsewhere")
    assert "none of the 0 runs that these results name" in complaint(
        "runs", "gc", elsewhere, "--store", store.root
    )
    assert "runset.json: is missing" in complaint("runs", "gc", tmp_path / "nowhere", "--store", store.root)


def test_runs_travel_to_another_store(store, ids, results, tmp_path):
    archive, other, out = tmp_path / "runs.zip", Store(tmp_path / "other"), tmp_path / "there"
    options = ["--store", store.root, "--out", results("chosen", 0, 1, 2)]
    assert "wrote" in said("runs", "export", archive, "--method", "toy", "--weights", *options)
    manifest = json.loads(zipfile.ZipFile(archive).read("manifest.json"))["document"]
    assert manifest["record_schema"] == 4
    assert manifest["commits"] == [store.records()[ids[0]].git_commit]
    bring = ["runs", "import", archive, "--store", other.root, "--out", out]
    assert said(*bring).splitlines()[0] == "2 runs added, 0 were there already"
    before = content(other)
    assert said(*bring).splitlines() == ["0 runs added, 2 were there already"]
    assert content(other) == before
    for name in ids[:2]:
        mine, theirs = store.records()[name], other.records()[name]
        assert theirs.model_copy(update={"mlflow_run_id": mine.mlflow_run_id}) == mine
        assert logged_runs(other, f"tags.`bench.id` = '{name}'") == [(theirs.mlflow_run_id, "FINISHED")]
        assert other.files.whole(mine.files)
        assert read_trained(other.training(mine.training_id)) == read_trained(store.training(mine.training_id))
        assert read_card(other.training(mine.training_id)) == read_card(store.training(mine.training_id))
    said("report", "--store", other.root, "--out", out, "--no-pdf")
    assert "Toy" in (out / "summary.md").read_text()


def test_records_alone_travel_too(store, ids, results, tmp_path):
    archive, other, out = tmp_path / "runs.zip", Store(tmp_path / "other"), tmp_path / "there"
    said("runs", "export", archive, "--no-arrays", "--store", store.root, "--out", results("chosen", 0, 1, 2))
    assert {name.split("/")[0] for name in zipfile.ZipFile(archive).namelist()} == {
        "records", "manifest.json", "runset.json"
    }  # fmt: skip
    said("runs", "import", archive, "--store", other.root, "--out", out)
    assert other.finished() == set(ids), "they count as done"
    again = said("runs", "import", archive, "--store", other.root)
    assert again.startswith("0 runs added, 3 were there already"), "and no array is asked for"
    result = invoke("report", "--store", other.root, "--out", out, "--no-pdf")
    assert (result.exit_code, result.stderr) == (0, ""), "no array is missed"


def higher(record, by):
    """The record as another training would have left it whose errors are higher."""
    values = tuple(
        value.model_copy(
            update={
                "action_mean": value.action_mean + by,
                "per_take": tuple(tuple(error + by for error in row) for row in value.per_take),
            }
        )
        for value in record.values
    )
    return record.model_copy(
        update={"values": values, "training": record.training.model_copy(update={"loss": (by,)})}
    )


def test_runs_are_compared_with_an_archive_and_with_the_study_that_comes_along(
    store, ids, results, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shipped" / "study").mkdir(parents=True)
    for name, number in (("runs.zip", 0), ("shipped/study/others.zip", 1), ("shipped/study/runs.zip", 0)):
        said("runs", "export", name, "--seed", number, "--store", store.root, "--out", results("chosen", 0, 1, 2))
    assert "2 runs are in both sets" in said("report", "--compare", "runs.zip=chosen", "runs.zip", "--out", "out")
    monkeypatch.setattr(named, "SHIPPED", tmp_path / "shipped")
    assert "2 runs are in both sets" in said("report", "--compare", "study", store.root, "--out", "out")
    (line,) = beside_study(store.records().values())
    assert line.startswith("beside the runs of docs/results: 2 runs are in both sets with the same numbers")
    (line,) = beside_study([higher(store.records()[ids[0]], by=5000.0)])
    assert "MPJPE: worse in 1" in line
    assert "has no table 'else'; it has chosen" in complaint("report", "--compare", "study=else", store.root)
    one = tmp_path / "shipped" / "one" / "runs.zip"
    one.parent.mkdir()
    said("runs", "export", one, "--seed", 0, "--store", store.root, "--out", results("one", 0))
    found = named.finished("study=one", store.root)
    assert ([record.id for record in found.records], found.missing) == ([ids[0]], 0)
    (tmp_path / "shipped" / "study" / "damaged.zip").write_bytes(b"PK")
    (line,) = beside_study(store.records().values())
    assert "damaged.zip" in line, "a sweep of days ends all the same"
    monkeypatch.setattr(named, "SHIPPED", tmp_path / "nowhere")
    assert beside_study(store.records().values()) == []
    assert "run from a clone" in complaint("report", "--compare", "study", store.root)


def test_what_a_store_has_already_stays_as_it_is(store, ids, tmp_path):
    archive, other = tmp_path / "runs.zip", Store(tmp_path / "other")
    said("runs", "export", archive, "--store", store.root, "--out", tmp_path)
    mine = store.records()[ids[0]].model_copy(update={"finished_at": "2020-01-01T00:00:00+00:00"})
    other.make()
    other.add(mine)
    for path in store.files.of(ids[0]):
        target = other.root / path.relative_to(store.root)
        target.parent.mkdir()
        shutil.copy(path, target)
    told = said("runs", "import", archive, "--store", other.root)
    assert told.splitlines()[:2] == [
        "2 runs added, 0 were there already",
        f"1 runs are other ones here, and stay as they are: {ids[0]}",
    ]
    assert other.records()[ids[0]].finished_at == mine.finished_at
    assert not list(other.root.glob("trainings/*")), "weights travel only on request"


def rewritten(archive, target, change):
    """An archive whose files are changed, and whose zip is right again."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as written:
        for name in source.namelist():
            for new, text in change(name, source.read(name)):
                written.writestr(new, text)
    return target


def test_a_damaged_archive_is_refused_by_name(store, ids, tmp_path):
    archive, other = tmp_path / "runs.zip", tmp_path / "other"
    said("runs", "export", archive, "--store", store.root, "--out", tmp_path)
    errors = f"errors/{ids[1]}.npz"

    def refused(change):
        return complaint("runs", "import", rewritten(archive, tmp_path / "bad.zip", change), "--store", other)

    def flipped(name, text):
        return [(name, text[:-1] + bytes([text[-1] ^ 1]) if name == errors else text)]

    assert f"is damaged in {errors}; nothing was imported" in refused(flipped)
    assert f"is damaged in {errors}" in refused(lambda name, text: [] if name == errors else [(name, text)])
    assert "../../evil/manifest.json" in refused(lambda name, text: [(name, text), (f"../../evil/{name}", b"")])
    assert "its manifest.json cannot be read" in refused(
        lambda name, text: [(name, text.replace(b"2026", b"2025") if name == "manifest.json" else text)]
    )
    assert "has no manifest.json" in refused(lambda name, text: [])
    whole = archive.read_bytes()
    for size in (len(whole) // 2, 100):  # the first ends with a file of arrays, which is a zip file too
        archive.write_bytes(whole[:size])
        assert "or only a part of one" in complaint("runs", "import", archive, "--store", other)
    raw = bytearray(whole)  # a bit of what is compressed
    raw[whole.index(b"records/") + 60] ^= 16
    archive.write_bytes(bytes(raw))
    assert "is damaged in records/" in complaint("runs", "import", archive, "--store", other)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("ä", "")
    archive.write_bytes(archive.read_bytes().replace("ä".encode(), b"\xff\xfe"))  # a name that is no text
    assert "is no archive of runs" in complaint("runs", "import", archive, "--store", other)
    assert not other.exists()


def test_weights_of_which_nothing_is_said_are_refused(store, ids, tmp_path):
    """Before anything is added, though sizes and checksums are right."""
    archive, other = tmp_path / "runs.zip", tmp_path / "other"
    said("runs", "export", archive, "--weights", "--store", store.root, "--out", tmp_path)
    lost = f"trainings/{store.records()[ids[0]].training_id}/training.json"

    def without(name, text):
        if name == "manifest.json":
            manifest = unseal(text, Manifest)
            files = {place: file for place, file in manifest.files.items() if place != lost}
            text = seal(manifest.model_copy(update={"files": files}))
        return [] if name == lost else [(name, text)]

    told = complaint("runs", "import", rewritten(archive, tmp_path / "bad.zip", without), "--store", other)
    assert f"is damaged in {lost}; nothing was imported" in told
    assert not other.exists()


def test_an_array_that_is_damaged_or_lost_is_not_exported(store, ids, tmp_path):
    export = ["runs", "export", tmp_path / "runs.zip", "--store", store.root, "--out", tmp_path]
    path = store.files.errors_path(ids[0])
    path.write_bytes(path.read_bytes()[:-1])
    assert f"{path}: its content does not have its checksum" in complaint(*export)
    path.unlink()
    assert f"{path}: is missing; nothing was exported" in complaint(*export)
    assert not (tmp_path / "runs.zip").exists()


def test_an_import_does_not_replace_another_run_set(store, results, tmp_path):
    out = results("chosen", 0)
    said("runs", "export", tmp_path / "runs.zip", "--store", store.root, "--out", out)
    other = tmp_path / "other"
    told = complaint("runs", "import", tmp_path / "runs.zip", "--store", other, "--out", results("mine", 1))
    assert "is of other runs; nothing was imported" in told
    assert not other.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--status", "odd"], "--status odd: is none; take one of finished"),
        (["list", "--since", "yesterday"], "--since 'yesterday': is not a date"),
        (["list", "--ablation", "main", "--out", "nowhere"], "runset.json: is missing"),
        (["list", "--method", "tou"], "--method tou: no run of {0} has it; did you mean 'toy'?"),
        (["list", "--data", "mine"], "--data mine: no run of {0} has it; allowed: toy"),
        (["list", "--seed", "-5"], "--seed -5: no run of {0} has it; allowed: 0, 1"),
        (["export", "runs.zip", "--method", "tcn"], "--method tcn: no run of {0} has it; allowed: "),
        (["show", "xyz"], "'xyz': no id in {0} begins so; `python -m bench runs list --store {0}` shows them"),
        (["delete", "", "--yes"], "is empty"),
        (["export", "nowhere/runs.zip"], "nowhere/runs.zip: its folder is not there"),
        (
            ["export", "runs.zip", "--until", "2020-01-01"],
            "fits; `python -m bench runs list --store {0}` shows all",
        ),
        (["import", "tests"], "tests: is a folder; name an archive that `runs export` wrote"),
        (["import", "nowhere.zip"], "nowhere.zip: there is no such file"),
        (["list", "--store", "nowhere"], "--store nowhere: there is no such store"),
    ],
)
def test_bad_input_is_one_sentence(arguments, words, store):
    place = [] if "--store" in arguments else ["--store", store.root]
    assert words.format(store.root) in complaint("runs", *arguments, *place)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be changed")
@pytest.mark.parametrize(("text", "zone"), [("0001-01-01", "Asia/Tokyo"), ("9999-12-31", "America/New_York")])
def test_an_end_of_the_calendar_is_refused(text, zone, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        with pytest.raises(InputError, match=f"--until '{text}': is too far away"):
            moment(text, "--until", end_of_day=True)
    time.tzset()


def test_an_id_that_begins_several_is_refused(store, ids):
    store.failures.put(f"{ids[0][:15]}!", Failure(id="", title="Toy", kind="error", reason="x"))
    told = complaint("runs", "show", ids[0][:15], "--store", store.root)
    assert f"2 ids begin so: {ids[0][:15]}!, {ids[0]}" in told


def test_a_store_holds_no_absolute_path_and_works_after_a_move(store, made, ids, tmp_path):
    place = str(made[0].root).encode()
    assert [name for name, found in content(made[0]).items() if place in found] == []
    moved = Store(tmp_path / "moved" / "here")
    moved.root.parent.mkdir()
    shutil.move(store.root, moved.root)
    assert set(moved.records()) == set(ids)
    assert "3 records, 3 of them from" in rebuild_index(moved)
    assert all(moved.files.whole(record.files) for record in moved.records().values())
    said("runs", "delete", ids[0], "--store", moved.root, "--yes")
    assert not store.root.exists()
    assert set(moved.records()) == set(ids[1:])
