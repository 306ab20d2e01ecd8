"""Runs that are exported, imported, and compared with an archive."""

import json
import shutil
import zipfile

from bench.cli.report import beside_study
from bench.job.model_card import read_card
from bench.results.documents import seal, unseal
from bench.results.runs import named
from bench.results.runs.archive import Manifest
from bench.results.store import Store, read_trained
from tests.bench.cli.runs.conftest import complaint, content, invoke, said
from tests.bench.mlflow_runs import logged_runs


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
