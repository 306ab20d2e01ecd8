"""From pytest-benchmark's JSON to the small file that is kept, and from kept files to docs/performance.md.

``python -m tests.speed.page FILE …`` keeps the results in these files, several parts of one run as one;
without files, only the page is written again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from bench.measure.environment import device_name, environment
from tests.speed.profile import KINDS
from tests.speed.table import RESULTS, cells, read_saved, rows_of, saved_path

PAGE = RESULTS.parent / "performance.md"

HEAD = """\
# Performance

"The reference" is a plain implementation of the same method that was written for these benchmarks
(`tests/speed/reference`: attention matrices stored, copies between spatial and temporal blocks, two passes for
flipping, text encoded in every call), not the published code. A ratio to it is of one run, at the same weights
and with equal outputs, the two in turns (A B A B): the median of the pairs, with its 95 % interval by order
statistics, of fewer than six pairs their range. A pair in which something else took CPU time is left out, and the
row says so.
This page is written by `nox -s speed` and then `nox -s performance`.
"""

NOTES = """\
- A row stays until it is measured anew, so that rows may be of several runs.
- The peak of matrix products is measured between the rounds, on a CPU with 2,048 × 2,048 float32 matrices and by
  the faster of two ways: the product of the BLAS, and a one-point convolution; large linear
  layers are convolutions where these were measured to be clearly faster on this machine.
- Text goes through an encoder of CLIP's size with random weights; time does not depend on their values.
- Memory: how far the resident memory of a process of its own peaks during one prediction over what it has once the
  weights are loaded, from a model with one pair of blocks, because eight peak as one does.
- Sampling time in the row of aggregations is that of two passes over a window (plain, mirrored) times K times H.
- A training step is forward pass, backward pass and AdamW; the reference runs in the same process, so that it has
  the memory that is kept (below) too.

## Why training is not 1.3× as fast

Both compute the same matrix products with the same library. At `paper` size linear layers take 79 % of the
reference's step: were all the rest free, a step would be 1.27× as fast. At 27 frames, 256 channels and 4 blocks
they take 72 %, which allows 1.39×. At `tiny` they take 23 %; most of a step is the calling of some hundred
small operations, which `training.compile` makes fewer: 1.24× beside the usual step, for a minute of compiling.
On a CPU with bf16 instructions `training.precision: bf16` makes the matrix products faster: 1.59× at `paper`.
These shares are of the AMD EPYC with AVX2, where gradients that are written out gain nothing at `tiny`; on the
other AMD EPYC, above, they gained 8 to 10 %.

## The reference beside the published code

Both against one earlier state of this suite, before convolutions had gradients written out, measured once; above
1, that state was faster. The published code was measured on 2026-11-28, the reference on 2026-11-29, on two
virtual machines of one kind (AMD EPYC, 2 cores, torch 2.13.0), whose speeds differ: matrix products reached 157
and 175 GFLOP/s.

| D3DP | published code | reference |
|---|---|---|
| `tiny`, evaluation of 33 windows, H=5, K=5, flip | 1.02 | 0.98 |
| `tiny`, training step (of 14 windows; of 8) | 1.08 | 0.96 |
| 27 frames, 256 channels, 4 blocks, training step of 16 windows | 0.75 (1.02 without convolutions) | 1.09 |
| `paper`, training step (of 1 window; of 2) | 0.82 (1.12 without convolutions) | 1.17 |

Evaluation at `tiny` agrees within 4 %. In training the two machines disagree on what the gradients of convolutions
cost, so that the column of the published code says nothing of today's state there; at `tiny`, which has none, the
reference is the faster of the two. At `paper` size, predictions were not compared on an undisturbed machine.

## Freed memory is kept

On Linux, processes that train or predict let glibc keep the memory that tensors free (`keep_freed_memory` in
`bench/devices.py`; variables `MALLOC_...` in the environment have precedence). Otherwise each large tensor takes
new pages, which the system clears. A training step of D3DP in a process of its own, as glibc does by itself → as
here; AMD EPYC, 2 threads (`tiny`: 1), `python -m tests.speed.footprint training SIZE KEPT`:

| size | windows | step | page faults a step | resident, peak | resident, after a step |
|---|---|---|---|---|---|
| `tiny` | 8 | 14.2 → 12.2 ms | 108 → 9 | 346 → 357 MB | 346 → 357 MB |
| 27 frames, 256 channels, 4 blocks | 16 | 1.31 → 1.26 s | 25,075 → 7,348 | 1,484 → 1,541 MB | 1,356 → 1,541 MB |

A process therefore stays as large as it once had to be. The memory that is reported of a prediction is counted
from its tensors and does not depend on this.
"""


SIDES = {"reference": "reference", "product": "this suite"}
"""Name of a side in what is kept → in the tables."""

PROFILES = {
    "profiles": "### Where the time of a prediction goes\n\nPercent of a pass over one window at `paper` size.",
    "training_profiles": "### Where the time of a training step goes\n\nPercent of D3DP's step.",
}
"""What is kept → the words above its table."""


TABLES = {
    "default run": """\
### Where the time of a default run goes

The first round of `nox -s ablate` in one process, without workers. `python -m tests.speed.default_run`.""",
    "shapes": """\
### Linear layers as convolutions

How many times as fast as a product, without gradients and in a step with them: medians of seven pairs and their
range. Large layers are convolutions where a first measurement, which is kept, says that these are clearly faster.
`python -m tests.speed.shapes`.""",
    "experiments": """\
### Growth with the number of experiments

Toy experiments that compute nothing: seconds of CPU time / megabytes that the process grows by, and p of a growth
with n^p over the upper half of the numbers. `python -m tests.speed.growth experiments`.""",
    "sizes": """\
### Growth of a prediction and a training step

D3DP at `tiny`: milliseconds of CPU time / megabytes of tensors alive at once, and p of a growth with n^p over the
upper half of the sizes. `python -m tests.speed.growth sizes`.""",
}
"""What is measured by a program of its own → the words above its tables."""


def keep(paths: list[Path]) -> Path:
    """Distil results of this machine into the file that is kept; rows that are measured anew replace kept ones."""
    found = [benchmark for path in paths for benchmark in read_saved(path)["benchmarks"]]
    infos = [(benchmark["name"], benchmark["extra_info"]) for benchmark in found]
    gpus = {info["device"] for _, info in infos if "device" in info}
    machine = environment("cpu")
    device = next(iter(gpus), machine.device)
    path = saved_path(device)
    kept = read_saved(path) if path.exists() else {"rows": [], "profiles": {}}
    rows = {row["what"]: row for row in [*kept["rows"], *rows_of(info for _, info in infos)]}
    profiles = {name.partition("[")[2].rstrip("]"): info["profile"] for name, info in infos if "profile" in info}
    training = {size: shares for _, info in infos for size, shares in info.get("training_profile", {}).items()}
    content = {
        "device": device,
        "threads": max((info.get("threads") or 0 for _, info in infos), default=0),
        "versions": machine.versions,
        "command": f"nox -s speed{' -- --device cuda' if gpus else ''}",
        "rows": list(rows.values()),
        "profiles": kept["profiles"] | profiles,
        "training_profiles": kept.get("training_profiles", {}) | training,
        "tables": kept.get("tables", {}),
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def keep_tables(what: str, tables: str) -> None:
    """Keep tables, of a key of ``TABLES``, beside the benchmarks of this machine, and write the page anew.

    Raises:
        SystemExit: there are none yet.
    """
    path = saved_path(device_name(torch.device("cpu")))
    if not path.exists():
        sys.exit(f"{path} is not there: run nox -s speed and nox -s performance first")
    content = read_saved(path)
    content.setdefault("tables", {})[what] = tables
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    main([])


def page(kept: list[dict[str, Any]]) -> str:
    """The page in Markdown."""
    parts = [HEAD]
    for results in kept:
        parts += [f"## {results['device']}\n", _conditions(results), _table(results["rows"])]
        for kept_as, title in PROFILES.items():
            parts += [_profiles(title, results[kept_as])] if results.get(kept_as) else []
        for what, title in TABLES.items():
            parts += [f"{title}\n\n{results['tables'][what]}\n"] if what in results.get("tables", {}) else []
    if not any("cuda" in results["command"] for results in kept):
        parts.append(
            "## GPU\n\nNot measured: `nox -s speed -- --device cuda` on a machine with one fills this in.\n"
        )
    return "\n".join([*parts, "## How to read it\n", NOTES])


def _conditions(results: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return f"`{results['command']}`, {results['threads']} threads; {versions}.\n"


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["| what | target | measured | |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(cells(row))} |" for row in rows), ""])


def _profiles(title: str, profiles: dict[str, dict[str, dict[str, float]]]) -> str:
    names = [(what, side) for what in profiles for side in SIDES]
    lines = [
        f"{title}\n",
        f"| | {' | '.join(f'{what}, {SIDES[side]}' for what, side in names)} |",
        "|---|" + "---|" * len(names),
    ]
    for kind in (*KINDS, "other"):
        shares = [profiles[what][side].get(kind, 0.0) for what, side in names]
        if any(shares):
            lines.append(f"| {kind} | {' | '.join(f'{share:.1f}' for share in shares)} |")
    return "\n".join([*lines, ""])


def main(paths: list[str]) -> None:
    if paths:
        print(keep([Path(path) for path in paths]))
    kept = [read_saved(path) for path in sorted(RESULTS.glob("benchmarks-*.json"))]
    PAGE.write_text(page(kept), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
