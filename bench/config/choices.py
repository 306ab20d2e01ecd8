"""The choices of an evaluation protocol: what each is called in conditions, headings and the protocol audit.

Two papers that choose differently print different numbers for the same weights, so every record says what was
chosen. ``CHOICES`` is the only list: conditions, headings of sections, the register of runs and the audit go
through it. A new choice is one entry here, its option in ``EvaluationSpec``, and the code that acts on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class AuditRow:
    """How the protocol audit shows a choice: a row with the difference that it makes.

    Attributes:
        name, instead: what is compared with what.
        of: the value that the row is about; None for every one that is not usual.
        usual_flatters: the row is "usual minus other"; else it is "other minus usual".
        missing: why a method may have no such row.
    """

    name: str
    instead: str
    of: Any = None
    usual_flatters: bool = False
    missing: str = ""


@dataclass(frozen=True)
class Choice:
    """One choice of the protocol.

    Attributes:
        key: its path in the stored description of an experiment ("evaluation.tail").
        default: its usual value there.
        words: from that value to what ``Conditions`` keeps; None where that takes more than the description to
            know (``bench.job.describe`` then says it).
        heading: in the conditions under a table.
        section: heading where runs that differ in it stand in sections of their own; "" where they need not.
        field: of ``Conditions``; "" for one that is kept by its heading in ``Conditions.choices``.
        aggregation: the one aggregation whose numbers depend on it; None where all may.
        audit: its row in the protocol audit, if it has one of its own.
    """

    key: str
    default: Any
    words: Callable[[Any], Any] | None
    heading: str
    section: str = ""
    field: str = ""
    aggregation: str | None = None
    audit: AuditRow | None = None

    def value(self, description: Mapping[str, Any]) -> Any:
        """Its value in the stored description of an experiment; older ones may lack the key."""
        section, _, key = self.key.partition(".")
        return description.get(section, {}).get(key, self.default)

    def departs(self, description: Mapping[str, Any]) -> bool:
        """Whether an experiment departs from the usual value, and in the way of the audit's row if it has one."""
        value = self.value(description)
        return value != self.default and (self.audit is None or self.audit.of in (None, value))


TAILS = {"dedup": "each frame once", "overlap": "overlap of the last two windows counted twice"}
LABELS = {"given": "", "permuted": "permuted among the training takes", "none": "none, an empty one"}
"""Nothing for the usual ones, so that conditions name only those that are not."""

CHOICES = (
    Choice(
        "evaluation.flip", True, bool, "Flip augmentation at test time", "flip", "flip",
        audit=AuditRow("Flip averaging", "one pass", usual_flatters=True),
    ),
    Choice(
        "evaluation.actions", "given", None, "Action label given at test time", field="action_label_given",
    ),
    Choice("training.labels", "given", LABELS.get, "Action labels in training"),
    Choice(
        "evaluation.tail", "dedup", TAILS.get, "Frames of the last windows", "last windows", "tail",
        audit=AuditRow("Overlap of the last windows counted twice", "each frame once"),
    ),
    Choice(
        "evaluation.call", None, lambda windows: f"calls of {windows} windows" if windows else "window",
        "P-Best chosen for each", "p best for each", "best_over", "P-Best",
        audit=AuditRow(
            "P-Best for each call of several windows†", "P-Best for each window",
            missing="a deterministic method has no hypotheses",
        ),
    ),
    Choice(
        "training.selection", "validation", None, "Checkpoint selection", "selection", "selection",
        audit=AuditRow("Checkpoint chosen on the test set", "on validation takes", of="test"),
    ),
    Choice(
        "training.recipe", None, lambda name: name or "", "Training recipe", "training recipe",
        audit=AuditRow(
            "Trained by the published recipe", "plain training", of="published",
            missing="not run, not known, or usual at this size",
        ),
    ),
)  # fmt: skip
"""In the order of conditions."""


def conditions_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of ``Conditions`` for every choice whose words follow from the stored description alone."""
    stated = [(choice, choice.words(choice.value(description))) for choice in CHOICES if choice.words is not None]
    fields = {choice.field: words for choice, words in stated if choice.field}
    return fields | {"choices": {choice.heading: words for choice, words in stated if words and not choice.field}}
