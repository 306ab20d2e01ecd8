"""Points between two steps of the suite, by name, at which it is killed.

Each is the first or the last operation of a command that looks like a pattern; the command is killed before it.
The enumeration goes through all operations, so these are among them; here they have names and are never left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tests.chaos.faults import Operation


@dataclass(frozen=True)
class Point:
    """Where a command is killed: before an operation.

    Attributes:
        situation: key of ``SITUATIONS``.
        pattern: of the operation's label.
        which: of the operations that look so.
    """

    situation: str
    pattern: str
    which: Literal["first", "last"] = "first"

    def number(self, operations: tuple[Operation, ...]) -> int:
        """Number of the operation; a ValueError where there is none."""
        found = [n for n, operation in enumerate(operations) if re.fullmatch(self.pattern, operation.label)]
        if not found:
            raise ValueError(f"{self.situation}: no operation looks like {self.pattern!r}")
        return found[0 if self.which == "first" else -1]


POINTS = {
    "before the state of a training has its name": Point("sweep", r"rename trainings/ID/state\.pt"),
    "in a training, between two states": Point("sweep", r"rename trainings/ID/state\.pt", "last"),
    "in a training, between state and weights": Point("sweep", r"open to write trainings/ID/\.weights.*"),
    "in a training, between weights and their description": Point(
        "sweep", r"open to write trainings/ID/\.training.*"
    ),
    "between a training and the end of its state": Point("sweep", r"remove trainings/ID/.*", "last"),
    "between the arrays of an evaluation": Point("sweep", r"open to write examples/\..*"),
    "between the arrays of an evaluation and its numbers": Point("sweep", r"open to write evaluations/\..*"),
    "before the first cost": Point("sweep", r"open to write prices/\..*"),
    "between an evaluation and MLflow": Point("sweep", r"open to write locks/log\.lock.*"),
    "between a run of MLflow and its artifacts": Point("sweep", r"open to write artifacts/ID/artifacts/.*"),
    "within the artifacts of a run": Point("sweep", r"open to write artifacts/ID/artifacts/record\.json", "last"),
    "between MLflow and the record": Point("sweep", r"open to write records/\..*"),
    "between the record and the end of its evaluation": Point("sweep", r"remove evaluations/ID\.json"),
    "between two experiments that are logged": Point("sweep", r"open to write records/\..*", "last"),
    "in fold, before the index": Point("sweep", r"open to write \.index\.parquet.*"),
    "in fold, before the index has its name": Point("sweep", r"rename index\.parquet"),
    "in fold, between the index and the end of its records": Point("sweep", r"remove records/ID\.json"),
    "in fold, within the end of its records": Point("sweep", r"remove records/ID\.json", "last"),
    "between the index and the results": Point("sweep", r"open to write \.runset\.json.*"),
    "within the report": Point("sweep", r"rename report\.tex"),
    "in a rebuild, before it reads MLflow": Point("rebuild", r"connect mlflow\.db"),
    "in a rebuild, within reading": Point("rebuild", r"open to read artifacts/.*", "last"),
    "in a rebuild, before the index": Point("rebuild", r"open to write \.index\.parquet.*", "last"),
    "in a rebuild, before the index has its name": Point("rebuild", r"rename index\.parquet", "last"),
    "in a rebuild, after the index": Point("rebuild", r"open to read runset\.json"),
    "in a migration, before the index": Point("older store", r"open to write \.index\.parquet.*"),
    "in a migration, before the index has its name": Point("older store", r"rename index\.parquet"),
    "in a migration, after the index": Point("older store", r"remove records/ID\.json"),
    "in a deletion, between MLflow and the arrays": Point("delete", r"remove errors/ID\.npz"),
    "in a deletion, before the index has its name": Point("delete", r"rename index\.parquet"),
    "in a deletion, between the index and the training": Point("delete", r"remove trainings/ID/training\.json"),
    "in gc, between MLflow and the arrays": Point("gc", r"remove errors/ID\.npz"),
    "in gc, between two trainings": Point("gc", r"remove trainings/ID/training\.json", "last"),
    "in an export, within the archive": Point("export", r"open to read trainings/.*", "last"),
    "in an export, before the archive has its name": Point("export", r"rename runs\.zip"),
    "in an import, between arrays and record": Point("import", r"open to write records/\..*"),
    "in an import, between weights and their description": Point(
        "import", r"open to write trainings/ID/\.training.*"
    ),
    "in an import, before the index has its name": Point("import", r"rename index\.parquet"),
    "in an import, between the index and MLflow": Point("import", r"open to write artifacts/ID/artifacts/.*"),
}
"""Name → point."""
