"""What a store holds: all that must be equal however it came to be, and what should not be there."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from bench.results.runs.archive import opened
from bench.results.store import Store
from tests.bench.experiments import numbers

OF_THE_CLOCK = ("seconds", "windows_per_s")
"""Fields of a training that say what the clock says."""

OF_THE_MOMENT = ("train.loss", "train.learning_rate", "train.gradient_norm", "train.windows_per_s", "epoch")
"""Curves of a training whose points lie where the clock says; each of its steps has at most one."""


def contents(root: Path) -> dict[str, Any]:
    """Part of the store → what it holds, in a form that is equal for equal results."""
    records = Store(root).records()
    logged, report = _logged(root, {record.mlflow_run_id: name for name, record in records.items()})
    return {
        "records": numbers(records),
        "costs": {
            name: (record.cost.parameters, record.cost.flops_per_window) for name, record in records.items()
        },
        "arrays": {folder: _hashes(root / folder) for folder in ("errors", "examples")},
        "trainings": {
            path.parent.name: (_hash(path.parent / "weights.safetensors"), _timeless(path))
            for path in root.glob("trainings/*/training.json")
        },
        "archives": {path.name: _archived(path) for path in root.parent.glob("results/*.zip")},
        "MLflow": logged,
        "report in MLflow": report,
    }


def left_over(root: Path) -> list[str]:
    """Files that only unfinished or damaged work has."""
    folders = ("evaluations", "records", "failures", "unreadable", "live")
    found = [path for folder in folders for path in root.glob(f"{folder}/*")]
    kept = ("training.json", "model.json", "weights.safetensors")
    found += [path for path in root.glob("trainings/*/*") if path.name not in kept]
    return sorted(str(path.relative_to(root)) for path in found)


def temporaries(folder: Path) -> list[str]:
    """Files that a process was writing when it was killed, and made-up names of whatever else."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*"))


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """In which parts two stores differ, and in what of them."""
    told = []
    for part, value in expected.items():
        if found[part] != value:
            keys = [key for key in value.keys() | found[part].keys() if value.get(key) != found[part].get(key)]
            told.append(f"{part}: {', '.join(sorted(map(str, keys)))[:200]} differs")
    return told


def _logged(root: Path, names: dict[str | None, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What MLflow's database and artifacts say: each run once, finished, with all of its numbers and files.

    The runs of reports are told apart: a report is logged as often as it is written.
    """
    database = sqlite3.connect(f"file:{root / 'mlflow.db'}?mode=ro", uri=True)
    try:
        runs = database.execute("SELECT run_uuid, status FROM runs WHERE lifecycle_stage = 'active'").fetchall()
        tags: dict[str, dict[str, str]] = {run: {} for run, _ in runs}
        for run, key, value in database.execute("SELECT run_uuid, key, value FROM tags"):
            if run in tags:
                tags[run][key] = value
        points = [
            point
            for point in database.execute("SELECT run_uuid, key FROM metrics")
            if point[1] not in OF_THE_MOMENT
        ]
        params = Counter(run for (run,) in database.execute("SELECT run_uuid FROM params"))
    finally:
        database.close()
    metrics = Counter(run for run, _ in points)
    reports = {run: status for run, status in runs if _named(tags[run])[0] == "sweep"}
    report = {"runs": sorted(reports.values()), "metrics": {key for run, key in points if run in reports}}
    found: dict[str, Any] = {
        "runs": sorted((_named(tags[run]), status) for run, status in runs if run not in reports)
    }
    folders = {folder.name for folder in root.glob("artifacts/*")}
    found["artifacts without a run"] = sorted(folders - {run for run, _ in runs})
    for run in [run for run, _ in runs if run not in reports]:
        kind, name = _named(tags[run])
        found[f"{kind} {name}"] = (metrics[run], params[run])
        if kind == "evaluation":
            folder = root / "artifacts" / run / "artifacts"
            arrays = {file: code for file, code in _hashes(folder).items() if file.endswith(".npz")}
            record = _parsed(folder / "record.json")
            values = record.get("document", record).get("values")
            found[f"artifacts {name}"] = (arrays, hashlib.sha256(json.dumps(values).encode()).hexdigest())
            found[f"known {name}"] = names.get(run) == name
    return found, report


def _archived(path: Path) -> dict[str, str]:
    """Checksums of the files in an archive, which must be whole."""
    with opened(path) as archive:
        return {name: file.sha256 for name, file in archive.manifest.files.items()}


def _named(tags: dict[str, str]) -> tuple[str, str]:
    kind = tags.get("bench.kind", "")
    return kind, tags.get("bench.id" if kind == "evaluation" else "bench.training_id", "")


def _timeless(path: Path) -> str:
    """How a training went, without what the clock says and without seals."""
    content = _parsed(path)
    content = content.get("document", content)
    content = {key: value for key, value in content.get("info", content).items() if key not in OF_THE_CLOCK}
    return json.dumps(content, sort_keys=True)


def _parsed(path: Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one where there is none, or a damaged one."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: _hash(path) for path in sorted(folder.glob("*")) if path.is_file() and path.name[0] != "."}


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"
