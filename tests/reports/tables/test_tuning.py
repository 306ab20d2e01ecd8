from reports.rules.missing import table_entries
from reports.tables.runs.tuning import LAYOUT, tuning
from reports.writers.csv import to_csv
from tests.reports.made_up import record, runset


def test_trainings_are_compared_by_validation_error_alone():
    records = [
        record("tcn", mean=mean, variant=name, options={"rate": mean}) for mean, name in ((60, "a"), (50, "b"))
    ]
    rated = [r.model_copy(update={"experiment": r.experiment | {"training": RATE}}) for r in records]
    unvalidated = record("tcn", variant="c", selection="last")
    unrated = unvalidated.model_copy(update={"experiment": unvalidated.experiment | {"training": RATE | LAST}})
    table = tuning([*rated, unrated], "Tuning")
    best = [row.cells[-1] for row in table.rows()]
    assert [cell.text for cell in best] == ["52.0", "62.0", ""], "one training each, the best first"
    assert best[2].reason == "not validated"
    first = [cell.text or cell.reason for cell in next(table.rows()).cells[2:7]]
    assert first == ["8", "0.004", "not stated by the recipe", "0.8", "0"]
    test_error = f"{records[0].values[0].action_mean}"
    assert test_error not in to_csv(table)


def test_trainings_with_other_seeds_have_rows_of_their_own():
    """Finalists are trained again with them: the error that a finalist was chosen by is not the one to report."""
    made = [record("tcn", mean=mean, seed=seed) for seed, mean in enumerate((50, 51, 52))]
    spec = runset(search=("tuning", made)).tables["search"]
    entries = table_entries(spec, {one.id: one for one in made}, {}, LAYOUT.pooled)
    assert [row.cells[6].text for row in tuning(entries, "Tuning").rows()] == ["0", "1", "2"]
    assert not LAYOUT.in_overall, "figures of all runs show errors of the test set"


RATE = {"learning_rate": 0.004, "batch_windows": 8, "compute": 0.8, "seed": 0, "selection": "validation"}
LAST = {"selection": "last"}
