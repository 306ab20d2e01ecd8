"""Sets of runs by what the command line calls them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.results.record import Record
from bench.results.run_set import RUNSET, declared
from bench.results.runs.archive import opened
from bench.results.store import Store
from models.errors import InputError

SHIPPED = Path(__file__).parents[3] / "docs" / "results"
"""What comes with the suite where it runs from its repository: folders of archives of runs, and of weights."""


@dataclass(frozen=True)
class Finished:
    """Records of a run set; ``missing``: declared runs that have none."""

    name: str
    records: tuple[Record, ...]
    missing: int = 0


def finished(name: str, store: Path) -> Finished:
    """What ``report --compare`` takes: a folder of results, one table of it, a store, an archive, or ``study``.

    A folder of results stands for the runs that its ``runset.json`` declares, ``FOLDER=TABLE`` for those of one
    table, a store or an archive for everything finished in it, ``study`` for all archives in ``SHIPPED``.

    Args:
        store: where the records of a folder of results lie if the store that they were made in is not there.

    Raises:
        InputError: it is none of these, or no run of it has a record.
    """
    path, table = Path(name), ""
    if "=" in path.name and not path.exists():
        text, _, table = name.rpartition("=")
        path = Path(text)
    if path == Path("study") and not path.exists():
        return _archived(name, shipped(), table)
    if path.suffix == ".zip" and path.is_file():
        return _archived(name, [path], table)
    if path.is_dir() and not (path / RUNSET).exists():
        if not any((path / entry).exists() for entry in ("index.parquet", "records")):
            raise InputError(f"--compare {name}: is neither a folder of results (no {RUNSET}) nor a store of runs")
        return _nonempty(name, path, Store(path).records(), None)
    if not path.exists():
        raise InputError(
            f"--compare {name}: is not there; name the --out of two `ablate` commands, stores, archives, or study"
        )
    runset = declared(path)
    if table and table not in runset.tables:
        raise InputError(f"--compare {name}: {path} has no table {table!r}; it has {', '.join(runset.tables)}")
    ids = list(dict.fromkeys(runset.tables[table].ids)) if table else runset.ids
    place = Path(runset.store) if runset.store and Path(runset.store).is_dir() else store
    return _nonempty(name, place, Store(place).records(ids) if place.is_dir() else {}, ids)


def shipped() -> list[Path]:
    """The archives that come with the suite."""
    return sorted(SHIPPED.glob("*/*.zip"))


def _archived(name: str, archives: list[Path], table: str) -> Finished:
    """Runs of archives, all or those of one table."""
    records: dict[str, Record] = {}
    tables: dict[str, list[str]] = {}
    for path in archives:
        with opened(path) as archive:
            records = archive.records | records  # of a run in several archives, the record in the first one
            for title, content in (archive.runset.tables if archive.runset else {}).items():
                tables.setdefault(title, []).extend(content.ids)
    if not archives:
        raise InputError(f"--compare {name}: no archive is in {SHIPPED}; run from a clone of the repository")
    if table and table not in tables:
        raise InputError(f"--compare {name}: has no table {table!r}; it has {', '.join(tables) or 'none'}")
    wanted = list(dict.fromkeys(tables[table])) if table else list(records)
    kept = {identity: records[identity] for identity in wanted if identity in records}
    if not kept:
        where = f" of its table {table!r}" if table else ""
        raise InputError(f"--compare {name}: no run{where} has a record in {', '.join(map(str, archives))}")
    return Finished(name, tuple(kept.values()), len(wanted) - len(kept))


def _nonempty(name: str, place: Path, records: dict[str, Record], ids: list[str] | None) -> Finished:
    if not records:
        if ids is None:
            raise InputError(f"--compare {name}: nothing is finished in this store")
        raise InputError(
            f"--compare {name}: none of its {len(ids)} runs has a record in {place}; name their store with --store"
        )
    order = list(records) if ids is None else [identity for identity in ids if identity in records]
    return Finished(name, tuple(map(records.__getitem__, order)), len(ids or order) - len(records))
