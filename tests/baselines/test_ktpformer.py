from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines.ktpformer import KTPFormer, KTPFormerDiffusion, linked
from baselines.published.ktpformer import ADAPTER
from models.checkpoints.importer import import_checkpoint
from models.diffusion.denoiser import DenoiserConfig
from models.errors import InputError
from models.layers import transformer
from models.layers.transformer import TrunkConfig
from models.skeleton import HUMAN36M
from tests.models.checkpoints.checkpoints import golden_checkpoint

SMALL = TrunkConfig(frames=5, channels=16, depth=2, heads=2)


@pytest.mark.parametrize(("frames", "parameters"), [(243, 35_213_430), (81, 34_859_622), (27, 34_765_014)])
def test_published_sizes(frames: int, parameters: int) -> None:
    config = replace(KTPFormer.presets["paper"].config, frames=frames)
    with torch.device("meta"):
        lifter = KTPFormer(config)
    assert sum(parameter.numel() for parameter in lifter.parameters()) == parameters
    rates = [block.drop_path.rate for block in lifter.trunk.spatial_blocks]
    assert rates == pytest.approx([0.1 * number / 7 for number in range(8)]), "the prior blocks have none"


def test_a_node_gives_each_neighbour_the_same_share() -> None:
    graph = linked(HUMAN36M.bones, 17)
    assert torch.equal(graph.diagonal(), torch.ones(17))
    torch.testing.assert_close(graph.sum(1), torch.full((17,), 2.0))
    assert graph[8].nonzero().flatten().tolist() == [7, 8, 9, 11, 14]
    assert not torch.equal(graph, graph.T)
    assert torch.equal(linked([], 1), torch.ones(1, 1)), "a window of one frame has no neighbours"


def test_batch_norms_average_over_all_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    lifter = KTPFormer(replace(SMALL, drop_path=0.0))
    seen = torch.randn(6, 5, 17, 2)
    evaluated, trained = lifter.eval().lift_windows(seen), lifter.train().lift_windows(seen)
    assert not torch.allclose(evaluated, trained, atol=1e-3)
    monkeypatch.setattr(transformer, "CACHED_VALUES", 1)  # every window on its own
    torch.testing.assert_close(lifter.lift_windows(seen), trained)
    torch.manual_seed(0)
    torch.testing.assert_close(KTPFormer(lifter.config).eval().lift_windows(seen), evaluated)


def test_checkpointing_changes_no_gradient_and_no_statistics() -> None:
    found = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        lifter = KTPFormer(replace(SMALL, drop_path=0.0, checkpointing=checkpointing)).train()
        lifter.lift_windows(torch.randn(2, 5, 17, 2)).square().mean().backward()
        found.append([lifter.trunk.spatial_prior.W.grad, lifter.trunk.temporal_prior[1].bn.running_mean])
    torch.testing.assert_close(found[0], found[1])


def test_the_diffusion_form_sees_both_poses_through_one_graph_unit() -> None:
    torch.manual_seed(0)
    lifter = KTPFormerDiffusion(DenoiserConfig(frames=5, channels=16, depth=2, heads=2)).eval()
    pose_2d, poses = torch.randn(2, 5, 17, 2), torch.randn(2, 3, 5, 17, 3)
    condition, time = lifter.condition(pose_2d, ()), torch.randn(1, 16)
    both = torch.cat([pose_2d[:, None].expand(-1, 3, -1, -1, -1), poses], dim=-1).flatten(0, 2)
    seen = lifter.trunk.spatial_prior(both[:, :, None])[:, :, 0].unflatten(0, (6, 5))
    tokens = lifter._tokens(condition, poses, time)
    torch.testing.assert_close(tokens, seen + lifter.trunk.joint_table + time[:, None, None])


def test_the_diffusion_form_has_the_depth_of_the_deterministic_one() -> None:
    with torch.device("meta"):
        lifter = KTPFormerDiffusion(KTPFormerDiffusion.presets["paper"].config)
        deterministic = KTPFormer(KTPFormer.presets["paper"].config)
    added = sum(parameter.numel() for parameter in lifter.parameters())
    added -= sum(parameter.numel() for parameter in deterministic.parameters())
    time = sum(parameter.numel() for parameter in lifter.time_mlp.parameters())
    assert added == time + 2 * 3 * 512


def test_an_input_gain_is_refused() -> None:
    with pytest.raises(InputError, match="input_gain is 5"):
        KTPFormer(replace(SMALL, input_gain=5.0))


def test_a_published_checkpoint_is_imported(tmp_path: Path) -> None:
    path, vectors = golden_checkpoint("ktpformer_small", tmp_path)
    imported = import_checkpoint(path, ADAPTER)
    assert (imported.config.frames, imported.config.channels, imported.config.depth) == (9, 32, 3)
    with torch.no_grad():
        out = imported.build().lift_windows(vectors["x"])
    torch.testing.assert_close(out, vectors["out"], atol=1e-5, rtol=0)
