"""One function per layout of a table: from the records that a declared ablation names to the table it prints.

A new layout is one function ``(records, title) -> Table`` and one line in ``LAYOUTS``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.results.record import Record
from reports.tables.breakdown import actions, activities, sequences
from reports.tables.cost import cost
from reports.tables.main import main_and_reported, pck
from reports.tables.oracle_gap import gaps
from reports.tables.pareto import pareto
from reports.tables.protocol_audit import audit
from reports.tables.runs import runs
from reports.tables.sampling import sampling
from reports.tables.scaling import scaling
from reports.tables.tuning import validation
from reports.tables.variants import prompts, variants
from reports.writers.table import Table

Layout = Callable[[Sequence[Record], str], Table]

LAYOUTS: dict[str, Layout] = {
    "main": main_and_reported,
    "pck": pck,
    "prompts": prompts,
    "variants": variants,
    "cost": variants,
    "sampling": sampling,
    "pareto": pareto,
    "gaps": gaps,
    "actions": actions,
    "sequences": sequences,
    "activities": activities,
    "audit": audit,
    "tuning": validation,
    "scaling": scaling,
    "runs": runs,
}

COMPANION_LAYOUTS = LAYOUTS | {"cost": cost}
