"""Sets of runs: what a sweep declares for reports, and how the command line names those of another time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from bench.config.parsing import Frozen
from bench.results.record import Missing, Record
from models.errors import InputError

RUNSET = "runset.json"

OLD_LAYOUTS = {"priced": "cost", "validation": "tuning", "gaps": "oracle_gap"}
"""Names of layouts in files of older versions, and what they are called now."""


class RunSet(Frozen):
    """Which runs belong to which table: written by a sweep, read by reports.

    Attributes:
        tables: name of a declared ablation → (layout of its table, ids of its runs, in declared order, and
            sentences that are printed under it).
        missing: id of a run → why it has no record ("absent" in files of older versions).
        command: what the user typed.
        store: folder that the records were made in; "" if that is not known.
    """

    class Table(Frozen):
        title: str
        layout: Annotated[str, BeforeValidator(lambda name: OLD_LAYOUTS.get(name, name))]
        ids: tuple[str, ...]
        notes: tuple[str, ...] = ()

    tables: dict[str, Table]
    missing: dict[str, Missing] = Field(default={}, validation_alias=AliasChoices("missing", "absent"))
    command: str
    created_at: str
    store: str = ""

    @property
    def ids(self) -> list[str]:
        """Of all runs, each once."""
        return list(dict.fromkeys(name for table in self.tables.values() for name in table.ids))


@dataclass(frozen=True)
class Finished:
    """Records of a run set; ``missing``: declared runs that have none."""

    name: str
    records: tuple[Record, ...]
    missing: int = 0


def declared(path: Path, again: str) -> RunSet:
    """The run set in a folder of results, or in its file.

    Args:
        again: the command that writes it.

    Raises:
        InputError: there is none, or it is damaged.
    """
    file = path / RUNSET if path.is_dir() or path.suffix != ".json" else path
    try:
        return RunSet.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{file}: is missing; run `{again}` first") from None
    except (ValueError, OSError):
        raise InputError(f"{file}: is damaged; run `{again}` again") from None


def finished(name: str, store: Path) -> Finished:
    """What ``report --compare`` takes: a folder of results, one table of it, or a store.

    A folder of results stands for the runs that its ``runset.json`` declares, ``FOLDER=TABLE`` for those of one
    table, a store for everything finished in it.

    Args:
        store: where the records of a folder of results lie if the store that they were made in is not there.

    Raises:
        InputError: it is none of these, or no run of it has a record.
    """
    from bench.results.store import Store  # loads pandas, which no one else here needs

    path, table = Path(name), ""
    if "=" in path.name and not path.exists():
        text, _, table = name.rpartition("=")
        path = Path(text)
    if path.is_dir() and not (path / RUNSET).exists():
        if not any((path / entry).exists() for entry in ("index.parquet", "records")):
            raise InputError(f"--compare {name}: is neither a folder of results (no {RUNSET}) nor a store of runs")
        return _nonempty(name, path, Store(path).records(), None)
    if not path.exists():
        raise InputError(
            f"--compare {name}: there is no such folder; name the --out of two `ablate` commands, or two stores"
        )
    runset = declared(path, f"python -m bench ablate --out {path}")
    if table and table not in runset.tables:
        raise InputError(f"--compare {name}: {path} has no table {table!r}; it has {', '.join(runset.tables)}")
    ids = list(dict.fromkeys(runset.tables[table].ids)) if table else runset.ids
    place = Path(runset.store) if runset.store and Path(runset.store).is_dir() else store
    return _nonempty(name, place, Store(place).records(ids) if place.is_dir() else {}, ids)


def _nonempty(name: str, place: Path, records: dict[str, Record], ids: list[str] | None) -> Finished:
    if not records:
        if ids is None:
            raise InputError(f"--compare {name}: nothing is finished in this store")
        raise InputError(
            f"--compare {name}: none of its {len(ids)} runs has a record in {place}; name their store with --store"
        )
    order = list(records) if ids is None else [identity for identity in ids if identity in records]
    return Finished(name, tuple(map(records.__getitem__, order)), len(ids or order) - len(records))
