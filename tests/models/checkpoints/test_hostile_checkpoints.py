"""Damaged and malicious checkpoints: one sentence, without code run, memory taken, or time."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from baselines.published import mixste
from bench.cli import app
from bench.config.registry import CHECKPOINTS
from models.checkpoints.importer import import_checkpoint, read_imported
from models.checkpoints.torch_files import read_torch_file
from models.errors import InputError
from tests import GOLDEN
from tests.hostile import ATTACKS, bombs, check_sentence, little_memory, rezipped

MIXSTE = GOLDEN / "checkpoints" / "mixste.bin"

changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6)
unhurried = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def mutated(data: bytes, places: list[tuple[float, int]]) -> bytes:
    changed = bytearray(data)
    for place, value in places:
        changed[int(place * len(changed))] = value
    return bytes(changed)


def pickled_tensor(count: int, size: str, stride: str, key: str = "0") -> bytes:
    """A state dict of one tensor: ``count`` numbers stored, and the view that it claims."""
    return (
        (
            b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n(("
            b"X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00"
            + key.encode()
            + b"X\x03\x00\x00\x00cpu"
            b"I%d\ntQI0\n(%s)(%s)\x89}tRs." % (count, size.encode(), stride.encode())
        )
        .replace(b")(", b"t(")
        .replace(b")\x89", b"t\x89")
    )


CLAIMS = {
    "storage that is not there": pickled_tensor(1 << 40, "I2\n", "I1\n"),
    "view wider than its storage": pickled_tensor(4, "I10000000000\n", "I0\n"),
    "view outside": pickled_tensor(4, "I4\n", "I1000000\n"),
    "negative count": pickled_tensor(-4, "I4\n", "I1\n"),
    "another member": pickled_tensor(4, "I4\n", "I1\n", key="9"),
}


@pytest.mark.parametrize("attack", [*ATTACKS, *CLAIMS])
@pytest.mark.parametrize("zipped", [True, False])
def test_attacks_are_harmless(attack: str, zipped: bool, tmp_path: Path) -> None:
    content, path = (ATTACKS | CLAIMS)[attack], tmp_path / "x.bin"
    if zipped:
        torch.save({"w": torch.zeros(4)}, tmp_path / "good.bin")
        rezipped(tmp_path / "good.bin", path, "data.pkl", content)
    else:
        header = [pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, {})]
        path.write_bytes(b"".join(header) + content + pickle.dumps(["0"], protocol=2) + bytes(100))
    with little_memory(), pytest.raises(InputError) as error:
        import_checkpoint(path, mixste.ADAPTER)
    check_sentence(error.value)


def test_bombs_are_refused_unopened(tmp_path: Path) -> None:
    for path in bombs(tmp_path, "archive/data.pkl"):
        with little_memory(), pytest.raises(InputError, match="not read|cannot be read") as error:
            read_torch_file(path)
        check_sentence(error.value)


@unhurried
@given(places=changes, structure=st.booleans())
@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_checkpoints_are_read_or_one_sentence(
    zipped: bool, places: Any, structure: bool, tmp_path: Path
) -> None:
    good = tmp_path / "good.bin"
    torch.save(
        {"model_pos": read_torch_file(MIXSTE)["model_pos"], "epoch": 3},
        good,
        _use_new_zipfile_serialization=zipped,
    )
    if structure and zipped:
        with zipfile.ZipFile(good) as archive:
            member = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            spoiled = mutated(archive.read(member), places)
        rezipped(good, tmp_path / "x.bin", "data.pkl", spoiled)
    else:
        data = good.read_bytes()
        begin = data[:20_000] if structure else data  # where an old file has its structure
        (tmp_path / "x.bin").write_bytes(mutated(begin, places) + data[len(begin) :])
    try:
        import_checkpoint(tmp_path / "x.bin", mixste.ADAPTER)
        said = ""
    except InputError as error:
        said = str(error)
    assert "MemoryError" not in said


def shapes(**changed: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
    return OrderedDict(read_torch_file(MIXSTE)["model_pos"]) | {
        f"module.{name}": tensor for name, tensor in changed.items()
    }


@pytest.mark.parametrize(
    "content",
    [
        shapes(Temporal_pos_embed=torch.zeros(3)),
        shapes(Temporal_pos_embed=torch.zeros(1, 3, 0)),
        shapes(Temporal_pos_embed=torch.zeros(1, 3, 7)),
        shapes(**{f"STEblocks.{number}.x": torch.zeros(1) for number in range(2000)}),
        shapes(**{f"surprise{number}": torch.zeros(1) for number in range(2000)}),
        {0: torch.zeros(1)},
        {"\x1b[31m": torch.zeros(1)},
        {"model_pos": {"w": 1}},
        [torch.zeros(1)],
    ],
    ids=["flat", "empty", "odd", "many blocks", "many names", "numbers", "escape", "no tensor", "list"],
)
@pytest.mark.parametrize("method", ["mixste", "tcn", "d3dp", "finepose"])
def test_strange_contents_are_one_sentence(content: Any, method: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.bin")
    with pytest.raises(InputError) as error:
        import_checkpoint(tmp_path / "x.bin", CHECKPOINTS.load(method))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 8000


def test_an_unknown_option_is_one_sentence() -> None:
    with pytest.raises(InputError, match="mixste has no option 'head': it has frames"):
        import_checkpoint(MIXSTE, mixste.ADAPTER, head=8)
    with pytest.raises(InputError, match="are no options for mixste"):
        import_checkpoint(MIXSTE, mixste.ADAPTER, heads="many")
    with pytest.raises(InputError, match="are no options for mixste .*JSON"):
        import_checkpoint(MIXSTE, mixste.ADAPTER, table_std=float("nan"))


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("imported") / "mixste.safetensors"
    path.write_bytes(import_checkpoint(MIXSTE, mixste.ADAPTER).to_bytes())
    return path


def described(source: Path, target: Path, **changed: Any) -> Path:
    """A copy of safetensors weights whose description is changed; None removes an entry."""
    data = source.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header["__metadata__"] | changed
    header["__metadata__"] = {key: value for key, value in metadata.items() if value is not None}
    text = json.dumps(header).encode()
    target.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    return target


@pytest.mark.parametrize(
    "changed",
    [
        {"method": None},
        {"method": "os"},
        {"method": "checkpoint"},
        {"config": "{"},
        {"config": "[]"},
        {"config": '{"depth": 1000000000}'},
        {"config": '{"channels": 1000000000}'},
        {"config": '{"frames": "many"}'},
        {"config": '{"surprise": 1}'},
        {"config": '{"frames": 9, "channels": 32, "depth": 3, "heads": 8, "mlp_ratio": 2.0, "table_std": NaN}'},
        {"config": '{"frames": 9, "channels": 32, "depth": 3, "heads": 8, "mlp_ratio": 2.0, "table_std": 1e999}'},
        {"config": "[" * 100_000},
        {"skeleton": "dog"},
        {"source_sha256": None},
    ],
)
def test_changed_descriptions_are_one_sentence(changed: Any, imported: Path, tmp_path: Path) -> None:
    path = described(imported, tmp_path / "x.safetensors", **changed)
    with little_memory(), pytest.raises(InputError, match="does not fit") as error:
        read_imported(path, CHECKPOINTS.load)
    check_sentence(error.value)


@unhurried
@given(places=changes)
def test_damaged_weights_are_read_or_one_sentence(places: Any, imported: Path, tmp_path: Path) -> None:
    data = imported.read_bytes()
    (tmp_path / "x.safetensors").write_bytes(mutated(data[:3000], places) + data[3000:])
    try:
        read_imported(tmp_path / "x.safetensors", CHECKPOINTS.load)
    except InputError as error:
        check_sentence(error)


def test_at_the_command_line(imported: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil.bin"
    evil.write_bytes(ATTACKS["class made by name"])
    wrong = described(imported, tmp_path / "x.safetensors", method="os")
    for arguments in (
        ["import-checkpoint", str(evil), "--method", "mixste"],
        ["run", "--method", "mixste", "--set", f"training.weights={wrong}", "--store", str(tmp_path / "store")],
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2, result.output
        assert len(result.stderr.strip().splitlines()) == 1
