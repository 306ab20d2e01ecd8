from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from bench.config.registry import METHODS, Registry
from models.errors import InputError
from models.lifter import Lifter

GROUP = "lifting_bench.shapes"


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    """A registry of which another package has two things; one of them does not import."""
    metadata = tmp_path / "shapes-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shapes\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[{GROUP}]\nround=collections:OrderedDict\nbroken=shapes_gone:Square\nown=collections:deque\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return Registry("shape", GROUP, {"own": "collections:Counter", "inner": "collections:Counter.update"})


def test_own_names_come_first_and_win(shapes):
    assert shapes.names() == ["own", "inner", "broken", "round"]
    assert shapes.plugin_names() == ["broken", "round"]
    assert shapes.load("own").__name__ == "Counter"
    assert shapes.load("inner").__name__ == "update"
    assert shapes.load("round").__name__ == "OrderedDict"


def test_an_unknown_name_is_one_sentence(shapes):
    with pytest.raises(InputError, match=r"^unknown shape 'rond': did you mean 'round'\?$"):
        shapes.load("rond")


def test_a_plug_in_that_does_not_import_says_which_and_stops_no_other(shapes):
    with pytest.raises(
        InputError, match=r"shape 'broken' of shapes \(.*shapes_gone:Square\) cannot be imported"
    ) as told:
        shapes.load("broken")
    assert "\n" not in str(told.value)
    with pytest.warns(UserWarning, match="'broken' of shapes"):
        assert [name for name, _ in shapes.available()] == ["own", "inner", "round"]


def test_a_thing_of_another_kind_is_left_out_with_a_sentence(shapes):
    with pytest.warns(UserWarning, match=r"^shape 'inner' of this repository \(.*\) is no type and is left out$"):
        assert [name for name, _ in shapes.instances(type)] == ["own", "round"]


@dataclass(frozen=True)
class Config:
    width: int = 1


@pytest.mark.parametrize(
    ("declared", "lacks"),
    [
        ({}, "has no title, the name that tables print: give it one"),
        ({"title": "Mine"}, "has no Config, the frozen dataclass of its options"),
        ({"title": "Mine", "Config": Config}, "has no presets, a dict from names of sizes"),
        ({"title": "Mine", "Config": Config, "presets": {"tiny": Config()}}, "has no presets"),
    ],
)
def test_a_method_that_does_not_say_what_all_read_is_left_out_with_a_sentence(declared, lacks, monkeypatch):
    monkeypatch.setattr("tests.bench.toy.Bare", type("Bare", (Lifter,), declared), raising=False)
    monkeypatch.setattr(Registry, "plugin_names", lambda registry: ["bare"])
    points = {"bare": EntryPoint("bare", "tests.bench.toy:Bare", METHODS.group)}
    monkeypatch.setattr(Registry, "_plugins", lambda registry: points)
    with pytest.raises(InputError, match=f"^method 'bare' of .* {lacks}"):
        METHODS.load("bare")
    with pytest.warns(UserWarning, match=lacks):
        assert "bare" not in dict(METHODS.available())
