"""``python -m tests.parity.fidelity``: write the tables of docs/fidelity.md anew.

They are of the golden files (outputs, and steps of training) and of the published recipes. The rest of the page
is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import groupby

from tests import GOLDEN, ROOT
from tests.parity import recipes
from tests.parity.check import ArrayCheck, check_file, golden_files

PAGE = ROOT / "docs" / "fidelity.md"
WINDOWS = "train_windows.npz"
"""The file that is named as those of training steps are, and holds none."""


def main() -> int:
    """Check all golden files and write the page.

    Returns:
        The exit code: 0 when everything is good, 1 when an array differs or is unknown, or a recipe is not what
        its table says; the page is written all the same.
    """
    checks = [check for path in golden_files([GOLDEN]) for check in check_file(path)]
    steps = [check for check in checks if _holds_steps(check.file)]
    outputs = [check for check in checks if not _holds_steps(check.file)]
    text = PAGE.read_text(encoding="utf-8")
    text = with_table(text, "outputs", golden_table(outputs))
    text = with_table(text, "training", golden_table(steps))
    text = with_table(text, "recipes", recipe_tables())
    PAGE.write_text(text, encoding="utf-8")
    good = all(check.good for check in checks) and all(line.holds for _, lines in _recipes() for line in lines)
    return 0 if good else 1


def _holds_steps(file: str) -> bool:
    return file.startswith(("train_", "optimizers")) and file != WINDOWS


def with_table(text: str, name: str, table: str) -> str:
    """A page with a table between ``<!-- name -->`` and ``<!-- /name -->`` put in place of the one there."""
    before, opening, rest = text.partition(f"<!-- {name} -->\n")
    _, closing, after = rest.partition(f"<!-- /{name} -->")
    if not closing:
        raise ValueError(f"{PAGE} has no place for {name}")
    return f"{before}{opening}\n{table}\n\n{closing}{after}"


def golden_table(checks: Iterable[ArrayCheck]) -> str:
    """A row for every file: how many arrays are compared, and the one that comes nearest to its limit."""
    lines = [
        "| file | arrays | nearest to its limit | largest difference | limit | |",
        "| --- | ---: | --- | ---: | ---: | --- |",
    ]
    left_out: list[str] = []
    for file, group in groupby(checks, key=lambda check: check.file):
        members = list(group)
        compared = [check for check in members if check.limit is not None]
        outcome = "ok" if all(check.good for check in members) else "differs"
        skipped = {check.note for check in members if check.status == "skipped"}
        if skipped:
            outcome = f"skipped: {'; '.join(sorted(skipped))}"
        nearest = max(compared, key=lambda check: check.share, default=None)
        cells = ["", "", ""]
        if nearest is not None and nearest.share == 0:
            cells = ["all equal", "0", str(nearest.limit)]
        elif nearest is not None:
            cells = [nearest.array, f"{nearest.difference:.1e}", str(nearest.limit)]
        lines.append(f"| {file} | {len(compared)} | {' | '.join(cells)} | {outcome} |")
        for note, others in groupby(
            sorted((check.note, check.array) for check in members if check.status == "not ours"),
            key=lambda pair: pair[0],
        ):
            left_out.append(f"- {file}, not compared: {', '.join(array for _, array in others)}; {note}.")
    return "\n".join([*lines, *(["", *left_out] if left_out else [])])


def recipe_tables() -> str:
    """A table for every method: item, published value and its source, ours, and whether they are equal."""
    parts = []
    for title, lines in _recipes():
        parts += [f"### {title}", "", "| item | published | source | here | |", "| --- | --- | --- | --- | --- |"]
        for line in lines:
            outcome = line.outcome if line.holds else f"**not so**: {line.outcome}"
            parts.append(f"| {line.item} | {line.published} | {line.source} | {line.ours} | {outcome} |")
        parts.append("")
    return "\n".join(parts).rstrip()


def _recipes() -> list[tuple[str, list[recipes.Line]]]:
    return [(title, recipes.compare(name, recipes.read_table(name))) for name, title in recipes.methods().items()]


if __name__ == "__main__":
    sys.exit(main())
