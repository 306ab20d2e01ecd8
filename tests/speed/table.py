"""The table of targets, as text and as the small JSON that is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests import ROOT

RESULTS = ROOT / "docs" / "results"

Row = dict[str, Any]


def saved_path(device: str) -> Path:
    """Where the kept results of a device lie, by its name: results of different devices never mix."""
    return RESULTS / f"benchmarks-{re.sub('[^a-z0-9]+', '-', device.lower()).strip('-')}.json"


def read_saved(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def rows_of(extra_infos: Iterable[dict[str, Any]]) -> list[Row]:
    """Rows of benchmarks, from what the fixture ``outcome`` left in their extra information."""
    return [row for info in extra_infos for row in info.get("outcomes", ())]


def verdict(row: Row) -> str:
    if "passed" not in row:
        return ""
    return "pass" if row["passed"] else "falls short"


def cells(row: Row) -> tuple[str, str, str, str]:
    return row["what"], row["target"], row["measured"], verdict(row)


def text_table(rows: list[Row], saved: list[Row] | None = None) -> str:
    """Aligned columns; with ``saved`` rows, what they measured and the change of the value since."""
    lines = [("what", "target", "measured", ""), *map(cells, rows)]
    if saved is not None:
        before = {row["what"]: row for row in saved}
        kept = [("saved", "change"), *(change(row, before.get(row["what"])) for row in rows)]
        lines = [(*line, *more) for line, more in zip(lines, kept, strict=True)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def change(row: Row, saved: Row | None) -> tuple[str, str]:
    if saved is None:
        return "none", ""
    if not saved.get("value") or "value" not in row:
        return saved["measured"], ""
    return saved["measured"], f"{100 * (row['value'] / saved['value'] - 1):+.0f} %"
