"""Action labels that are not the true ones: if a method's prompts matter, its error must move."""

from __future__ import annotations

from collections.abc import Iterable

from bench.config.experiment import ActionLabels
from models.errors import InputError

UNRELATED = (
    "Granite", "Violet", "Teapot", "Cloud", "Ledger", "Copper", "Anthem", "Harbour", "Pepper", "Lantern", "Quartz",
    "Meadow", "Sonnet", "Button", "Glacier",
)  # fmt: skip
"""Words that name no motion; the action classes get them in alphabetical order, beginning again after the last."""


def substitutes(labels: ActionLabels, classes: Iterable[str]) -> dict[str, str]:
    """True action class → the label that the method is given instead.

    Args:
        labels: "given", the true ones; "wrong", a fixed derangement (each class takes the alphabetically next
            one's, the last the first one's); "empty"; "random", words that name no motion.
        classes: of the test set.

    Raises:
        InputError: "wrong" with fewer than two classes.
    """
    names = sorted(set(classes))
    if labels == "given":
        return {name: name for name in names}
    if labels == "empty":
        return dict.fromkeys(names, "")
    if labels == "random":
        return {name: UNRELATED[number % len(UNRELATED)] for number, name in enumerate(names)}
    if len(names) < 2:
        raise InputError(f"evaluation.actions is 'wrong', but the test set has one action class ({names[0]})")
    return dict(zip(names, names[1:] + names[:1], strict=True))
