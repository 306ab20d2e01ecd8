"""Numbers that no run should have are shown as they are, or have a reason or a remark; nothing crashes."""

import json
import math

import pytest

from bench.config.registry import LAYOUTS
from bench.results.record import Record
from reports.build import build
from reports.page.content import content
from reports.writers.forms import FORMS, texts
from tests.reports.made_up import methods_records, record, runset, several


def odd(made, number):
    """A record with this number in place of every fraction of it."""

    def changed(content):
        if isinstance(content, dict):
            return {key: changed(part) for key, part in content.items()}
        if isinstance(content, (list, tuple)):
            return tuple(map(changed, content))
        return number if isinstance(content, float) else content

    whole = made.model_dump()
    return Record(**changed(whole) | {"experiment": whole["experiment"]})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e308])
def test_every_layout_and_the_page_are_written(number):
    good = methods_records()[:6]
    for members in ([*good[:5], odd(good[5], number)], [odd(made, number) for made in good]):
        tables = {name: LAYOUTS.load(name).table(members, name) for name in LAYOUTS.own}
        for name, table in tables.items():
            assert all(texts(table, name, FORMS).values())
        shown = content(runset(mine=("main", members)), members, tables)
        assert "<tbody>" in shown["results"]
        json.dumps(shown, allow_nan=False)


def test_a_number_that_is_none_is_never_the_best():
    members = [record("tcn", mean=50.0), odd(record("mixste"), -math.inf), record("d3dp", mean=60.0)]
    members = [made.model_copy(update={"conditions": several(made).conditions}) for made in members]
    best, none, second = (row.cells[2:] for row in LAYOUTS.load("actions").table(members, "T").blocks[0].rows[:3])
    *actions, mean = zip(best, none, second, strict=True)
    for cells in actions:
        assert cells[1].text == "-inf"
        assert [cell.rank for cell in cells] == [1, 0, 2]
    assert mean[1].reason == f"MPJPE under single is -inf in run {members[1].id}"


def test_a_figure_of_numbers_too_large_to_be_drawn_is_left_out_with_a_remark(tmp_path, capsys):
    members = [record("tcn"), odd(record("mixste"), 1e308)]
    written = build(runset(mine=("main", members)), {made.id: made for made in members}, tmp_path).files
    sentence = "the figure mine-training cannot be drawn (OverflowError"
    assert sentence in (tmp_path / "summary.md").read_text()
    assert f"warning: {sentence}" in capsys.readouterr().err
    assert not [path for path in written if path.name.startswith("mine-training")]
    assert tmp_path / "figures" / "mine-by-action.pdf" in written
    assert all(path.exists() for path in written)
