import pytest

from reports.rules.comparability import device, listed_subjects, same_but
from tests.reports.made_up import record


def test_many_subjects_are_named_by_the_first_and_the_last():
    assert listed_subjects(["S9", "S11"]) == "S9, S11"
    assert listed_subjects([f"P{number}" for number in range(17, 37)]) == "P17 to P36 (20)"
    with_a_gap = [f"P{number}" for number in range(1, 12) if number != 5]
    assert listed_subjects(with_a_gap) == ", ".join(with_a_gap)
    assert listed_subjects(list("abcdefghij")) == ", ".join("abcdefghij")


def test_where_the_files_of_other_test_data_are_makes_no_other_run():
    def at(root):
        made = record()
        evaluation = made.experiment["evaluation"] | {"data": {"name": "other", "root": root}}
        return made.model_copy(update={"experiment": made.experiment | {"evaluation": evaluation}})

    assert same_but(at("here")) == same_but(at("there")) != same_but(record())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Made-up CPU", "Made-up CPU, 2 threads"),
        ("Made-up CPU (AVX2)", "Made-up CPU (AVX2), 2 threads"),
        ("NVIDIA H200", "NVIDIA H200"),
    ],
)
def test_a_cpu_is_named_with_its_threads(name, told):
    assert device(record(device=name)) == told
