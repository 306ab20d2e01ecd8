"""Published recipes against the presets, and the page that is written from them and from the golden files."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from tests import GOLDEN
from tests.parity import recipes
from tests.parity.check import ArrayCheck, compare
from tests.parity.fidelity import PAGE, golden_table, recipe_tables, with_table
from tests.parity.vectors import Limit

METHODS = list(recipes.methods())


@pytest.mark.parametrize("method", METHODS)
def test_the_preset_paper_is_the_published_recipe(method: str) -> None:
    lines = recipes.compare(method, recipes.read_table(method))
    assert len(lines) > 10
    assert not [line for line in lines if not line.holds]


def test_every_trained_method_of_the_poster_has_a_table() -> None:
    with_script = {"tcn", "mixste", "motionbert", "mhformer", "pstmo", "poseformerv2", "d3dp", "glagcn", "anatomy"}
    assert with_script | {"diffpose", "finepose"} <= set(METHODS)


def changed(method: str, item: str, **changes: Any) -> recipes.Line:
    """The line of an item after a change of the table."""
    table = copy.deepcopy(recipes.read_table(method))
    (entry,) = (entry for entry in table["items"] if entry["item"] == item)
    entry.update(changes)
    return next(line for line in recipes.compare(method, table) if line.item == item)


@pytest.mark.parametrize(
    ("method", "item", "changes"),
    [
        ("mixste", "epochs", {"published": 160}),
        ("tcn", "optimiser", {"published": "adamw"}),
        ("tcn", "filter widths", {"published": [3, 3, 3]}),
        ("tcn", "largest gradient norm", {"published": 1.0}),
        ("finepose", "epochs on ground-truth 2D", {"settings": []}),
        ("pstmo", "learning rate of the first stage", {"published": 7e-4}),
        ("mixste", "loss", {"proven": "absent.npz"}),
        ("mixste", "epochs", {"differs": "no reason is needed"}),
    ],
)
def test_another_value_is_found(method: str, item: str, changes: dict) -> None:
    assert recipes.compare(method, recipes.read_table(method))
    assert not changed(method, item, **changes).holds


def test_an_item_names_a_field_that_there_is() -> None:
    with pytest.raises(AttributeError):
        changed("tcn", "epochs", ours="recipe.absent")


def test_the_page_has_the_tables_of_today() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert with_table(text, "recipes", recipe_tables()) == text, "run nox -s fidelity"
    for path in GOLDEN.glob("*.npz"):
        assert f"\n| {path.name} | " in text, f"{path.name} is not on the page: run nox -s fidelity"
    assert "differs |" not in text


def test_the_row_of_a_file_is_the_array_nearest_to_its_limit() -> None:
    checks = [
        ArrayCheck("a.npz", "far", "ok", 2e-5, Limit(1e-3), share=0.02),
        ArrayCheck("a.npz", "near", "ok", 1e-5, Limit(2e-5), share=0.5),
        ArrayCheck("a.npz", "order", "not ours", note="the trainer's own"),
        ArrayCheck("b.npz", "out", "too different", 1.0, Limit(0), share=float("inf")),
        ArrayCheck("c.npz", "out", "ok", 0.0, Limit(1e-5), share=0.0),
    ]
    lines = golden_table(checks).splitlines()
    assert lines[2:] == [
        "| a.npz | 2 | near | 1.0e-05 | 2e-05 | ok |",
        "| b.npz | 1 | out | 1.0e+00 | equal | differs |",
        "| c.npz | 1 | all equal | 0 | 1e-05 | ok |",
        "",
        "- a.npz, not compared: order; the trainer's own.",
    ]


def test_share_is_of_what_is_allowed_at_the_place() -> None:
    theirs = np.array([100.0, 1.0])
    assert compare("", "out", np.array([100.5, 1.01]), theirs, Limit(0, 0.02)).share == pytest.approx(0.5)
    assert compare("", "out", theirs, theirs, Limit(0)).share == 0
    assert compare("", "out", theirs + 1, theirs, Limit(0)).share == float("inf")


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="recipes"):
        with_table("# Fidelity\n", "recipes", "| |")
