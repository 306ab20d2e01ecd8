"""What a store and a folder of results keep: documents, index, arrays, the run set, and MLflow's copies."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

import pandas as pd
import yaml

from bench.results.failure import Failure
from bench.results.files import sha256
from bench.results.record import Evaluation, Record
from bench.results.store import Store
from bench.sweep.run import run
from models.errors import InputError
from tests.fuzz.mutations import damaged_archive, damaged_array_file, damaged_bytes, damaged_value, odd_value
from tests.fuzz.readers.toys import DESCRIPTION, toy_job
from tests.fuzz.worker import Reader, as_json, command


def _make_store(folder: Path) -> None:
    """A store with one finished experiment, with documents of every kind, and a folder of results."""
    store, job = Store(folder / "store"), toy_job()
    records = run([job], store, "cpu").records
    record = records[job.id]
    content = record.model_dump()
    store.evaluations.put(job.id, Evaluation(**{name: content[name] for name in Evaluation.model_fields}))
    store.failures.put(job.id, Failure(id=job.id, title=job.title, kind="error", reason="made for a test"))
    (folder / "my.yaml").write_text(yaml.safe_dump(DESCRIPTION))
    table = {"title": "Toys", "layout": "main", "ids": [job.id]}
    missing = {key: content[key] for key in ("training_id", "experiment", "method", "title", "preset", "variant")}
    runset = {
        "tables": {"toys": table},
        "missing": {"0" * 16: {**missing, "id": "0" * 16, "reason": "failed: for a test"}},
        "command": "python -m bench ablate", "created_at": "2026-11-28T18:18:43+00:00",
        "store": str(store.root),
    }  # fmt: skip
    (folder / "results").mkdir()
    (folder / "results" / "runset.json").write_text(json.dumps(runset))
    (folder / "right.json").write_text(record.model_dump_json())


def _make_small_store(folder: Path) -> None:
    """The same without what only MLflow reads: a smaller folder is copied faster."""
    _make_store(folder)
    for path in (folder / "store").glob("mlflow*"):
        path.unlink()
    shutil.rmtree(folder / "store" / "artifacts")


def damage_json(path: Path, rng: Random) -> None:
    """Spoil a document: its bytes, or a value of it, with the seal of before, with one that fits, or with none."""
    if rng.random() < 0.3:
        path.write_bytes(damaged_bytes(path.read_bytes(), rng))
        return
    content, action = json.loads(path.read_text()), rng.randrange(4)
    if action == 0 or "document" not in content:
        text = as_json(damaged_value(content, rng))
    else:
        body, schema = as_json(damaged_value(content["document"], rng)), content["schema"]
        checksum = content["sha256"] if action == 1 else sha256(f"{schema} ".encode(), body.encode())
        text = f'{{"schema":{schema},"sha256":"{checksum}","document":{body}}}\n' if action < 3 else body
    if rng.random() < 0.1:
        text = "[" * 100_000 if rng.random() < 0.5 else f'{{"a": {"9" * 10_000}}}'
    path.write_text(text, "utf-8", "surrogatepass")


def _damage_documents(folder: Path, rng: Random) -> None:
    kinds = ("evaluations", "prices", "failures", "times", "records")
    if rng.random() < 0.2:
        store = Store(folder / "store")
        store.add(next(iter(store.records().values())))
    damage_json(
        rng.choice(sorted(path for kind in kinds for path in (folder / "store" / kind).glob("*.json"))), rng
    )


def _read_documents(folder: Path) -> None:
    command("run", folder / "my.yaml", "--dry-run", "--executor", "local", "--store", folder / "store")
    store = Store(folder / "store")
    for shelf in (store.evaluations, store.measurements, store.failures, store.times):
        for name in shelf.ids():
            shelf.get(name)
    store.records()
    store.fold()


def _damage_index(folder: Path, rng: Random) -> None:
    path = folder / "store" / "index.parquet"
    if rng.random() < 0.6:
        path.write_bytes(damaged_bytes(path.read_bytes(), rng))
        return
    rows, action = pd.read_parquet(path), rng.randrange(6)
    column = rng.choice(list(rows.columns))
    if action == 0:
        rows = rows.drop(columns=column)
    elif action == 1:
        rows[column] = [rng.choice((None, 1, 1.5, b"x", "x", True, [1], {"a": 1}))] * len(rows)
    elif action == 2:
        rows = pd.concat([rows, rows])
    elif action == 3:
        rows = rows.iloc[:0]
    elif action == 4:
        rows["id"] = [str(odd_value(rng)) for _ in range(len(rows))]
    else:
        content = damaged_value(json.loads(rows["record"].iloc[0]), rng)
        rows["record"] = [as_json(content).encode("utf-8", "replace").decode()] * len(rows)
    try:
        rows.to_parquet(path, index=rng.random() < 0.1)
    except Exception:
        path.write_bytes(damaged_bytes(path.read_bytes(), rng))


def _read_index(folder: Path) -> None:
    """Damage is refused, or it is not in what is read."""
    store = Store(folder / "store")
    found = store.records()
    store.finished()
    right = Record.model_validate_json((folder / "right.json").read_bytes())
    same = all(record.values == right.values and record.id == name for name, record in found.items())
    assert same, "other numbers than were stored, without a word"


def _damage_run_set(folder: Path, rng: Random) -> None:
    damage_json(folder / "results" / "runset.json", rng)


def _compare(folder: Path) -> None:
    results = folder / "results"
    arguments = ("report", "--compare", results, f"{results}=toys", "--store", folder / "store", "--format", "csv")
    command(*arguments, "--out", folder / "out")


def _damage_arrays(folder: Path, rng: Random) -> None:
    path = rng.choice(sorted((folder / "store").glob("e*/*.npz")))
    path.write_bytes(damaged_archive(path.read_bytes(), rng, damaged_array_file))


def _read_arrays(folder: Path) -> None:
    store = Store(folder / "store")
    for record in store.records().values():
        store.files.examples(record)
        for value in record.values:
            store.files.frame_errors(record, value.metric, value.aggregation)


def _damage_tracked(folder: Path, rng: Random) -> None:
    """Spoil MLflow's copy of the record; half of the times it is the only one."""
    damage_json(rng.choice(sorted((folder / "store").rglob("record.json"))), rng)
    if rng.random() < 0.5:
        (folder / "store" / "index.parquet").unlink()


def _rebuild_index(folder: Path) -> None:
    """The index made again has the numbers that were stored, or is not made."""
    try:
        command("report", "--rebuild-index", "--no-pdf", "--store", folder / "store", "--out", folder / "out")
    except InputError as error:
        if "runset.json" not in str(error):  # the report, which comes after it, has no run set here
            raise
    _read_index(folder)


READERS = (
    Reader("documents", _make_small_store, _damage_documents, _read_documents),
    Reader("index", _make_small_store, _damage_index, _read_index),
    Reader("run set", _make_small_store, _damage_run_set, _compare),
    Reader("arrays", _make_small_store, _damage_arrays, _read_arrays),
    Reader("MLflow record", _make_store, _damage_tracked, _rebuild_index, own_folders=True),
)
