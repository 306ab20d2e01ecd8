"""Golden vectors checked array by array: ``python -m bench parity FILE`` prints what differs by how much.

The original implementations of the methods, of their losses and of the field's metrics, camera functions and
windows ran on recorded inputs; here ours run on the same ones. Limits are for float32 on a CPU.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from bench.parity_harness import CASES as HARNESS_CASES
from bench.parity_harness import NOT_OURS
from models.errors import InputError

Status = Literal["ok", "too different", "failed", "unknown", "skipped", "not ours"]


@dataclass(frozen=True)
class Limit:
    """Allowed difference: ``absolute`` plus ``relative`` times the stored value; both 0 means equal."""

    absolute: float
    relative: float = 0.0

    def __str__(self) -> str:
        parts = [f"{self.absolute:.0e}"] if self.absolute else []
        parts += [f"{self.relative:.0e} relative"] if self.relative else []
        return " + ".join(parts) or "equal"


LIMITS: tuple[tuple[str, str, Limit], ...] = (
    ("3DHP PCK and AUC", r".*", Limit(1e-3)),
    ("camera and quaternion functions", r"out_image", Limit(1e-3)),
    ("camera and quaternion functions", r".*", Limit(1e-5)),
    ("metrics", r".*_index", Limit(0)),
    ("metrics", r".*", Limit(1e-6)),
    ("Ranger optimiser steps", r".*", Limit(1e-6)),
)
"""Of the harness's own arrays, equal otherwise. First match counts: subject of the file, array, limit."""

ROUNDING = 1e-5
"""Gradient norms below this part of the largest one of a file are rounding noise: they may differ by as much."""


@dataclass(frozen=True)
class ArrayCheck:
    """One stored array against ours.

    Attributes:
        file: name of the file.
        array: name of the array.
        status: ``failed`` where the case could not be computed, ``unknown`` for an array that no case computes or
            reads, ``skipped`` where this machine lacks something, ``not ours`` for something done otherwise here.
        difference: largest absolute difference.
        limit: that it was held to; None where nothing was compared.
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
        return self.status in ("ok", "skipped", "not ours")


def check_file(path: Path) -> list[ArrayCheck]:
    """Run every case that a file of golden vectors holds, at the size that it states.

    Every stored array is an input that a case read, or is compared, or is reported as unknown or skipped.

    Raises:
        InputError: the file is no file of golden vectors.
    """
    golden = importlib.import_module("baselines.published.golden")
    try:
        vectors = golden.Vectors(path)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} is no file of golden vectors: {error}") from error
    named = (vectors.config.get(key) for key in ("model", "what", "content"))
    subject = next(filter(None, named), _unnamed(vectors.names))
    case = HARNESS_CASES.get(subject)
    limits = [(pattern, limit) for start, pattern, limit in LIMITS if re.match(start, subject)]
    published = golden.cases().get(subject)
    if published is not None:
        case, limits = published.compute, [(pattern, Limit(*limit)) for pattern, limit in published.limits]
    if case is None:
        return [ArrayCheck(path.name, name, "unknown", note=f"no case for {subject!r}") for name in vectors.names]
    try:
        outputs, why = case(vectors), None
    except golden.NotInstalledError as error:
        outputs, why = {}, ArrayCheck(path.name, "", "skipped", note=str(error))
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        outputs, why = {}, ArrayCheck(path.name, "", "failed", note=f"{type(error).__name__}: {error}")
    return _compare_all(path.name, vectors, outputs, limits, NOT_OURS.get(subject, ("", "")), why)


def _unnamed(names: list[str]) -> str:
    return "metrics" if "out_p_mpjpe" in names else "unnamed"


def _compare_all(
    file: str,
    vectors: Any,
    outputs: dict[str, Any],
    limits: list[tuple[str, Limit]],
    not_ours: tuple[str, str],
    why: ArrayCheck | None,
) -> list[ArrayCheck]:
    """Checks of all arrays but inputs; ``why`` stands for those that were not computed, if there is a reason."""
    pattern, reason = not_ours
    missing = why or ArrayCheck(file, "", "unknown", note="no case computes it")
    checks = []
    for name in vectors.names:
        if name in outputs:
            output = outputs[name]
            ours = np.asarray(output.detach() if isinstance(output, Tensor) else output)
            checks.append(_compare(file, name, ours, vectors.stored(name), _limit(limits, name)))
        elif re.fullmatch(pattern, name):
            checks.append(ArrayCheck(file, name, "not ours", note=reason))
        elif name not in vectors.read:
            checks.append(replace(missing, array=name))
    return checks


def _limit(limits: list[tuple[str, Limit]], array: str) -> Limit:
    return next((limit for pattern, limit in limits if re.fullmatch(pattern, array)), Limit(0))


def _compare(file: str, array: str, ours: np.ndarray, theirs: np.ndarray, limit: Limit) -> ArrayCheck:
    if ours.shape != theirs.shape:
        return ArrayCheck(file, array, "too different", math.inf, limit, f"shape {ours.shape}, not {theirs.shape}")
    difference = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    allowed = limit.absolute + limit.relative * np.abs(theirs.astype(np.float64))
    if array.endswith("grad_norms"):
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
