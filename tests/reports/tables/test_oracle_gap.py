"""What the oracles are ahead of deployable aggregations by, from made-up runs."""

import pytest

from reports.tables.accuracy.oracle_gap import oracle_gap
from reports.writers.markdown import to_markdown
from tests.reports.tables.test_protocol_audit import evaluated


def test_oracles_are_ahead_by_a_paired_difference() -> None:
    table = oracle_gap([evaluated("tcn", 62), evaluated("d3dp", 50)], "Gaps")
    rows = {row.cells[1].text: row.cells for row in table.rows()}
    assert set(rows) == {"P-Agg", "J-Agg‡"}, "oracles and deterministic methods have no row"
    p_agg, p_best, j_best = (cell.number for cell in rows["P-Agg"][6:9])
    assert p_agg == pytest.approx(50, abs=2)
    assert 0 < p_best < j_best
    assert rows["P-Agg"][7].low == pytest.approx(p_best), "the takes cancel"
    assert rows["J-Agg‡"][10].reason == "it needs ground truth, so it cannot be deployed"
    text = to_markdown(table)
    assert "paired by take" in text
    assert "P-Best†" in text


def test_the_time_of_an_aggregation_is_printed() -> None:
    record = evaluated("d3dp", 50)
    cost = record.cost.model_copy(update={"aggregation_ms": {"P-Agg": 0.125}})
    (cells, *_) = (row.cells for row in oracle_gap([record.model_copy(update={"cost": cost})], "Gaps").rows())
    assert cells[10].text == "0.125"
    (cells, *_) = (row.cells for row in oracle_gap([record], "Gaps").rows())
    assert cells[10].reason == "not measured in this run"
