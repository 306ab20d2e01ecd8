"""The tables of docs/gpu.md are those of the plan: all rows and totals."""

from tests.parity.fidelity import with_table
from tests.speed.operations import PAGE, tables


def test_the_page_has_what_the_plan_says():
    page = PAGE.read_text(encoding="utf-8")
    for name, table in tables().items():
        assert table in page
        assert with_table(page, name, table) == page
