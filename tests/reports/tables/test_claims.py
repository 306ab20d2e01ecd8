"""The table of claims, and where a report shows it."""

from bench.results.run_set import RunSet
from reports.build import build
from reports.rules.claims import judge
from reports.tables.evidence.claims import claims_table
from reports.writers.paper import PaperTable, to_paper
from tests.reports.rules.test_claims import claim_of, runs


def test_a_claim_is_printed_with_reported_and_measured_difference_and_source():
    good, bad = runs("finepose", 40, range(3)), runs("tcn", 60, range(3))
    stated = {"reported": -14.6, "conditions": "CPN", "source": "poster"}
    claims = [claim_of(good, bad, **stated), claim_of(bad, good)]
    table = claims_table(judge(claims, {record.id: record for record in good + bad}), "Claims")
    first, second = table.rows()
    assert all(table.headers), "the page has a button in each"
    assert [cell.text for cell in first.cells][:3] == ["1", "One is better than the other", "−14.6"]
    assert first.cells[3].text.startswith("−")
    assert [row.cells[5].text for row in (first, second)] == ["supported", "refuted"]
    assert second.cells[2].reason == "not reported"
    assert any("(1) CPN; poster" in note for note in table.notes)
    assert first.runs == tuple(record.id for record in good + bad)


def test_a_paper_prints_every_claim_and_what_its_numbers_are():
    good, bad = runs("finepose", 40, range(3)), runs("tcn", 60, range(3))
    untested = claim_of(good, bad).model_copy(update={"better": ("0" * 16,)})
    table = claims_table(judge([claim_of(good, bad), untested], {r.id: r for r in good + bad}), "Claims")
    text = to_paper(table, "claims", PaperTable())
    assert [line.partition(" ")[0] for line in text.splitlines() if line.endswith(r"\\")][-2:] == ["1", "2"]
    note = " ".join(text.partition(r"\scriptsize\raggedright")[2].split())
    for said in ("reported: by the papers, of other data", "Holm, 5", "Data: Made-up data", "Intervals over: "):
        assert said in note


def test_a_report_begins_with_its_claims(tmp_path):
    good, bad = runs("finepose", 40, range(3)), runs("tcn", 60, range(3))
    records = {record.id: record for record in good + bad}
    spec = RunSet.Table(title="Claims", layout="claims", ids=tuple(records), claims=(claim_of(good, bad),))
    runset = RunSet(tables={"claims": spec}, command="bench ablate", created_at="2026-01-01T00:00:00+00:00")
    build(runset, records, tmp_path)
    summary = (tmp_path / "summary.md").read_text()
    assert summary.index("Of 1 claims: 1 supported") < summary.index("## Runs") < summary.index("## Tables")
    assert "| supported |" in (tmp_path / "tables" / "claims.md").read_text()
    assert "supported" in (tmp_path / "tables" / "claims.tex").read_text()


def test_a_file_without_claims_says_so(tmp_path):
    records = {record.id: record for record in runs("tcn", 60, [0])}
    spec = RunSet.Table(title="Claims", layout="claims", ids=tuple(records))
    runset = RunSet(tables={"claims": spec}, command="bench ablate", created_at="2026-01-01T00:00:00+00:00")
    build(runset, records, tmp_path)
    assert "No claims are declared." in (tmp_path / "tables" / "claims.md").read_text()
    assert "Of " not in (tmp_path / "summary.md").read_text().partition("## Tables")[0]
