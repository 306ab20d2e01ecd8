"""How the released code trains, line by line, beside what the presets ``paper`` do: a table for each method.

``NAME.toml`` holds the ``items`` of the method of that name, and the ``source`` of those that give none of their
own: file and line of the released repository, or "notes" where only the notes beside the golden files tell.
An item has

- ``item``: what it is, and ``published``: its value in the released code, in the words of this suite's options;
- one of ``ours``, where the value is here: a field of ``recipe``, ``config``, ``training`` or ``evaluation``, with
  ``first.`` before it for the first stage; ``proven``, the golden file that holds the suite to it; or ``kept``,
  why the suite does otherwise where no field says so;
- beside ``ours`` perhaps ``settings`` that it takes on top of the preset; ``differs``, why the value is another
  one here; or ``open``, what is not known of the published value, which is then left out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.config.experiment import parse, with_changes
from bench.config.parsing import parse_assignment
from bench.config.registry import METHODS
from bench.job.method import find_method
from bench.training.recipe import fill_in, fill_in_first_stage, named_recipe, usual_recipe
from tests import GOLDEN

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Line:
    """An item of a published recipe beside ours.

    Attributes:
        item, published, source: what it is, its published value and where that is written.
        ours: the value here; "" where no field holds it.
        outcome: "equal", or why not.
        holds: whether the outcome is true.
    """

    item: str
    published: str
    source: str
    ours: str
    outcome: str
    holds: bool


def methods() -> dict[str, str]:
    """Title of every method that has a table, by name, in the order of the registry."""
    tables = {path.stem for path in FOLDER.glob("*.toml")}
    return {name: METHODS.load(name).title for name in METHODS.own if name in tables}


def read_table(method: str) -> dict[str, Any]:
    """The table of a method."""
    return tomllib.loads((FOLDER / f"{method}.toml").read_text(encoding="utf-8"))


def compare(method: str, table: Mapping[str, Any]) -> list[Line]:
    """Every item of a method's table beside what the preset ``paper`` does."""
    return [_line(method, {"source": table.get("source", "")} | item) for item in table["items"]]


def _line(method: str, item: dict[str, Any]) -> Line:
    published = item.get("published", "open")
    ours = at_paper(method, item["ours"], item.get("settings", ())) if "ours" in item else ""
    outcome, holds = _outcome(item, published, ours)
    source = "" if "open" in item else item["source"]
    return Line(item["item"], _text(published), source, _text(ours), outcome, holds)


def _outcome(item: Mapping[str, Any], published: Any, ours: Any) -> tuple[str, bool]:
    if "proven" in item:
        return f"held to by `{item['proven']}`", (GOLDEN / item["proven"]).is_file()
    if "kept" in item:
        return f"on purpose: {item['kept']}", True
    if "open" in item:
        return f"open: {item['open']}", True
    if "differs" in item:
        return f"on purpose: {item['differs']}", ours != published
    if "settings" in item:
        return f"equal with `{' '.join(item['settings'])}`", ours == published
    return "equal", ours == published


def at_paper(method: str, place: str, settings: tuple[str, ...] = ()) -> Any:
    """A value of a method's preset ``paper``: a number, a text or a list; "none" for None.

    Args:
        place: as ``ours`` of an item.
        settings: ``KEY=VALUE`` on top of the preset.
    """
    description = {"method": {"name": method, "preset": "paper"}}
    experiment = parse(with_changes(description, [parse_assignment(setting) for setting in settings]))
    found = find_method(experiment)
    places = SimpleNamespace(
        recipe=fill_in(experiment.training, found.recipe),
        config=found.config,
        training=experiment.training,
        evaluation=experiment.evaluation,
    )
    stage = found.lifter.first_stage(found.config)
    if stage is not None:
        usual = stage.recipe or stage.lifter.presets["paper"].recipe_on(experiment.data.detections)
        recipe = named_recipe(usual, stage.lifter, usual_recipe(stage.lifter, "paper"))
        places.first = SimpleNamespace(
            recipe=fill_in_first_stage(experiment.training, recipe), config=stage.config
        )
    value = attrgetter(place)(places)
    return "none" if value is None else list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
