"""The ``runs`` commands that list, show and remove."""

import json
import shutil
import time
from contextlib import ExitStack

import pytest

from bench.results.failure import Failure
from bench.results.run_set import RunSet
from bench.results.runs.listing import moment
from bench.results.store import Store
from bench.results.tracking.recovery import rebuild_index
from models.errors import InputError
from tests.bench.cli.runs.conftest import complaint, content, invoke, said
from tests.bench.mlflow_runs import logged_runs


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
    """An interruption between the stages leaves a store so."""
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
