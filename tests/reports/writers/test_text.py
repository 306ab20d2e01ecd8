"""Tables as plain text."""

from reports.writers.table import Block, Cell, Column, Row, Table
from reports.writers.text import to_text

COLUMNS = (Column("Method", align="l"), Column("By", align="l"), Column("Frames"), Column("MPJPE", "DET"))


def table(*rows):
    return Table("Results", COLUMNS, (Block(tuple(Row(cells) for cells in rows), section="Deployable"),))


TWO = table(
    (Cell("TCN"), Cell("mean"), Cell("27"), Cell("63.6", spread="3.1", rank=1)),
    (Cell("FinePOSE"), Cell("P-Agg"), Cell("9"), Cell(reason="not yet run")),
)


def test_columns_are_aligned():
    assert to_text(TWO) == (
        "Results\n"
        "Method    By     Frames        DET MPJPE\n"
        "  Deployable\n"
        "TCN       mean       27  63.6 ± 3.1 best\n"
        "FinePOSE  P-Agg       9                –"
    )


def test_what_is_too_wide_loses_columns_from_the_third_on():
    assert to_text(TWO, width=39).splitlines()[1] == "Method    By           DET MPJPE"


def test_only_what_was_measured_is_shown_beside_what_was_published():
    measured = Row((Cell("TCN"), Cell("mean"), Cell("27"), Cell("63.6")), runs=("a" * 16,))
    published = Block(
        (Row((Cell("Another method"), Cell(), Cell(), Cell("36.5"))),), section="Reported", reported=True
    )
    both = Table("Results", COLUMNS, (Block((measured,)), published))
    assert to_text(both).splitlines()[2:] == ["TCN     mean      27       63.6"]
