"""Golden vectors checked array by array: ``python -m bench parity tests/golden`` prints what differs by how much.

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
    ("", r".*grad_norms", Limit(1e-7, 1e-4)),
    ("", r".*_mm", Limit(0.1)),
    ("", r"x_2d_flip|times_K.*", Limit(0)),
    ("TCN|MixSTE", r".*", Limit(1e-5)),
    ("D3DP|FinePOSE", r"preds", Limit(1e-4)),
    ("FinePOSE", r"xf_.*", Limit(2e-5)),
    ("D3DP|FinePOSE", r".*", Limit(5e-5)),
    ("training losses", r".*", Limit(1e-6)),
    ("diffusion schedule", r".*_f64", Limit(0, 1e-10)),
    ("diffusion schedule", r".*", Limit(1e-5, 1e-6)),
    ("3DHP PCK and AUC", r".*", Limit(1e-3)),
    ("camera and quaternion functions", r"out_image", Limit(1e-3)),
    ("camera and quaternion functions", r".*", Limit(1e-5)),
    ("metrics", r".*_index", Limit(0)),
    ("metrics", r".*", Limit(1e-6)),
    ("", r".*", Limit(0)),
)
"""First match counts: beginning of the file's subject, whole name of the array, limit."""


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
    golden = importlib.import_module("baselines.golden")
    try:
        vectors = golden.Vectors(path)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} is no file of golden vectors: {error}") from error
    subject = vectors.config.get("model") or vectors.config.get("what") or _unnamed(vectors.names)
    case = (golden.CASES | HARNESS_CASES).get(subject)
    if case is None:
        return [ArrayCheck(path.name, name, "unknown", note=f"no case for {subject!r}") for name in vectors.names]
    try:
        outputs, why = case(vectors), None
    except golden.NotInstalledError as error:
        outputs, why = {}, ArrayCheck(path.name, "", "skipped", note=str(error))
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        outputs, why = {}, ArrayCheck(path.name, "", "failed", note=f"{type(error).__name__}: {error}")
    return _compare_all(path.name, subject, vectors, outputs, why)


def _unnamed(names: list[str]) -> str:
    return "metrics" if "out_p_mpjpe" in names else "unnamed"


def _compare_all(
    file: str, subject: str, vectors: Any, outputs: dict[str, Any], why: ArrayCheck | None
) -> list[ArrayCheck]:
    """Checks of all arrays but inputs; ``why`` stands for those that were not computed, if there is a reason."""
    pattern, reason = NOT_OURS.get(subject, ("", ""))
    missing = why or ArrayCheck(file, "", "unknown", note="no case computes it")
    checks = []
    for name in vectors.names:
        if name in outputs:
            output = outputs[name]
            ours = np.asarray(output.detach() if isinstance(output, Tensor) else output)
            checks.append(_compare(file, name, ours, vectors.stored(name), _limit(subject, name)))
        elif re.fullmatch(pattern, name):
            checks.append(ArrayCheck(file, name, "not ours", note=reason))
        elif name not in vectors.read:
            checks.append(replace(missing, array=name))
    return checks


def _limit(subject: str, array: str) -> Limit:
    return next(limit for start, name, limit in LIMITS if re.match(start, subject) and re.fullmatch(name, array))


def _compare(file: str, array: str, ours: np.ndarray, theirs: np.ndarray, limit: Limit) -> ArrayCheck:
    if ours.shape != theirs.shape:
        return ArrayCheck(file, array, "too different", math.inf, limit, f"shape {ours.shape}, not {theirs.shape}")
    difference = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    allowed = limit.absolute + limit.relative * np.abs(theirs.astype(np.float64))
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
