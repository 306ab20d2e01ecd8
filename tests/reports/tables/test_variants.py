from reports.tables.accuracy.variants import variants
from tests.reports.made_up import record, several
from tests.reports.tables.test_layouts import printed


def test_variants_are_compared_with_the_complete_method():
    found = [
        several(record("finepose", hypotheses=10, steps=5, mean=mean, variant=variant))
        for variant, mean in (("", 49.5), ("action label wrong", 55.0), ("fpc=False", 48.0))
    ]
    rows = printed(variants(found, "V"))
    heading = "FinePOSE, tiny, P-Agg, H = 10, K = 5, seeds 0,1,2/0"
    assert rows["", heading, "complete"][2] == "reference"
    assert rows["", heading, "action label wrong"][2] == "+5.50"
    assert rows["", heading, "w/o FPC"][1:3] == ["48.0*", "−1.50"]


def test_variants_of_more_and_fewer_seeds_are_compared():
    made = {"hypotheses": 10, "steps": 5}
    found = [
        several(record("finepose", mean=49.5, **made)),
        several(record("finepose", mean=48.0, variant="fpc=False", **made), seeds=(0, 1)),
        record("finepose", mean=47.0, variant="fpp=False", **made),
    ]
    rows = printed(variants(found, "V"))
    heading = "FinePOSE, tiny, P-Agg, H = 10, K = 5, seeds 0,1,2/0 or 0,1/0 or 0/0"
    assert rows["", heading, "w/o FPC"][2] == "−1.50"
    assert rows["", heading, "w/o FPP"][2].startswith("-")
