"""What users write: YAML of experiments and of ablations, and values on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.fuzz.mutations import CANARY, damaged_bytes, damaged_text, damaged_value
from tests.fuzz.readers.toys import know_the_toys
from tests.fuzz.worker import Reader, as_json, command

RUN: dict[str, Any] = {
    "method": {"name": "toy", "preset": "tiny", "options": {"frames": 9}},
    "data": {"name": "toy", "detections": "cpn", "root": None, "options": {}},
    "training": {"epochs": 1, "learning_rate": 0.001, "clip": 1.0, "seed": 0, "optimizer": "adamw", "flip": True},
    "evaluation": {
        "hypotheses": 2,
        "steps": 2,
        "windows": 8,
        "aggregations": ["P-Agg", "J-Best"],
        "actions": "given",
    },
    "measurement": {"batch": 1, "workers": 1},
}
ABLATION: dict[str, Any] = {
    "title": "Toys",
    "note": "Made for a test.",
    "layout": "main",
    "default": False,
    "base": {"data": {"name": "toy"}, "training": {"epochs": 1}, "method": {"name": "toy"}},
    "tiny_overrides": {"evaluation.windows": 8},
    "axes": {
        "data.detections": ["cpn", "gt"],
        "method.options.noise": [0.0, 0.5],
        "evaluation.hypotheses": [1, {"evaluation.hypotheses": 2, "evaluation.steps": 3}],
    },
    "also": [{"method.name": "toy", "evaluation.actions": "empty"}],
    "choices": {"core": {"data.detections": ["cpn"]}, "complete": {}},
    "tiny_choice": "core",
    "seeds": [0, 1],
    "budget": 20,
    "search": None,
}
ODD_YAML = (
    "2001-99-99", "!!int x", "!!float ''", "!!bool maybe", "!!timestamp x", "0x_", "0b_", "9" * 5000,
    "1:99:99", "!!set {a}",
    "[" * 3000, "{a: " * 2000, "*none", "&a [*a]", "<<: 1", "!!python/object/apply:os.mkdir [" + CANARY + "]",
    "!!binary ===",
    "? [a, b]", "{[1]: 2}", "!!omap [a]", "!!pairs [1]", "|\n", "%YAML 9.9\n", "---\n---\n", "\t", "'",
    '"\\ud800"', "~", "on",
)  # fmt: skip
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)
WHOLE_FILES = (
    "", "[]", "5", "text", "null", "\0", BOMB, f"method: *h\n{BOMB}", f"{BOMB}method: *h\n", "[" * 3000,
    "a" * 1_000_000,
    "".join(f"key{n}: {n}\n" for n in range(20_000)), "a: 1\na: 2\n", "- 1\n- 2\n", "{}",
    "!!python/name:os.system",
)  # fmt: skip


def _damage_yaml(path: Path, content: dict[str, Any], rng: Random) -> None:
    action = rng.randrange(20)
    if action == 0:
        path.write_text(rng.choice(WHOLE_FILES))
    elif action < 4:
        path.write_bytes(damaged_bytes(path.read_bytes(), rng))
    elif action < 10:
        path.write_text(damaged_text(path.read_text(), rng, ODD_YAML), "utf-8", "surrogatepass")
    else:  # JSON is YAML
        text = as_json(damaged_value(content, rng))
        path.write_text(
            text if rng.random() < 0.5 else damaged_text(text, rng, ODD_YAML), "utf-8", "surrogatepass"
        )


def _reader_of_yaml(name: str, content: dict[str, Any], *before: str, after: tuple[str, ...] = ()) -> Reader:
    def make(folder: Path) -> None:
        know_the_toys()
        (folder / "my.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    def damage(folder: Path, rng: Random) -> None:
        _damage_yaml(folder / "my.yaml", content, rng)
        if rng.random() < 0.2:
            (folder / "with-an-override").touch()

    def read(folder: Path) -> None:
        changed = after if (folder / "with-an-override").exists() else ()
        command(
            *before, folder / "my.yaml", *changed, "--dry-run", "--store", folder / "store", "--executor", "local"
        )

    return Reader(name, make, damage, read)


VALUES = (
    "", " ", "-1", "0", "²", "٣", "1,2,,", "a" * 300, "a" * 5000, "a\nb", "\x1b[31m", "é", "cuda:²", "cuda:99",
    "cuda:-1",
    "1e999", "nan", "NOSUCH", "/", "/proc/self/mem", "/dev/null", "..", "=", "a=b=c", "9" * 5000, "[" * 2000,
    "*a", "&a [*a]",
    "!!python/object/apply:os.mkdir [" + CANARY + "]", "99999999999999999999", "~", "con:", "{}", "%s",
    "$(id)", "0x", "--help",
)  # fmt: skip
KEYS = (
    "training.clip", "training.epochs", "training.weights", "training.seed", "data.root", "data.name",
    "data.options",
    "evaluation.aggregations", "evaluation.windows", "evaluation.options", "method.options",
    "method.options.frames",
    "method.name", "method", "nosuch", "a.b.c.d", "", ".", "measurement.batch", "training",
    "evaluation.options.noise",
)  # fmt: skip
COMMANDS: tuple[tuple[list[str], list[str]], ...] = (
    (
        ["run", "--method", "toy", "--data", "toy", "--dry-run"],
        ["--set", "--seeds", "--device", "--preset", "--data", "--data-root", "--store", "--out", "--workers",
        "--threads",
         "--executor", "--share", "--method", "FILE"],
    ),
    (["ablate", "my.yaml", "--dry-run"], ["--set", "--seeds", "--device", "--preset", "--data", "--data-root",
    "NAME", "--share"]),
    (["report", "--no-pdf"], ["--out", "--store", "--format"]),
    (["report", "--compare"], ["TWO"]),
    (["data", "describe"], ["NAME", "--data-root", "--detections", "--set"]),
    (["data", "check"], ["NAME", "--data-root", "--detections", "--set"]),
    (["data", "prepare"], ["NAME", "--out", "--detections"]),
    (["import-checkpoint"], ["FILE", "--method", "--out", "--set"]),
    (["methods"], ["--preset", "NAME"]),
    (["doctor"], ["--device", "--store"]),
)  # fmt: skip


def _value(rng: Random) -> str:
    if rng.random() < 0.5:
        value = rng.choice((*VALUES, "inf", ".inf", "null", "[]", "[1]", "{a: 1}", "2001-99-99", "0x_", "!!int x"))
        return f"{rng.choice(KEYS)}={value}"
    return rng.choice(VALUES)


def _make_command(folder: Path) -> None:
    know_the_toys()
    (folder / "my.yaml").write_text(yaml.safe_dump(ABLATION))
    (folder / "arguments.json").write_text(json.dumps(["run", "--method", "toy", "--data", "toy", "--dry-run"]))


def _damage_command(folder: Path, rng: Random) -> None:
    begin, options = rng.choice(COMMANDS)
    arguments = list(begin)
    for _ in range(rng.choice((1, 1, 2, 3))):
        option = rng.choice(options)
        given = [option] if option.startswith("-") else []
        number = 2 if option == "TWO" else 1
        arguments += given + [rng.choice((_value(rng), rng.choice(VALUES))) for _ in range(number)]
    (folder / "arguments.json").write_text(json.dumps(arguments))


def _run_command(folder: Path) -> None:
    arguments = json.loads((folder / "arguments.json").read_text())
    arguments = [str(folder / "my.yaml") if word == "my.yaml" else word for word in arguments]
    takes_store = arguments[0] in ("run", "ablate", "report", "doctor")
    store = ["--store", str(folder / "store")] if takes_store and "--store" not in arguments else []
    executor = (
        ["--executor", "local"] if arguments[0] in ("run", "ablate") and "--executor" not in arguments else []
    )
    command(*arguments, *store, *executor)


READERS = (
    _reader_of_yaml("run file", RUN, "run", after=("--set", "training.seed=1")),
    _reader_of_yaml("ablation file", ABLATION, "ablate", after=("--seeds", "1,2")),
    Reader("command line", _make_command, _damage_command, _run_command),
)
