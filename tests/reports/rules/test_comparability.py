from reports.rules.comparability import listed_subjects


def test_many_subjects_are_named_by_the_first_and_the_last():
    assert listed_subjects(["S9", "S11"]) == "S9, S11"
    assert listed_subjects([f"P{number}" for number in range(17, 37)]) == "P17 to P36 (20)"
    with_a_gap = [f"P{number}" for number in range(1, 12) if number != 5]
    assert listed_subjects(with_a_gap) == ", ".join(with_a_gap)
    assert listed_subjects(list("abcdefghij")) == ", ".join("abcdefghij")
