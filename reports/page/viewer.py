"""Sequences for the pose viewer: ground truth, input, and the prediction of each method."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bench.results.arrays import Examples, RunFiles
from bench.results.grouping import grouped
from bench.results.record import Record
from reports.figures.looks import look_of, looks_of
from reports.rules.comparability import PROPOSED, TRIVIAL
from reports.rules.names import method_name

MOST_METHODS = 24
"""Runs whose poses are shown, in declared order."""

PER_METRE = 1000
PER_WIDTH = 10_000
"""Whole numbers that a metre and the width of a panel are stored as."""

DASHES = {"-": "solid", "--": "dash", ":": "dot"}
"""Line of Matplotlib → of Plotly."""

FURTHER_DASHES = ("dashdot", "longdash", "longdashdot", "10px,2px,2px,2px,2px,2px")
"""Lines of variants, which are hollow elsewhere and have no marker here, and of methods that share a line."""

NONE_KEPT = "No run of this report kept example poses; runs that an older version evaluated have none."

LOST = "Files with poses of {} are missing or damaged: run the same command again, and they are evaluated again."


def poses(records: Sequence[Record], files: RunFiles | None) -> dict[str, Any]:
    """Scenes, one per sequence and input, each with one run of every method; a sentence says what is left out."""
    shown = list(_chosen(records, files)) if files else []
    lost = _lost(records, files) if files else ""
    if not shown:
        return {"note": lost or NONE_KEPT, "scenes": []}
    dashes = _dashes([record for record, _ in shown])
    scenes = [
        _scene([(record, examples) for record, examples in members], number, dashes)
        for members in grouped(shown, lambda pair: _scenery(*pair)).values()
        for number in range(len(members[0][1].keys))
    ]
    left_out = len(records) - len(shown)
    note = f"The first run of every method and variant; {left_out:,} further runs are not shown." * bool(left_out)
    return {"note": " ".join(filter(None, (note, lost))), "scenes": scenes}


def _dashes(records: Sequence[Record]) -> dict[str, str]:
    """``method_name`` of each method and variant → its line in the plot of errors."""
    looks = looks_of(sorted(records, key=lambda record: record.method in TRIVIAL))  # one is drawn like FinePOSE
    found: dict[str, str] = {}
    for name, look in looks.items():
        taken = [dash for other, dash in found.items() if looks[other].colour == look.colour]
        found[name] = min([*[DASHES[look.line]] * look.filled, *FURTHER_DASHES], key=taken.count)
    return found


def _lost(records: Sequence[Record], files: RunFiles) -> str:
    """Says which methods have runs whose poses were kept and are not there; "" for none."""
    names = [
        method_name(record)
        for record in records
        if str(files.examples_path(record.id).relative_to(files.root)) in files.missing(record)
    ]
    return LOST.format(", ".join(dict.fromkeys(names))) if names else ""


def _chosen(records: Sequence[Record], files: RunFiles) -> Iterator[tuple[Record, Examples]]:
    """The first run with poses of every method, variant and input."""
    groups = grouped(records, lambda record: (method_name(record), record.data.label, record.data.test_detections))
    for members in list(groups.values())[:MOST_METHODS]:
        for record in members:
            examples = files.examples(record)
            if examples is not None:
                yield record, examples
                break


def _scenery(record: Record, examples: Examples) -> tuple[str, str, bytes, bytes]:
    """What two runs must share to be shown side by side."""
    return record.data.label, record.data.test_detections, examples.target.tobytes(), examples.pose_2d.tobytes()


def _scene(members: Sequence[tuple[Record, Examples]], number: int, dashes: Mapping[str, str]) -> dict[str, Any]:
    record, examples = members[0]
    rows = examples.sequence == number
    frames = examples.frame[rows]
    every = int(np.median(np.diff(frames))) if len(frames) > 1 else 1
    return {
        "title": f"{examples.keys[number]} ({record.data.label}, {record.data.test_detections})",
        "frames": len(frames),
        "fps": float(examples.fps[number]) / max(1, every),
        "parents": examples.parents.tolist(),
        "right": examples.right.tolist(),
        "truth": stored(examples.target[rows], PER_METRE),
        "input": stored_input(examples.pose_2d[rows]),
        "methods": [
            _method(record, examples, rows) | {"dash": dashes[method_name(record)]} for record, examples in members
        ],
    }


def _method(record: Record, examples: Examples, rows: np.ndarray) -> dict[str, Any]:
    several = examples.hypotheses[rows]
    name = method_name(record) + " P-Agg" * bool(several.shape[1])
    apart = examples.answer[rows].astype(np.float64) - examples.target[rows]
    distances = np.nan_to_num(np.linalg.norm(apart, axis=-1))
    return {
        "run": record.id,
        "proposed": record.method in PROPOSED and not record.variant,
        "variant": bool(record.variant),
        "name": name,
        "label": html.escape(name, quote=False),  # Plotly reads some tags
        "colour": look_of(record.method).colour,
        "errors": (PER_METRE * distances.mean(axis=1)).round(2).tolist(),
        "answer": stored(examples.answer[rows], PER_METRE),
        "hypotheses": [stored(several[:, h], PER_METRE) for h in range(several.shape[1])],
    }


def stored_input(screen: np.ndarray) -> dict[str, Any]:
    """Places in widths of a panel from its middle, such that the clip ``[N, J, 2]`` fills most of it."""
    low, high = np.nanmin(screen, axis=(0, 1)), np.nanmax(screen, axis=(0, 1))
    return stored(0.9 * (screen - (low + high) / 2) / max(*(high - low), 1e-6), PER_WIDTH)


def stored(array: np.ndarray, unit: int) -> dict[str, Any]:
    """Whole numbers, each frame as its difference to the one before: small numbers compress well."""
    flat = np.nan_to_num(array.astype(np.float64).reshape(len(array), -1) * unit).round().astype(int)
    return {"size": flat.shape[1], "differences": np.diff(flat, axis=0, prepend=0).ravel().tolist()}
