"""The index of finished records: one parquet file with a row per record, for reading thousands at once.

Each row has the checksum of its content, and the pages of the file have theirs. Every row also says how many there
are, so that a file that lost some is not taken for a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
from pydantic import ValidationError

from bench.results.files import atomic, open_to_read, sha256
from bench.results.record import READABLE_VERSIONS, Record
from models.errors import InputError

DESCRIBED = ["id", "training_id", "schema_version", "method", "preset", "variant", "finished_at"]
CHECKED = ["files", "rows", "sha256"]
"""What indexes of older versions lack."""

COLUMNS = [*DESCRIBED, "record", *CHECKED]


class DamagedError(InputError):
    """The index is not what was written; that it cannot be read now is something else."""


class Index:
    """A parquet file of records, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self, ids: list[str] | None = None) -> dict[str, dict[str, str]]:
        """Id of every record that this version reads → its arrays, path → SHA-256; of ``ids`` only, if given.

        Raises:
            InputError: the file is damaged.
        """
        rows = self._read(["id", "schema_version", *CHECKED], ids)
        if ids is None and (rows["rows"].fillna(len(rows)) != len(rows)).any():
            raise self._damage(f"it has {len(rows)} rows, and was written with others")
        try:
            current = _readable(rows)
            return dict(zip(current["id"], map(json.loads, current["files"]), strict=True))
        except ValueError as error:
            raise self._damage(str(error)) from None

    def records(self, ids: list[str] | None = None) -> dict[str, Record]:
        """Records that this version reads, by id: all, or those of ``ids`` that there are.

        Raises:
            InputError: the file is damaged.
        """
        return {row["id"]: self._record(row) for row in _readable(self._read(COLUMNS, ids)).to_dict("records")}

    def add(self, records: Iterable[Record]) -> list[str]:
        """Add records; one with a known id replaces the older one.

        Returns:
            Their ids.

        Raises:
            InputError: the file is damaged; then nothing is changed.
        """
        rows = [_row(record) for record in records]
        if not rows:
            return []
        self.files()
        old = self._read(COLUMNS)
        new = pd.DataFrame(rows)
        self._write(
            new if old.empty else pd.concat([_with_checksums(old), new]).drop_duplicates("id", keep="last")
        )
        return [row["id"] for row in rows]

    def remove(self, ids: Container[str]) -> None:
        """Leave out the records with these ids.

        Raises:
            InputError: the file is damaged; then nothing is changed.
        """
        self.files()
        old = self._read(COLUMNS)
        left = old[[name not in ids for name in old["id"]]]
        if len(left) < len(old):
            self._write(_with_checksums(left))

    def replace(self, records: Iterable[Record]) -> None:
        """Write an index of these records, and of the rows of schemas that only other versions read."""
        try:
            old = self._read(COLUMNS)
        except DamagedError:
            old = pd.DataFrame(columns=COLUMNS)
        others = old.drop(_readable(old).index)
        new = pd.DataFrame([_row(record) for record in records], columns=COLUMNS)
        self._write(new if others.empty else pd.concat([others, new]))

    def salvage(self) -> tuple[dict[str, Record], set[str]]:
        """What can still be read: the records, and the ids of all that there were, as far as they are known.

        Raises:
            InputError: the file may not be read, or the disk fails.
        """
        try:
            rows = _readable(self._read(COLUMNS)).to_dict("records")
        except DamagedError:
            return {}, set()
        found = {}
        for row in rows:
            with suppress(DamagedError):
                found[row["id"]] = self._record(row)
        return found, {row["id"] for row in rows}

    def _write(self, rows: pd.DataFrame) -> None:
        with atomic(self.path) as file:
            rows.assign(rows=len(rows)).to_parquet(file, index=False, write_page_checksum=True)

    def _read(self, columns: list[str], ids: list[str] | None = None) -> pd.DataFrame:
        """These columns, of every schema; empty ones for those that an older version did not write."""
        if ids == []:
            return pd.DataFrame(columns=columns)
        try:
            with open_to_read(self.path) as file:
                return self._parse(file, columns, ids)
        except FileNotFoundError:
            return pd.DataFrame(columns=columns)

    def _parse(self, file: BinaryIO, columns: list[str], ids: list[str] | None) -> pd.DataFrame:
        try:
            return _parse(file, columns, ids)
        except Exception as error:  # a damaged file can raise almost anything
            if isinstance(error, OSError) and error.errno is not None:  # the disk fails
                raise
            raise self._damage(" ".join(str(error).split())[:200]) from None

    def _record(self, row: Mapping[Any, Any]) -> Record:
        expected = row["sha256"]
        if isinstance(expected, str) and expected != _checksum(row):
            raise self._damage(f"record {row['id']} does not have its checksum")
        try:
            record = Record.model_validate_json(row["record"])
        except ValidationError:
            raise self._damage(f"record {row['id']} cannot be read") from None
        if record.id != row["id"]:
            raise self._damage(f"record {row['id']} has the id {record.id}")
        return record

    def _damage(self, reason: str) -> DamagedError:
        return DamagedError(
            f"{self.path}: is damaged ({reason}); run `python -m bench report --rebuild-index --store "
            f"{self.path.parent}`, which makes it again from MLflow"
        )


def _parse(source: BinaryIO, columns: list[str], ids: list[str] | None) -> pd.DataFrame:
    import pyarrow.parquet as pq

    there = pq.read_schema(source).names
    source.seek(0)
    chosen = None if ids is None else [("id", "in", ids)]
    present = [column for column in columns if column in there]
    table = pq.read_table(source, columns=present, filters=chosen, page_checksum_verification=True)
    rows = table.to_pandas(ignore_metadata=True)  # damage to it could rename columns
    missing = [column for column in columns if column not in there]
    if set(missing) - set(CHECKED):
        raise ValueError(f"it has no column {missing[0]}")
    for name in ("id", "record"):
        if name in rows and not rows[name].map(lambda value: isinstance(value, str)).all():
            raise ValueError(f"its column {name} is no text")
    rows = rows.assign(**dict.fromkeys(missing))
    return rows.assign(files=rows["files"].fillna("{}")) if "files" in rows else rows


def _readable(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["schema_version"].isin(READABLE_VERSIONS)]


def _with_checksums(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of an older version get what they lack."""
    lacking = rows["sha256"].isna()
    made = [_checksum(row) for row in rows[lacking].to_dict("records")]
    return rows.assign(sha256=rows["sha256"].astype(object).mask(lacking, pd.Series(made, rows.index[lacking])))


def _row(record: Record) -> dict[str, Any]:
    values: dict[str, Any] = {column: getattr(record, column) for column in DESCRIBED}
    values |= {"record": record.model_dump_json(), "files": json.dumps(record.files)}
    return {**values, "sha256": _checksum(values)}


def _checksum(row: Mapping[Any, Any]) -> str:
    """SHA-256 of everything in a row but the number of rows and the checksum itself."""
    values = [str(row[name]) for name in (*DESCRIBED, "record", "files")]
    return sha256("\n".join(values).encode())
