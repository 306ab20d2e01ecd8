"""Golden files checked array by array: what differs, and by how much.

The original implementations of the methods, of their losses and of the field's metrics, camera functions and
windows ran on recorded inputs; here ours run on the same ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from models.errors import InputError
from tests.parity.cases import CASES
from tests.parity.vectors import Case, Limit, NotInstalledError, Outputs, Vectors

Status = Literal["ok", "too different", "failed", "unknown", "skipped", "not ours"]

ROUNDING = 1e-5
"""Gradient norms below this part of the largest one of a file are rounding noise: they may differ by as much."""


@dataclass(frozen=True)
class ArrayCheck:
    """One stored array against ours.

    Attributes:
        file: name of the file.
        array: name of the array.
        status: ``failed`` when the case could not be computed, ``unknown`` for an array that no case computes or
            reads, ``skipped`` when this machine lacks something, ``not ours`` for something done otherwise here.
        difference: largest absolute difference.
        limit: that it was held to; None when nothing was compared.
        note: the reason of a status.
    """

    file: str
    array: str
    status: Status
    difference: float = math.nan
    limit: Limit | None = None
    note: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing has to be done about it."""
        return self.status in ("ok", "skipped", "not ours")


def golden_files(places: Iterable[Path]) -> list[Path]:
    """These files, and in place of a folder all golden files in it.

    Raises:
        InputError: a folder holds none.
    """
    files: list[Path] = []
    for place in places:
        found = sorted(place.glob("*.npz")) if place.is_dir() else [place]
        if not found:
            raise InputError(f"{place}: holds no .npz file; name a golden file or a folder of them")
        files += found
    return files


def check_file(path: Path) -> list[ArrayCheck]:
    """Run the case of a file of golden vectors, at the size that the file states.

    Every stored array is an input that the case read, or is compared, or is reported as unknown or skipped.

    Raises:
        InputError: the file is no file of golden vectors.
    """
    vectors = Vectors(path)
    subject = _subject(vectors)
    case = CASES.get(subject)
    if case is None:
        return [ArrayCheck(path.name, name, "unknown", note=f"no case for {subject!r}") for name in vectors.names]
    missing = ArrayCheck(path.name, "", "unknown", note="no case computes it")
    outputs: Outputs = {}
    try:
        outputs = case.compute(vectors)
    except NotInstalledError as error:
        missing = replace(missing, status="skipped", note=str(error))
    except Exception as error:  # with a damaged file a case can fail in any way
        missing = replace(missing, status="failed", note=f"{type(error).__name__}: {error}")
    return _checks(vectors, case, outputs, missing)


def _subject(vectors: Vectors) -> str:
    """What a file is about; one file, of the metrics, does not say."""
    named = [vectors.config.get(key) for key in ("model", "what", "content")]
    unnamed = "metrics" if "out_p_mpjpe" in vectors else "unnamed"
    return next((subject for subject in named if subject and isinstance(subject, str)), unnamed)


def _checks(vectors: Vectors, case: Case, outputs: Outputs, missing: ArrayCheck) -> list[ArrayCheck]:
    """Checks of all arrays but inputs; ``missing`` is the check of an array that was not computed."""
    checks = []
    for name in vectors.names:
        if name in outputs:
            output = outputs[name]
            ours = np.asarray(output.detach() if isinstance(output, Tensor) else output)
            limit, others = case.limit_of(name), case.limits_of_entries(name, vectors.config)
            checks.append(compare(missing.file, name, ours, vectors.stored(name), limit, others))
        elif re.fullmatch(case.not_ours, name):
            checks.append(replace(missing, array=name, status="not ours", note=case.reason))
        elif name not in vectors.read:
            checks.append(replace(missing, array=name))
    return checks


def compare(
    file: str,
    array: str,
    ours: np.ndarray,
    theirs: np.ndarray,
    limit: Limit,
    others: Mapping[int, Limit | None] | None = None,
) -> ArrayCheck:
    """Hold our array to the stored one: equal shape, and differences within the limit.

    ``others`` has the limits of entries with another one, by their place; None for an entry that says nothing.
    """
    if ours.shape != theirs.shape:
        return ArrayCheck(file, array, "too different", math.inf, limit, f"shape {ours.shape}, not {theirs.shape}")
    difference = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    allowed = limit.of(theirs)
    for place, other in (others or {}).items():
        allowed[place] = other.of(theirs[place]) if other else 0
        difference[place] *= other is not None
    if re.fullmatch(r".*grad_norms(_step\d+)?", array):
        noise = ROUNDING * theirs.max(initial=0)
        allowed[(theirs >= 0) & (theirs < noise)] += noise
    status: Status = "ok" if bool((difference <= allowed).all()) else "too different"
    return ArrayCheck(file, array, status, float(difference.max(initial=0)), limit)


def markdown(checks: list[ArrayCheck]) -> str:
    """A table of checks, one row an array."""
    lines = ["| file | array | largest difference | limit | |", "| --- | --- | ---: | ---: | --- |"]
    for check in checks:
        difference = "" if check.limit is None else f"{check.difference:.1e}"
        outcome = f"{check.status}: {check.note}" if check.note else check.status
        lines.append(f"| {check.file} | {check.array} | {difference} | {check.limit or ''} | {outcome} |")
    return "\n".join(lines)
