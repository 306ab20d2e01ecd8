"""Where work is kept between calls: trainings by identity, and the index of finished records.

The index is a parquet file, one row per record, for reading thousands of runs at once. MLflow holds the same
records; ``Tracker.records`` makes the index again from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from filelock import FileLock

from bench.files import atomic
from bench.records import SCHEMA_VERSION, Record
from models.errors import InputError


class Store:
    """A folder of finished and unfinished work; several programs may use it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = root / "index.parquet"
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--store {root}: cannot be made ({error.strerror}); name another folder") from None

    def training(self, training_id: str) -> Path:
        """Folder of one training."""
        return self.root / "trainings" / training_id

    def lock(self, name: str) -> FileLock:
        """A lock that other programs on this machine respect and that a killed one gives up."""
        folder = self.root / "locks"
        folder.mkdir(exist_ok=True)
        return FileLock(folder / f"{name}.lock")

    def records(self) -> dict[str, Record]:
        """All finished records of the current schema, by id.

        Raises:
            InputError: the index is damaged.
        """
        rows = self._rows()
        current = rows[rows["schema_version"] == SCHEMA_VERSION]
        return {
            str(name): Record.model_validate_json(str(text))
            for name, text in zip(current["id"], current["record"], strict=True)
        }

    def add(self, records: Iterable[Record]) -> None:
        """Add records; one with a known id replaces the older one."""
        new = pd.DataFrame([_row(record) for record in records])
        if new.empty:
            return
        with self.lock("index"):
            rows = pd.concat([self._rows(), new]).drop_duplicates("id", keep="last")
            with atomic(self.index) as file:
                rows.to_parquet(file, index=False)

    def _rows(self) -> pd.DataFrame:
        if not self.index.exists():
            return pd.DataFrame(columns=list(_COLUMNS))
        try:
            return pd.read_parquet(self.index, columns=list(_COLUMNS))
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{self.index}: is damaged ({error}); delete it and run `python -m bench report --rebuild-index`"
            ) from None


_COLUMNS = ("id", "training_id", "schema_version", "method", "preset", "variant", "finished_at", "record")


def _row(record: Record) -> dict[str, object]:
    values: dict[str, object] = {column: getattr(record, column) for column in _COLUMNS[:-1]}
    return {**values, "record": record.model_dump_json()}
