"""The check of learned results against trivial predictors, as the summary says it."""

import numpy as np

from reports.summary import trivial_check
from tests.reports.made_up import record, several


def test_trivial_check_is_plain():
    trivial = [
        several(record("mean_pose", selection="last"), (0,)),
        several(record("nearest_pose", mean=60.0), (0,)),
    ]
    good, bad = several(record("mixste", mean=50.0)), several(record("d3dp", mean=70.0))
    near = several(record("tcn", mean=59.0), spread=3.0)
    bar = "the best trivial predictor (Nearest pose, MPJPE 60.0 mm)"
    where = "Made-up data, DET: cpn, all: "
    said = trivial_check([*trivial, good])
    assert said == [
        f"{where}yes, all 1 results of learned methods beat {bar}.",
        f"{where}yes, all 1 results of learned methods beat {bar.replace('MPJPE 60', 'P-MPJPE 48')}.",
    ]
    assert trivial_check([*trivial, good, near, bad])[0] == (
        f"{where}1 of 3 results of learned methods beat {bar}. **Not better: D3DP (H = 1, K = 1) 70.0 mm.** "
        "Better, but not distinguishable by the paired difference: TCN (H = 1, K = 1) 59.0 mm."
    )
    once = several(record("mixste", mean=50.0), (0,))
    assert trivial_check([*trivial, once]) == said, "a predictor without a training has no luck of a seed"
    (unchecked,) = trivial_check([good])
    assert "not checked" in unchecked
    (other,) = trivial_check([record("mean_pose", label="Other"), good])
    assert "not checked" in other


def test_trivial_check_is_of_the_numbers_that_tables_print():
    """MPI-INF-3DHP's numbers are means over frames; the mean over sequences may say otherwise."""

    def on_3dhp(method, long, short):
        """One long take, and others that are short."""
        made = record(method)
        takes = [
            take.model_copy(update={"frames": 100 if number else 9000})
            for number, take in enumerate(made.data.takes)
        ]
        errors = [long] + [short] * (len(takes) - 1)
        means = {
            "action_mean": np.mean(errors),
            "frame_mean": np.average(errors, weights=[t.frames for t in takes]),
        }
        values = tuple(value.model_copy(update={"per_take": (tuple(errors),), **means}) for value in made.values)
        data = made.data.model_copy(update={"name": "mpi_inf_3dhp", "takes": tuple(takes)})
        return made.model_copy(update={"values": values, "data": data})

    trivial, learned = on_3dhp("nearest_pose", long=60.0, short=60.0), on_3dhp("tcn", long=66.0, short=46.0)
    assert learned.values[0].action_mean < trivial.values[0].action_mean < learned.values[0].frame_mean
    said = trivial_check([trivial, learned])
    assert "MPJPE 60.0 mm). **Not better: TCN (H = 1, K = 1) 6" in said[0]
