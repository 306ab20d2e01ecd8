"""Sets of runs: what a sweep declares for reports."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field

from bench.config.parsing import Frozen
from bench.results.documents import UnreadableError, unseal
from bench.results.files import read_bytes
from bench.results.record import Missing
from bench.results.tracking.addresses import without_password
from models.errors import InputError

RUNSET = "runset.json"

NOT_YET = "not yet run"
"""Why a run of a sweep that goes on, or that was interrupted, has no record."""

OLD_LAYOUTS = {"priced": "cost", "validation": "tuning", "gaps": "oracle_gap"}
"""Names of layouts in files of older versions, and what they are called now."""

_DESCRIBED: dict[str, tuple[str, ...]] = {
    "data": ("detections",),
    "training": ("seed",),
    "method": ("options",),
    "evaluation": ("detections", "hypotheses", "steps", "flip", "seed"),
}
"""What tables show of the description of a run without a record."""


def _printable(text: object) -> object:
    """A text that any file can hold: names of files may have bytes that are no letters."""
    return text.encode("utf-8", "backslashreplace").decode() if isinstance(text, str) else text


def _renamed(layout: object) -> object:
    """The present name of a layout."""
    return OLD_LAYOUTS.get(layout, layout) if isinstance(layout, str) else layout


def _complete(missing: Missing) -> Missing:
    """A run without a record, if its description has what tables show of it."""
    for part, keys in _DESCRIBED.items():
        described = missing.experiment.get(part)
        if not isinstance(described, dict) or not described.keys() >= set(keys):
            raise ValueError(f"its description needs {part} with {', '.join(keys)}")
    return missing


class Claim(Frozen):
    """A published statement that one configuration is better than another, and the runs that test it.

    Or, where ``between`` names two data sets, that it is better by more on the first than on the second.

    Attributes:
        text: the statement, as tables print it.
        metric: name of the metric that is compared.
        better, other: ids of the runs of the configuration that is said to be better, and of the other one.
        aggregations: of both; None for the one that needs no ground truth, or for a method without hypotheses.
        reported: the published difference, ``better`` minus ``other``, in the unit of the metric; None for none.
        conditions, source: of the published difference.
        between: two data sets. ``better`` and ``other`` are then of one of them, or empty where the sweep was on
            neither; the runs on the other data set are looked for among all of the store.
        look: number of the look at the verdicts after the last seed of this one, where each look decided which
            comparisons get further seeds; 0 where the number of seeds was fixed before.
    """

    text: str
    metric: str
    better: tuple[str, ...]
    other: tuple[str, ...]
    aggregations: tuple[str | None, str | None] = (None, None)
    reported: float | None = None
    conditions: str = ""
    source: str = ""
    between: tuple[str, str] | None = Field(default=None, exclude_if=lambda value: value is None)
    look: int = 0


class RunSet(Frozen):
    """Which runs belong to which table: written by a sweep, read by reports.

    Attributes:
        tables: name of a declared ablation → (layout of its table, ids of its runs, in declared order, and
            sentences that are printed under it, claims that its runs test, and whether they are not known yet, as
            the search for them has not ended).
        missing: id of a run → why it has no record ("absent" in files of older versions).
        command: what the user typed, without passwords.
        store: folder that the records were made in; "" if that is not known.
    """

    class Table(Frozen):
        title: str
        layout: Annotated[str, BeforeValidator(_renamed)]
        ids: tuple[str, ...]
        notes: tuple[str, ...] = ()
        claims: tuple[Claim, ...] = ()
        searching: bool = Field(default=False, exclude_if=lambda value: not value)

    tables: dict[str, Table]
    missing: dict[str, Annotated[Missing, AfterValidator(_complete)]] = Field(
        default={}, validation_alias=AliasChoices("missing", "absent")
    )
    command: Annotated[str, BeforeValidator(_printable), AfterValidator(without_password)]
    created_at: str
    store: Annotated[str, BeforeValidator(_printable)] = ""

    @property
    def ids(self) -> list[str]:
        """Ids of all runs, each once."""
        return list(dict.fromkeys(name for table in self.tables.values() for name in table.ids))


def declared(path: Path) -> RunSet:
    """The run set in a folder of results, or in its file.

    Raises:
        InputError: there is none, it may not be read, it is damaged, or a newer version of the suite wrote it.
    """
    file = path / RUNSET if path.is_dir() or path.suffix != ".json" else path
    try:
        return unseal(read_bytes(file), RunSet)
    except FileNotFoundError:
        raise InputError(f"{file}: is missing; run `python -m bench ablate --out {file.parent}` first") from None
    except UnreadableError as error:
        raise InputError(
            f"{file}: cannot be read ({error}); give the `ablate` or `run` command that made it once more, with "
            f"--out {file.parent}"
        ) from None


def refuse_to_lose(runset: RunSet, records: Container[str], store: Path) -> None:
    """Refuse a report without any run, which would replace one with runs, unless all have a reason to be missing.

    Args:
        records: ids of the runs that have a record.
        store: where they were looked for.

    Raises:
        InputError: no declared run has a record, and some have no reason either.
    """
    ids = runset.ids
    reasons = [runset.missing[name].reason if name in runset.missing else NOT_YET for name in ids]
    if any(name in records for name in ids) or NOT_YET not in reasons:
        return
    made_in = Path(runset.store) if runset.store else store
    elsewhere = made_in.is_dir() and made_in.absolute() != store.absolute()
    way = f"they were made in {made_in}: give --store {made_in}" if elsewhere else f"run `{runset.command}` again"
    raise InputError(f"--store {store}: has a record of none of the {len(ids)} declared runs; {way}")
