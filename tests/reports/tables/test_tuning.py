from reports.tables.tuning import tuning
from reports.writers.csv import to_csv
from tests.reports.made_up import record


def test_trainings_are_compared_by_validation_error_alone():
    records = [
        record("tcn", mean=mean, variant=name, options={"rate": mean}) for mean, name in ((60, "a"), (50, "b"))
    ]
    rated = [r.model_copy(update={"experiment": r.experiment | {"training": RATE}}) for r in records]
    unvalidated = record("tcn", variant="c", selection="last")
    unrated = unvalidated.model_copy(update={"experiment": unvalidated.experiment | {"training": RATE | LAST}})
    table = tuning([*rated, unrated], "Tuning")
    best = [row.cells[-1] for row in table.rows()]
    assert [(cell.text, cell.rank) for cell in best] == [("62.0", 0), ("52.0", 0), ("", 0)], "one training each"
    assert best[2].reason == "not validated"
    test_error = f"{records[0].values[0].action_mean}"
    assert test_error not in to_csv(table)


RATE = {"learning_rate": 0.004, "seed": 0, "selection": "validation"}
LAST = {"selection": "last"}
