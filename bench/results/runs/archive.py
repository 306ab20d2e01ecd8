"""One file that carries runs from one store to another, or is published beside a paper.

A zip file with ``manifest.json``, which names every other file with its size and checksum: records, the arrays
beside them, on request the weights of their trainings, and a run set with which ``report`` makes tables of them.
"""

from __future__ import annotations

import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, TypeVar

from tqdm import tqdm

from bench.config.parsing import Frozen
from bench.results.documents import UnreadableError, seal, unseal
from bench.results.files import atomic, open_to_read
from bench.results.leftovers import remove_leftovers_of
from bench.results.record import SCHEMA_VERSION, Record
from bench.results.run_set import RUNSET, RunSet
from bench.results.store import MODEL, TRAINED, WEIGHTS, Store
from models.errors import InputError, shown, some_of

MANIFEST = "manifest.json"

ID = "[0-9a-f]{16}"
NAME = re.compile(
    rf"records/{ID}\.json|errors/{ID}\.npz|examples/{ID}-examples\.npz|{RUNSET}"
    rf"|trainings/{ID}/({TRAINED}|{WEIGHTS}|{MODEL})"
)
"""Pattern of the names of files in an archive: they have their places in a store, and no other ones."""

MAKE_AGAIN = "nothing was exported; give the command that made the run again"

CHUNK = 1 << 20
"""Bytes that are read at once: weights may be larger than the memory."""

UNPACKING = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError)
"""What ``zipfile`` raises where a file of an archive cannot be unpacked, or its name cannot be read."""

Document = TypeVar("Document", bound=Frozen)


class File(Frozen):
    """Size and checksum of a file in an archive."""

    bytes: int
    sha256: str


class Manifest(Frozen):
    """What an archive holds, and where it comes from.

    Attributes:
        record_schema: of the records that this version writes; older ones may be among them.
        commits: of the code that evaluated the runs.
        machines: on which they were measured: device and platform.
        created_at: ISO 8601.
        files: name → what it must be.
    """

    SCHEMA: ClassVar[int] = 1

    record_schema: int = SCHEMA_VERSION
    commits: tuple[str, ...]
    machines: tuple[str, ...]
    created_at: str
    files: dict[str, File]


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        added: ids of runs that are new in the store.
        known: of those that it had already.
        kept: of those that it has with other content, which stays.
    """

    added: list[str]
    known: list[str]
    kept: list[str]


def export(
    records: Mapping[str, Record],
    store: Store,
    target: Path,
    runset: RunSet | None,
    weights: bool,
    arrays: bool = True,
) -> Manifest:
    """Write an archive of some runs; it appears whole or not at all.

    Args:
        target: of the archive; an older file of that name is replaced.
        runset: what the importer's ``report`` makes tables of; None for none.
        arrays: whether to add the arrays beside the records; without, the importer's records know of none.

    Raises:
        InputError: a file of a run is missing or damaged, or cannot be read.
    """
    remove_leftovers_of(target)
    with atomic(target) as file, zipfile.ZipFile(file, "w") as archive:
        writer = _Writer(archive)
        for name, record in tqdm(records.items(), desc="exporting", unit="run", disable=None):
            for place, expected in (record.files or store.files.checksums(name)).items() if arrays else ():
                if writer.add_file(place, store.root / place) != expected:
                    raise InputError(f"{store.root / place}: its content does not have its checksum; {MAKE_AGAIN}")
            without: dict[str, object] = {} if arrays else {"files": {}, "errors_file": None}
            portable = record.model_copy(update={"mlflow_run_id": None} | without)
            writer.add_text(f"records/{name}.json", seal(portable))
        for training in sorted({record.training_id for record in records.values() if weights and record.trained}):
            has_card = (store.training(training) / MODEL).exists()  # an older version wrote none
            for part in (TRAINED, WEIGHTS, *[MODEL] * has_card):
                writer.add_file(f"trainings/{training}/{part}", store.training(training) / part)
        if runset is not None:
            writer.add_text(RUNSET, seal(runset))
        environments = [record.environment for record in records.values()]
        manifest = Manifest(
            commits=tuple(dict.fromkeys(record.git_commit for record in records.values())),
            machines=tuple(dict.fromkeys(f"{each.device}, {each.platform}" for each in environments)),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            files=writer.files,
        )
        _Writer(archive).add_text(MANIFEST, seal(manifest))
    return manifest


class _Writer:
    """Adds files to an archive and keeps their checksums."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.files: dict[str, File] = {}

    def add_text(self, name: str, text: str) -> None:
        """Add a file with this content."""
        content = text.encode()
        self._archive.writestr(_entry(name), content, zipfile.ZIP_DEFLATED)
        self.files[name] = File(bytes=len(content), sha256=sha256(content).hexdigest())

    def add_file(self, name: str, path: Path) -> str:
        """Add a file of a store and return its checksum.

        Raises:
            InputError: it is missing or cannot be read.
        """
        found, size = sha256(), 0
        try:
            with open_to_read(path) as source, self._archive.open(_entry(name), "w", force_zip64=True) as target:
                while chunk := source.read(CHUNK):
                    found.update(chunk)
                    size += len(chunk)
                    target.write(chunk)
        except FileNotFoundError:
            raise InputError(f"{path}: is missing; {MAKE_AGAIN}, or leave out --weights if it is one") from None
        self.files[name] = File(bytes=size, sha256=found.hexdigest())
        return found.hexdigest()


def _entry(name: str) -> zipfile.ZipInfo:
    """Without a time, so that the same runs give the same bytes."""
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))


def restricted(runset: RunSet, ids: Iterable[str]) -> RunSet | None:
    """A run set with some of its runs only, and without the place of its store; None where it names none of them.

    Tables without any of them, and claims that need others, are left out.
    """
    kept = set(ids)
    tables = {}
    for name, table in runset.tables.items():
        inside = tuple(found for found in table.ids if found in kept or found in runset.missing)
        claims = tuple(claim for claim in table.claims if kept.issuperset(claim.better + claim.other))
        if kept.intersection(inside):
            tables[name] = table.model_copy(update={"ids": inside, "claims": claims})
    return runset.model_copy(update={"tables": tables, "store": ""}) if tables else None


class Archive:
    """An archive whose content is what its manifest says.

    Attributes:
        records: by id, in the order of their ids.
    """

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        """Read and check everything.

        Raises:
            InputError: it is no archive of runs, or is damaged.
        """
        self._archive, self._path = archive, path
        if MANIFEST not in archive.namelist():
            raise InputError(
                f"{path}: has no {MANIFEST}: it is no archive of runs, or only a part of one; get it again"
            )
        self.manifest = self._document(MANIFEST, Manifest)
        self._check()
        names = [name for name in self.manifest.files if name.startswith("records/")]
        self.records = {name[8:-5]: self._document(name, Record) for name in sorted(names)}
        self.runset = self._document(RUNSET, RunSet) if RUNSET in self.manifest.files else None
        checksums = {place: file.sha256 for place, file in self.manifest.files.items()}
        for name, record in self.records.items():
            lost = [place for place, known in record.files.items() if checksums.get(place) != known]
            if record.id != name or lost:
                raise self._damage([f"records/{name}.json", *lost])

    def copy(self, place: str, target: Path) -> None:
        """Write a file of the archive, whole or not at all."""
        with self._archive.open(place) as source, atomic(target) as file:
            shutil.copyfileobj(source, file, CHUNK)

    def arrays(self, run: str) -> list[str]:
        """Places of the arrays of a run."""
        places = (f"errors/{run}.npz", f"examples/{run}-examples.npz")
        return [place for place in places if place in self.manifest.files]

    def _check(self) -> None:
        """Compare every file with the manifest."""
        entries = {entry.filename: entry for entry in self._archive.infolist()}
        foreign = sorted((self.manifest.files.keys() | entries.keys()) - {MANIFEST})
        if foreign := [name for name in foreign if name not in self.manifest.files or not NAME.fullmatch(name)]:
            raise InputError(
                f"{self._path}: has files that no archive of runs has: {shown(some_of(foreign))}; not imported"
            )
        weights = [name for name in self.manifest.files if name.endswith(f"/{WEIGHTS}")]
        described = (name.replace(WEIGHTS, TRAINED) for name in weights)
        damaged = [name for name in described if name not in self.manifest.files]
        for name, file in tqdm(self.manifest.files.items(), desc="checking", unit="file", disable=None):
            entry = entries.get(name)
            if entry is None or entry.file_size != file.bytes or self._hash(entry) != file.sha256:
                damaged.append(name)
        if damaged:
            raise self._damage(damaged)

    def _hash(self, entry: zipfile.ZipInfo) -> str:
        """Checksum of a file; "" if it cannot be unpacked."""
        found = sha256()
        try:
            with self._archive.open(entry) as source:
                while chunk := source.read(CHUNK):
                    found.update(chunk)
        except UNPACKING:
            return ""
        return found.hexdigest()

    def _document(self, name: str, model: type[Document]) -> Document:
        try:
            return unseal(self._archive.read(name), model)
        except (UnreadableError, *UNPACKING) as error:
            raise InputError(f"{self._path}: its {name} cannot be read ({error}); nothing was imported") from None

    def _damage(self, names: list[str]) -> InputError:
        return InputError(
            f"{self._path}: is damaged in {shown(some_of(names))}; nothing was imported: get the archive again"
        )


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """An archive to read.

    Raises:
        InputError: it cannot be read, is no archive of runs, or is damaged.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name an archive that `runs export` wrote")
    try:
        with open_to_read(path) as file:
            try:
                archive = zipfile.ZipFile(file)
            except UNPACKING as error:
                raise InputError(f"{path}: is no archive of runs, or only a part of one ({error})") from None
            with archive:
                yield Archive(archive, path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; name one that `runs export` wrote") from None


def bring_in(archive: Archive, store: Store) -> Imported:
    """Add the runs of an archive to a store. What the store has stays as it is; the same again changes nothing.

    Raises:
        InputError: the store's index is damaged, or a file may not be read.
    """
    store.make()
    here = store.records(archive.records)
    done = Imported([], [], [])
    for name, record in tqdm(archive.records.items(), desc="importing", unit="run", disable=None):
        if name in here:
            logged = {"mlflow_run_id": here[name].mlflow_run_id}  # may be another one for the same record
            (done.known if here[name] == record.model_copy(update=logged) else done.kept).append(name)
        elif name in store.evaluations:
            done.kept.append(name)
        else:
            for place in archive.arrays(name):
                archive.copy(place, store.root / place)
            store.add(record)
            store.failures.remove(name)
            done.added.append(name)
    for name in done.known:
        for place in set(archive.arrays(name)) & set(store.files.missing(here[name])):
            archive.copy(place, store.root / place)
    for training in [name.split("/")[1] for name in archive.manifest.files if name.endswith(f"/{WEIGHTS}")]:
        with store.lock(f"training-{training}"):
            for part in () if store.is_trained(training) else (WEIGHTS, MODEL, TRAINED):
                place = f"trainings/{training}/{part}"
                if part != MODEL or place in archive.manifest.files:
                    archive.copy(place, store.training(training) / part)
    store.fold()
    return done
