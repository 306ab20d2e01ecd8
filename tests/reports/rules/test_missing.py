"""Experiments without numbers: their reason stands where the numbers would be."""

import pytest

from bench.config.registry import LAYOUTS
from bench.results.record import Missing, Record
from reports.build import build
from reports.rules.comparability import headline, sections
from reports.rules.conditions import sentences
from reports.rules.missing import table_entries
from reports.tables.accuracy.main import measured_methods
from reports.tables.cost.cost import cost
from reports.writers.csv import to_csv
from reports.writers.latex import to_latex
from reports.writers.markdown import to_markdown
from tests.reports.made_up import methods_records, prompt_records, record, runset, sampling_records

REASON = "failed: out of memory: 80 GB were not enough"


def absent(lost, **changes):
    fields = ("id", "training_id", "experiment", "method", "title", "preset", "variant")
    return Missing(**{name: getattr(lost, name) for name in fields} | {"reason": REASON} | changes)


def shown(layout, records, lost):
    table = runset(mine=(layout, records)).tables["mine"]
    return table_entries(table, {r.id: r for r in records if r is not lost}, {lost.id: absent(lost)})


@pytest.mark.parametrize("layout", sorted({*LAYOUTS.own} - {"tuning"}))
@pytest.mark.parametrize("records", [methods_records(), sampling_records(), prompt_records()])
def test_every_layout_shows_the_others(layout, records):
    members = shown(layout, records, records[-1])
    assert [member.id for member in members] == [r.id for r in records]
    table = LAYOUTS.load(layout).table(members, "Mine")
    for form in (to_latex(table, "mine"), to_markdown(table), to_csv(table)):
        assert form


@pytest.mark.parametrize(
    ("layout", "records"),
    [("main", methods_records()), ("sampling", sampling_records()), ("runs", prompt_records())],
)
def test_the_reason_stands_under_the_table(layout, records):
    members = shown(layout, records, records[-1])
    assert REASON in to_markdown(LAYOUTS.load(layout).table(members, "Mine"))


def test_a_variant_keeps_its_name():
    none, full = prompt_records()
    method = {"name": "finepose", "options": {"prompt": "none"}}
    lost = none.model_copy(update={"experiment": none.experiment | {"method": method}})
    rows = to_markdown(LAYOUTS.load("prompts").table(shown("prompts", [lost, full], lost), "Mine"))
    assert "| none | " in rows
    assert "| full | " in rows


def test_another_seed_fills_the_place():
    first, second = record("tcn", seed=0), record("tcn", seed=1)
    (pooled,) = shown("main", [first, second], first)
    assert pooled.values == second.values


def test_the_summary_names_it(tmp_path):
    *kept, lost = methods_records()
    declared = runset(methods=("main", [*kept, lost])).model_copy(update={"missing": {lost.id: absent(lost)}})
    build(declared, {r.id: r for r in kept}, tmp_path)
    text = (tmp_path / "summary.md").read_text()
    assert "FinePOSE (gt, H=10 K=5 seed 0) has no numbers: failed: out of memory" in text
    assert "are not shown" not in text
    assert "What failed is tried again by the same command with --retry-failed" in text


def test_records_of_older_stores_that_say_that_nothing_is_absent_are_read():
    made = record("tcn")
    assert Record.model_validate(made.model_dump() | {"absent": ""}) == made


def test_no_number_of_the_neighbour_is_shown():
    """A run without a record stands beside the most similar one, and takes neither errors nor costs from it."""
    members = [record("tcn", mean=61.5, median=3.21), record("mixste", mean=51.5)]
    for layout in ("main", "cost", "runs", "actions"):
        layouts = [LAYOUTS.load(layout), *LAYOUTS.load(layout).companions]
        for table in (one.table(shown(layout, members, members[1]), "Mine") for one in layouts):
            for row in table.rows():
                if members[1].id in row.runs and len(row.runs) == 1:
                    assert not any(cell.number for cell in row.cells)


def described(made, section, **changes):
    """A record whose description says something else; its conditions stay."""
    return made.model_copy(update={"experiment": made.experiment | {section: made.experiment[section] | changes}})


@pytest.mark.parametrize(("section", "declared", "heading"), [
    ("training", {"selection": "test"}, "selection: test"),
    ("training", {"selection": "last"}, "selection: last"),
    ("training", {"weights": "other.safetensors"}, "selection: published checkpoint"),
    ("training", {"recipe": "published"}, "training recipe: published"),
    ("evaluation", {"tail": "overlap"}, "last windows: overlap of the last two windows counted twice"),
    ("evaluation", {"call": 8}, "p best for each: calls of 8 windows"),
    ("evaluation", {"flip": False}, "flip: no"),
])  # fmt: skip
@pytest.mark.parametrize("neighbour", ["tcn", "mixste"])
def test_it_stands_under_the_protocol_that_was_declared(section, declared, heading, neighbour):
    lost = described(record("tcn", seed=1), section, **declared)
    first, other = sections(shown("main", [record(neighbour), lost], lost))
    assert first[1][0].method == neighbour
    assert (other[0], [entry.id for entry in other[1]]) == (heading, [lost.id])


def test_what_the_description_leaves_open_is_of_the_neighbour():
    """The file of published weights, and that nothing was validated, are known when a run has been made."""
    made, lost = record("tcn"), record("tcn", options={"frames": 9})
    made = made.model_copy(update={"conditions": made.conditions.model_copy(update={"selection": "last"})})
    assert shown("runs", [made, lost], lost)[1].conditions.selection == "last"
    assert (
        shown("runs", [record("mean_pose", selection="last"), lost], lost)[1].conditions.selection == "validation"
    )


def test_an_empty_action_label_is_not_given():
    lost = described(record("finepose", seed=1), "evaluation", actions="empty")
    made, missing = shown("runs", [record("finepose"), lost], lost)
    assert (made.conditions.action_label_given, missing.conditions.action_label_given) == (True, False)


def test_what_the_neighbour_alone_was_told_is_not_said_of_it():
    made, lost = described(record("finepose"), "evaluation", actions="empty"), record("finepose", seed=1)
    notes = {"text encoder": "tiny", "action labels": "empty"}
    conditions = made.conditions.model_copy(update={"notes": notes, "samples": "drawn with H = 20, K = 10"})
    made = made.model_copy(update={"conditions": conditions})
    (missing,) = [entry for entry in shown("runs", [made, lost], lost) if entry.id == lost.id]
    assert missing.conditions.notes == {"text encoder": "tiny"}
    assert missing.conditions.samples == ""


@pytest.mark.parametrize(("options", "shown_frames"), [({}, "81"), ({"frames": 9}, "– (")])
def test_input_frames_are_those_of_the_same_method_under_the_same_options_only(options, shown_frames):
    first, second = record("tcn", seed=0), record("tcn", seed=1, mean=60.0, selection="last", options=options)
    text = to_markdown(LAYOUTS.load("runs").table(shown("runs", [first, second], second), "Mine"))
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {second.id}")]
    assert row.split(" | ")[3].startswith(shown_frames)


def test_a_measured_cost_is_shown_without_numbers():
    lost = record("d3dp", hypotheses=8, median=270.0)
    measured = {"cost": lost.cost, "environment": lost.environment}
    table = runset(mine=("main", [record("tcn"), lost])).tables["mine"]
    missing = {lost.id: absent(lost, reason="left out: too slow", measurement=measured)}
    tcn = record("tcn")
    text = to_markdown(LAYOUTS.load("main").table(table_entries(table, {tcn.id: tcn}, missing), "Mine"))
    (row,) = [line for line in text.splitlines() if line.startswith("| D3DP | P-Agg")]
    assert row.split(" | ")[3:8] == ["27", "8", "1", "1.23", "10.0"]
    assert "left out: too slow" in text


@pytest.mark.parametrize(("method", "size", "words", "name"), [
    ("finepose", {"hypotheses": 10, "steps": 5}, "H = 10, K = 5 (FinePOSE", "P-Agg"),
    ("mixste", {}, "H = K = 1, deterministic", None),
])  # fmt: skip
def test_its_hypotheses_are_those_of_its_method(method, size, words, name):
    """Beside a run of another kind of method."""
    other = record("tcn" if method == "finepose" else "d3dp", hypotheses=1 if method == "finepose" else 5)
    lost = record(method, **size)
    entries = shown("main", [other, lost], lost)
    (condition,) = [text for text in sentences(entries) if text.startswith("Hypotheses and steps")]
    assert words in condition
    assert headline(entries[1]) == name


def test_a_cost_is_that_of_a_run_that_has_one():
    """The run on the other detections failed."""
    lost, made = record("tcn", seed=0), record("tcn", train="gt", test="gt", median=16.2)
    entries = shown("main", [lost, made], lost)
    (row,) = cost(entries, "Costs").rows()
    assert [cell.text for cell in row.cells[5:10]] == ["1.23", "0", "2.50", "0.0926", "16.2"]
    (row,) = [row for row in measured_methods(entries, "Mine").rows() if row.runs]
    assert [cell.text for cell in row.cells[6:8]] == ["1.23", "0.600"]
