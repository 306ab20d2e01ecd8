from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines.published.tcpformer import ADAPTER
from baselines.tcpformer import TCPFormer, TCPFormerConfig
from models.checkpoints.importer import import_checkpoint
from models.errors import InputError
from tests.models.checkpoints.checkpoints import golden_checkpoint

SMALL = TCPFormerConfig(
    frames=6, channels=16, depth=2, heads=2, representation=24, layer_scale=0.5, local_scale=0.5
)


def lift(config: TCPFormerConfig, seen: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    with torch.no_grad():
        return TCPFormer(config).eval().lift_windows(seen)


@pytest.mark.parametrize(("options", "parameters"), [({}, 35_118_259), ({"frames": 81}, 35_000_755)])
def test_published_sizes(options: dict, parameters: int) -> None:
    with torch.device("meta"):
        lifter = TCPFormer(replace(TCPFormer.presets["paper"].config, **options))
    assert sum(parameter.numel() for parameter in lifter.parameters()) == parameters


def test_the_scales_within_thirds_are_neither_trained_nor_stored() -> None:
    lifter = TCPFormer(SMALL)
    names = {name for name, _ in lifter.named_parameters()} | set(lifter.state_dict())
    scales = {name for name in names if "layer_scale" in name}
    assert len(scales) == SMALL.depth * (4 + 4) * 2
    assert not any("parts" in name for name in scales)
    assert not torch.equal(
        *(lift(replace(SMALL, local_scale=scale), torch.ones(1, 6, 17, 3)) for scale in (0, 0.5))
    )


def test_frames_reach_other_thirds_but_not_by_way_of_the_local_part() -> None:
    torch.manual_seed(0)
    lifter = TCPFormer(SMALL).eval()
    tokens = torch.randn(1, 6, 17, 16)
    changed = tokens.clone()
    changed[:, 0] += 1
    parts = lifter.get_submodule("stages.0.parts")
    local = [torch.cat([part(third) for part, third in zip(parts, each.chunk(3, 1), strict=True)], 1)
             for each in (tokens, changed)]  # fmt: skip
    assert (local[0] != local[1]).any(dim=(0, 2, 3)).tolist() == [True, True, False, False, False, False]
    passed = [lifter.pass_stages(each) for each in (tokens, changed)]
    assert (passed[0] != passed[1]).any(dim=(0, 2, 3)).all()


def test_the_proxy_is_the_same_for_all_windows_and_updated_for_each() -> None:
    torch.manual_seed(0)
    lifter = TCPFormer(SMALL).eval()
    tokens = torch.randn(2, 6, 17, 16)
    proxy = lifter.proxy.expand(2, -1, -1, -1)
    assert proxy.shape == (2, 2, 17, 16)
    _, updated = lifter.stages[0](tokens, proxy)
    assert updated.shape == proxy.shape
    assert not torch.equal(updated[0], updated[1])


@pytest.mark.parametrize("options", [{"frames": 80}, {"frames": 0}, {"local_scale": -1.0}, {"heads": 3}])
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        TCPFormerConfig(**options)


def test_a_window_that_cannot_be_cut_into_thirds_is_one_sentence() -> None:
    with pytest.raises(InputError, match="frames is 80, but TCPFormer cuts a window into thirds: take 27 or 243"):
        TCPFormerConfig(frames=80)


def test_published_weights_lift_as_released_in_units_of_the_image(tmp_path: Path) -> None:
    path, vectors = golden_checkpoint("tcpformer_small", tmp_path)
    imported = import_checkpoint(path, replace(ADAPTER, refusal=""))
    assert imported.config == TCPFormerConfig(frames=9, channels=32, depth=2, representation=48)
    with torch.no_grad():
        out = imported.build().lift_windows(vectors["x"])
    torch.testing.assert_close(out, vectors["out_local_1e5"], atol=2e-6, rtol=0)
