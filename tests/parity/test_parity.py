"""Every array of every golden file against ours, and the checker against broken files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.mixste import MixSTE
from tests import GOLDEN, ROOT, SHARED
from tests.parity.__main__ import main
from tests.parity.check import ArrayCheck, check_file, compare, markdown
from tests.parity.vectors import Case, Limit, weight_from_name

PARITY = SHARED / "parity"


def parity(path: Path) -> int:
    """Exit code of the command."""
    return main([str(path)])


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.npz")), ids=lambda path: path.stem)
def test_golden_file(path: Path) -> None:
    checks = check_file(path)
    assert checks
    bad = [check for check in checks if check.status not in ("ok", "not ours")]
    assert not bad, markdown(bad)


@pytest.mark.parametrize(
    ("name", "shape", "total", "first"),
    [
        ("expand_conv.weight", (64, 34, 3), 14.786871, (0.0867931, -0.2073348)),
        ("pose_estimator.head.1.weight", (3, 32), 0.065580, (-0.0756322, -0.0563476)),
        ("pose_estimator.Spatial_pos_embed", (1, 17, 32), -0.092921, (-0.6311747, 1.2260101)),
        ("layers_bn.0.running_var", (64,), 65.101126, (1.0112399, 1.0161390)),
        ("STEblocks.0.attn.qkv.bias", (96,), -0.249356, (-0.0022093, 0.0236708)),
        ("Transformer.model.layers.0.sublayer.0.norm.a_2", (32,), 31.792009, (1.0076841, 0.9857584)),
        ("expand_gcn.gcn1.PA", (3, 17, 17), 0.671987, (-0.0396286, 0.1017163)),
        ("atten_layers.0.feed_forward.A_hat", (17, 17), 16.666461, (0.9945758, 0.0017164)),
        ("gconv_input.weight", (3, 1, 2, 32), 2.038970, (-0.1507819, -0.2087146)),
        ("gconv_input.bias", (1, 1, 32), 0.012812, (0.0248589, 0.0266618)),
        ("layers_tcngcn.0.tcn1.conv.weight", (12, 12, 9, 1), -1.432837, (0.0074892, 0.0338582)),
        ("expand_gcn.gcn1.conv_a.0.weight", (3, 2, 1, 1), 6.269083, (0.2056536, 1.0192755)),
        ("ts_attn.0.weight", (2, 64), 0.556531, (-0.0003216, 0.0602498)),
        ("temp_embed", (1, 27, 1, 32), 9.738942, (-0.0949645, -0.7279261)),
        ("spatial_mask_token", (1, 1, 2), 0.307098, (-0.1590253, 0.4661235)),
        ("kpattention.attn.kpa.gconv.W", (2, 2, 32), -0.137826, (-0.5129765, -0.2284659)),
        ("kpattention.attn.kpa.gconv.M", (17, 32), 543.776214, (1.0136278, 1.0051020)),
        ("tpattention.attn.tpa.gconv1.gconv.adj2", (9, 9), -0.077477, (0.1462287, 0.1726079)),
        ("layers.0.att_spatial.layer_scale_1", (32,), 15.992273, (0.4961804, 0.5004551)),
        ("time_embed.B", (16,), -2.224199, (0.4800197, 1.1371642)),
        ("layers.0.graph_temporal.mixer.U.weight", (32, 32), -3.078988, (-0.0115870, -0.0976551)),
        ("center_pose", (3, 17, 32), 10.598132, (-0.8601202, 0.1708560)),
        ("temporal_layers.0.cross_temporal.att_weight", (1,), 0.031505, (0.0315050,)),
    ],
)
def test_weights_from_names(name: str, shape: tuple, total: float, first: tuple) -> None:
    weight = weight_from_name(name, list(shape))
    assert weight.astype(np.float64).sum() == pytest.approx(total, abs=1e-6)
    assert weight.ravel()[: len(first)] == pytest.approx(first, abs=1e-6)


def altered(tmp_path: Path, name: str, **changes: Callable[[Any], Any]) -> Path:
    """A copy of a golden file with some arrays changed."""
    with np.load(GOLDEN / name) as file:
        arrays = dict(file)
    for key, change in changes.items():
        arrays[key] = change(arrays.get(key))
    np.savez(tmp_path / name, **arrays)
    return tmp_path / name


def statuses(path: Path) -> dict[str, str]:
    return {check.array: check.status for check in check_file(path)}


def test_small_differences_are_found(tmp_path: Path) -> None:
    path = altered(tmp_path, "mixste_small.npz", out=lambda out: out + np.float32(2e-5))
    assert statuses(path) == {
        "after_ste0": "ok", "after_tte0": "ok", "loss": "ok", "grad_norms": "ok", "out": "too different",
    }  # fmt: skip
    assert parity(path) == 1


@pytest.mark.parametrize(
    ("array", "ours", "status"),
    [
        ("grad_norms", 0.0, "ok"),
        ("grad_norms", 3e-5, "too different"),
        ("grad_norms", -1.0, "too different"),
        ("out", 0.0, "too different"),
    ],
)
def test_gradients_that_are_rounding_noise_may_differ_as_noise_does(array: str, ours: float, status: str) -> None:
    stored = np.array([1.0, -1.0, 0.5e-5])
    assert compare("", array, np.array([1.0, -1.0, ours]), stored, Limit(1e-7, 1e-4)).status == status


def test_nan_and_wrong_shapes_are_found(tmp_path: Path) -> None:
    path = altered(
        tmp_path,
        "losses.npz",
        out_total=lambda value: value * np.float32(np.nan),
        out_grad=lambda value: value[:1],
    )
    found = statuses(path)
    assert found["out_total"] == found["out_grad"] == "too different"
    assert found["out_velocity"] == "ok"


def test_steps_of_another_recipe_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MixSTE, "published", {**MixSTE.published, "gradient": "plain"})
    found = statuses(GOLDEN / "train_mixste.npz")
    different = {array for array, status in found.items() if status == "too different"}
    assert {"gradient_factor", "grad_norm", "loss", "update_norms_step12", "probe_out_step12"} <= different
    assert found["x_2d"] == found["lr"] == found["probe_out_start"] == "ok"


def test_a_parameter_may_have_a_limit_of_its_own() -> None:
    case = Case(lambda vectors: {}, update_limits=((r"a\.key", None), (r"a\..*", Limit(0.5))))
    others = case.limits_of_entries("update_norms_step6", {"grad_param_names": ["a.key", "a.value", "b.key"]})
    assert others == {0: None, 1: Limit(0.5)}
    assert case.limits_of_entries("grad_norms_step6", {"grad_param_names": ["a.key"]}) == {}
    stored, ours = np.ones(3), np.array([9.0, 1.4, 1.0])
    assert compare("", "update_norms_step6", ours, stored, Limit(0), others).status == "ok"
    assert compare("", "update_norms_step6", ours[::-1], stored, Limit(0), others).status == "too different"


def test_unknown_arrays_and_files_are_reported(tmp_path: Path) -> None:
    assert statuses(altered(tmp_path, "losses.npz", out_new=lambda _: np.zeros(2)))["out_new"] == "unknown"
    path = altered(tmp_path, "losses.npz", config=lambda _: np.array('{"model": "another"}'))
    assert set(statuses(path).values()) == {"unknown"}
    assert parity(path) == 1


def test_a_case_that_cannot_run_fails_its_arrays(tmp_path: Path) -> None:
    path = altered(
        tmp_path, "mixste_small.npz", keys=lambda keys: np.array(str(keys).replace("STEblocks.0", "other"))
    )
    assert set(statuses(path).values()) == {"failed"}


OTHER_FILES = {
    "no archive": b"no archive",
    "empty": b"",
    "empty archive": b"PK\x05\x06" + bytes(18),
    "cut archive": b"PK\x03\x04" + bytes(40),
    "absent": None,
}


@pytest.mark.parametrize("content", OTHER_FILES.values(), ids=OTHER_FILES)
def test_a_file_of_another_kind_is_one_sentence(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "x.npz").write_bytes(content)
    assert parity(tmp_path / "x.npz") == 2
    printed = capsys.readouterr()
    assert "no file of golden vectors" in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not printed.out


@pytest.mark.parametrize("config", ["{", "[1]", '"text"', "3", '{"model": {}}'])
def test_a_config_of_another_kind_is_no_traceback(config: str, tmp_path: Path) -> None:
    assert parity(altered(tmp_path, "losses.npz", config=lambda _: np.array(config))) in (1, 2)


def test_an_empty_folder_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity(tmp_path) == 2
    assert "holds no .npz file" in capsys.readouterr().err


def test_the_command_prints_every_array_of_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("losses.npz", "glagcn_ranger.npz"):
        (tmp_path / "folder" / name).write_bytes((GOLDEN / name).read_bytes())
    command = [sys.executable, "-m", "tests.parity", str(tmp_path / "folder"), str(GOLDEN / "eval_windows.npz")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (run.returncode, run.stderr) == (0, "")
    lines = run.stdout.splitlines()
    assert lines[0] == "| file | array | largest difference | limit | |"
    assert "| eval_windows.npz | frames_2 | 0.0e+00 | equal | ok |" in lines
    files = [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]]
    assert list(dict.fromkeys(files)) == ["glagcn_ranger.npz", "losses.npz", "eval_windows.npz"]


def test_without_files_the_golden_ones_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def note(path: Path) -> list[ArrayCheck]:
        asked.append(path)
        return []

    monkeypatch.setattr("tests.parity.check.check_file", note)
    assert main([]) == 0
    assert asked == sorted(GOLDEN.glob("*.npz"))


@pytest.mark.skipif(not PARITY.is_dir(), reason="no shared golden vectors here")
def test_golden_copies_are_unchanged() -> None:
    for path in GOLDEN.glob("*.npz"):
        if (PARITY / path.name).exists():
            assert path.read_bytes() == (PARITY / path.name).read_bytes(), path.name
