"""The index: what was written comes back, or a sentence says that it is damaged; never other records."""

import errno
import random
import re

import pandas as pd
import pyarrow.parquet as pq
import pytest

from bench.results.index import DESCRIBED
from bench.results.store import Store
from models.errors import InputError
from tests.reports.made_up import record


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    for number in range(3):
        store.add(record(id=f"{number:016x}"))
    store.fold()
    return store


def damage(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return {
        "bit": lambda: (
            content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :]
        ),
        "cut": lambda: content[:place],
        "lost": lambda: content[:place] + content[place + chance.randrange(1, 64) :],
        "zeros": lambda: content[:place] + bytes(64) + content[place + 64 :],
    }[chance.choice(["bit", "bit", "bit", "cut", "lost", "zeros"])]()


def test_300_damages_give_a_sentence_or_the_same_records(store):
    content, expected = store.index.read_bytes(), store.records()
    chance, refused = random.Random(0), []
    for _ in range(300):
        store.index.write_bytes(damage(content, chance))
        try:
            assert store.finished() == expected.keys()
            assert store.records() == expected
        except InputError as error:
            refused.append(str(error))
    pattern = re.compile(
        rf".*index\.parquet: is damaged .* --rebuild-index --store {re.escape(str(store.root))}`.*"
    )
    assert all(pattern.match(sentence) and len(sentence) < 600 for sentence in refused)
    assert len(refused) > 100


def test_damage_to_what_pandas_notes_beside_the_columns_renames_none(store):
    table, expected = pq.read_table(store.index), store.records()
    notes = table.schema.metadata[b"pandas"]
    damaged = notes.replace(b'"name": "training_id"', b'"name": "trainingXid"')
    assert damaged != notes
    pq.write_table(table.replace_schema_metadata({b"pandas": damaged}), store.index)
    assert store.records() == expected


def test_an_index_of_an_older_version_gets_checksums_when_it_is_next_written(store):
    rows = pd.read_parquet(store.index)
    older = rows[[*DESCRIBED, "record"]]
    older.to_parquet(store.index, index=False)
    expected = store.records()
    assert store.finished() == expected.keys()
    store.add(record(id="f" * 16))
    store.fold()
    assert store.records().keys() == {*expected, "f" * 16}
    assert pd.read_parquet(store.index)["sha256"].notna().all()


def test_rows_of_a_newer_version_are_kept_and_not_counted(store):
    rows = pd.read_parquet(store.index)
    rows.loc[0, "schema_version"] = 99
    rows.to_parquet(store.index, index=False)
    assert len(store.finished()) == len(store.records()) == 2
    store.add(record(id="f" * 16))
    store.fold()
    store.rebuild([], {})
    assert sorted(pd.read_parquet(store.index)["schema_version"]) == [4, 4, 4, 99]


def test_an_index_of_somebody_else_is_not_damaged(store, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match=r"index\.parquet: you may not read it"):
        store.records()


def test_fold_keeps_what_it_cannot_add(store):
    store.index.write_bytes(b"not parquet")
    store.add(record(id="f" * 16))
    with pytest.raises(InputError, match="damaged"):
        store.fold()
    assert (store.root / "records" / f"{'f' * 16}.json").exists()


def test_fold_moves_a_record_that_cannot_be_read_aside(store, capsys):
    store.add(record(id="e" * 16))
    (store.root / "records" / f"{'f' * 16}.json").write_text("{}")
    store.fold()
    assert "e" * 16 in store.records()
    assert [path.read_text() for path in (store.root / "unreadable").iterdir()] == ["{}"]
    assert f"{'f' * 16}.json" in capsys.readouterr().err


def test_a_rebuild_takes_what_survives_and_what_is_logged(store):
    store.index.unlink()
    store.rebuild([record(id="a" * 16)], {})
    store.add(record(id="b" * 16))
    store.rebuild([record(id="c" * 16)], {})
    assert store.records().keys() == {"a" * 16, "b" * 16, "c" * 16}
    assert not list((store.root / "records").iterdir())


def test_a_rebuild_that_would_end_with_fewer_records_changes_nothing(store):
    rows = pd.read_parquet(store.index)
    rows.loc[1, "record"] = "{}"
    rows.to_parquet(store.index, index=False)
    before = store.index.read_bytes()
    with pytest.raises(InputError, match=rf"lack 1 of its records: {1:016x} \(its artifact is lost\)"):
        store.rebuild([], {f"{1:016x}": "its artifact is lost"})
    assert store.index.read_bytes() == before
    store.rebuild([record(id=f"{1:016x}")], {})
    assert len(store.finished()) == 3
    assert [path.read_bytes() for path in (store.root / "unreadable").iterdir()] == [before]


def test_where_the_index_tells_nothing_the_arrays_tell_what_it_held(store):
    store.index.write_bytes(b"not parquet")
    (store.root / "errors").mkdir()
    (store.root / "errors" / f"{'d' * 16}.npz").touch()
    with pytest.raises(InputError, match=rf"lack 1 of its records: {'d' * 16} \(MLflow does not have it\)"):
        store.rebuild([record()], {})
    assert store.index.read_bytes() == b"not parquet"


def test_an_index_on_a_disk_that_fails_is_not_damaged(store, monkeypatch):
    before = store.index.read_bytes()

    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.read_schema", fail)
        with pytest.raises(InputError, match=r"index\.parquet: cannot be read \(Input/output error\)"):
            store.rebuild([record()], {})
    assert store.index.read_bytes() == before
    assert not (store.root / "unreadable").exists()
