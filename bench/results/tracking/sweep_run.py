"""A sweep in MLflow: a run with its report, and a tag on each run that one of its tables shows."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from bench.results.run_set import RUNSET, RunSet
from bench.results.store import Store
from bench.results.tracking.connection import say
from bench.results.tracking.live import LOGGED_BY
from bench.results.tracking.run_content import Metrics
from bench.results.tracking.tracker import Tracker
from models.errors import InputError

REPORT = (
    RUNSET,
    "summary.md",
    "index.html",
    "report.tex",
    "report.pdf",
    "references.bib",
    "tables/*",
    "figures/*",
)
"""What of a folder of results belongs to its report."""

MOST_CHARACTERS = 120
"""Most characters of the names of tables in the name of a run."""


def log_sweep(store: Store, out: Path, runset: RunSet, status: str = "FINISHED") -> None:
    """Log a sweep, or what there is of it; once for each folder of results, however often its report is written.

    An MLflow that is away is told of and not waited for: the next report is logged with all that is there then.

    Args:
        status: "FINISHED", or "KILLED" where it was interrupted.
    """
    try:
        tracker = Tracker(store.root)
        with store.lock("log"):
            tracker.service.try_once(lambda: _log(tracker, store, out.absolute(), runset, status))
    except InputError as error:
        say(f"warning: the report is not logged: {error}")


def _log(tracker: Tracker, store: Store, out: Path, runset: RunSet, status: str) -> None:
    runs, ids = tracker.runs, runset.ids
    records = store.records(ids)
    tags = {"bench.kind": "sweep", "bench.out": str(out)}
    found = [run for run in runs.search(tags) if run.data.tags.get(LOGGED_BY) in tracker.names]
    tags |= {LOGGED_BY: tracker.name}
    names = ", ".join(runset.tables)
    began = int(datetime.fromisoformat(runset.created_at).timestamp() * 1000)
    run = found[0] if found else runs.create(f"sweep {names[:MOST_CHARACTERS]}", tags, began)
    counts: Metrics = [("runs", 0, len(records)), ("runs_missing", 0, len(ids) - len(records))]
    told = {"mlflow.note.content": f"`{runset.command}`\n\nTables: {names}"}
    runs.log(run.info.run_id, counts, tags=told)
    paths = sorted(path for pattern in REPORT for path in out.glob(pattern) if path.is_file())
    runs.log_files(run.info.run_id, {path.relative_to(out).as_posix(): path for path in paths})
    for name, record in records.items():
        if record.mlflow_run_id is not None:
            used = [title for title, table in runset.tables.items() if name in table.ids]
            _tag(tracker, record.mlflow_run_id, {_key(title): "yes" for title in used})
    runs.client.set_terminated(run.info.run_id, status)


def _tag(tracker: Tracker, run_id: str, tags: dict[str, str]) -> None:
    """Tag a run and that of its training, as far as they are not tagged yet."""
    known = tracker.runs.client.get_run(run_id).data.tags
    if not known.items() >= tags.items():
        for each in filter(None, (known.get("mlflow.parentRunId"), run_id)):
            tracker.runs.log(each, tags=tags)


def _key(table: str) -> str:
    """The tag of a table; MLflow takes only some characters."""
    return f"ablation.{re.sub(r'[^A-Za-z0-9_. :/-]', '_', table)}"
