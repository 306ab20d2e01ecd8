from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines.d3dp import D3DP
from models.diffusion import denoiser
from models.diffusion.denoiser import DenoiserConfig
from models.errors import InputError
from models.finepose.model import FinePOSE, FinePOSEConfig
from models.finepose.prompt import PROMPTS, prompt_parts
from models.lifter import Batch, Sampling
from models.skeleton import HUMAN36M, MPI_INF_3DHP

SMALL = FinePOSEConfig(
    frames=9, channels=16, depth=2, heads=2, drop_path=0.0, text="tiny", text_layers=1, text_heads=4
)
ACTIONS = ("Walking", "Sitting", "Walking", "Eating")


def batch(actions: tuple[str, ...] = ACTIONS, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    B = len(actions)
    pose_3d = torch.randn(B, 9, 17, 3, generator=generator) / 4
    return Batch(pose_3d[..., :2].clone(), actions, torch.arange(B), pose_3d)


def built(seed: int = 0, **options: object) -> FinePOSE:
    """A small model whose last text layer is not zero, as it is after some training."""
    torch.manual_seed(seed)
    lifter = FinePOSE(replace(SMALL, **options)).eval()
    if lifter.stylization is not None:
        torch.nn.init.normal_(lifter.stylization.out.weight, std=0.5)
    return lifter


def permuted(data: Batch, order: list[int]) -> Batch:
    actions = tuple(data.actions[index] for index in order)
    return Batch(data.pose_2d[order], actions, data.window_keys[order], data.pose_3d[order])


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_prompt_trains_and_predicts(prompt: str) -> None:
    lifter = built(prompt=prompt).train()
    lifter.training_loss(batch()).backward()
    idle = [name for name, p in lifter.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle
    poses = lifter.eval().predict(batch(), Sampling(hypotheses=2, steps=2))
    assert poses.shape == (4, 2, 2, 9, 17, 3)
    assert torch.isfinite(poses).all()
    assert (poses[..., 0, :] == 0).all()
    assert lifter.uses_action == (prompt in ("manual", "action", "coarse", "full"))
    assert lifter.notes["prompt"] == prompt


@pytest.mark.parametrize("prompt", [name for name in PROMPTS if name != "none"])
@pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP], ids=lambda skeleton: skeleton.name)
def test_prompts_fill_the_context(prompt: str, skeleton) -> None:
    assert sum(part.rows + part.kept for part in prompt_parts(prompt, skeleton)) == 77


def test_rows_are_learned_as_described_and_stay_as_released() -> None:
    described, released = built(behaviour="described").train(), built(behaviour="released").train()
    for lifter in (described, released):
        lifter.training_loss(batch()).backward()
    assert all(rows.grad.abs().sum() > 0 for rows in described.prompts.rows.values())
    assert all(rows.grad is None and not rows.requires_grad for rows in released.prompts.rows.values())


@pytest.mark.parametrize(("behaviour", "independent"), [("described", True), ("released", False)])
def test_whether_a_window_depends_on_its_batch_in_training(behaviour: str, independent: bool) -> None:
    lifter, order = built(behaviour=behaviour), [2, 0, 3, 1]
    times, noise = lifter.draw(batch().pose_3d)
    plain = estimates(lifter, batch(), times, noise)[order]
    shuffled = estimates(lifter, permuted(batch(), order), times[order], noise[order])
    assert torch.allclose(plain, shuffled, atol=1e-5) == independent


def estimates(lifter: FinePOSE, windows: Batch, times: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    return lifter.denoise_diffused(windows.pose_2d, windows.actions, windows.pose_3d, times, noise)


@pytest.mark.parametrize("behaviour", ["described", "released"])
def test_a_prediction_does_not_depend_on_the_batch(behaviour: str) -> None:
    lifter, order = built(behaviour=behaviour), [2, 0, 3, 1]
    sampling = Sampling(hypotheses=2, steps=2)
    plain = lifter.predict(batch(), sampling)[order]
    shuffled = lifter.predict(permuted(batch(), order), sampling)
    assert torch.allclose(plain, shuffled, atol=1e-5)


def test_texts_follow_the_steps_of_a_fused_optimiser() -> None:
    lifter = built()
    before = lifter.eval().predict(batch(), Sampling())
    optimizer = torch.optim.AdamW(lifter.prompts.layers.parameters(), lr=0.1, fused=True)
    lifter.train().training_loss(batch()).backward()
    optimizer.step()
    after = lifter.eval().predict(batch(), Sampling())
    fresh = built()
    fresh.load_state_dict(lifter.state_dict())
    assert torch.equal(after, fresh.predict(batch(), Sampling()))
    assert not torch.equal(after, before)


def test_the_action_changes_the_pose_where_it_is_used() -> None:
    for prompt in PROMPTS:
        lifter = built(prompt=prompt)
        one = lifter.predict(batch(("Walking",)), Sampling())
        other = lifter.predict(batch(("Sitting",)), Sampling())
        assert torch.equal(one, other) != lifter.uses_action, prompt


@pytest.mark.parametrize("options", [{"fpp": False, "fpc": False, "pts": False}, {"fpc": False, "pts": False}])
def test_without_its_blocks_it_is_d3dp_exactly(options: dict) -> None:
    lifter = built(**options)
    torch.manual_seed(0)
    d3dp = D3DP(DenoiserConfig(frames=9, channels=16, depth=2, heads=2, drop_path=0.0)).eval()
    assert lifter.state_dict().keys() == d3dp.state_dict().keys()
    assert all(torch.equal(lifter.state_dict()[name], weight) for name, weight in d3dp.state_dict().items())
    sampling = Sampling(hypotheses=3, steps=3)
    assert torch.equal(lifter.predict(batch(), sampling), d3dp.predict(batch(), sampling))
    losses = []
    for model in (lifter, d3dp):
        torch.manual_seed(1)
        losses.append(model.train().training_loss(batch()))
    assert torch.equal(*losses)
    assert not lifter.uses_action


@pytest.mark.parametrize(
    ("options", "absent"),
    [({"fpc": False}, "communication"), ({"pts": False}, "pool"), ({"prompt": "none"}, "prompts")],
)
def test_a_block_that_is_off_is_not_there(options: dict, absent: str) -> None:
    lifter = built(**options)
    assert getattr(lifter, absent) is None
    assert not any(name.startswith(absent) for name in lifter.state_dict())


def test_without_part_prompts_the_text_is_the_manual_sentence() -> None:
    plain, manual = built(fpp=False), built(prompt="manual")
    assert torch.equal(plain.predict(batch(), Sampling()), manual.predict(batch(), Sampling()))
    assert plain.notes["without"] == "FPP"


@pytest.mark.parametrize("behaviour", ["described", "released"])
def test_chunks_of_hypotheses_do_not_change_the_result(behaviour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lifter, sampling = built(behaviour=behaviour), Sampling(hypotheses=5, steps=3)
    whole = lifter.predict(batch(), sampling)
    monkeypatch.setattr(denoiser, "VALUES_AT_ONCE", 2 * 2 * 4 * 9 * 17 * 16)
    torch.testing.assert_close(lifter.predict(batch(), sampling), whole, atol=1e-5, rtol=0)


def test_fewer_hypotheses_and_steps_are_a_prefix_of_more() -> None:
    lifter = built()
    more, fewer = (lifter.predict(batch(), Sampling(hypotheses=h, steps=4)) for h in (4, 2))
    torch.testing.assert_close(more[:, :, :2], fewer, atol=1e-5, rtol=0)
    one_step = lifter.predict(batch(), Sampling(hypotheses=2, steps=1))
    torch.testing.assert_close(more[:, :1, :2], one_step, atol=1e-5, rtol=0)


def test_flip_averages_with_the_mirror_image() -> None:
    lifter, data = built(), batch(("Walking",))
    poses = lifter.predict(data, Sampling(steps=1, flip=True))
    assert not torch.allclose(poses, lifter.predict(data, Sampling(steps=1, flip=False)), atol=1e-4)


def test_text_is_encoded_once_for_each_action(monkeypatch: pytest.MonkeyPatch) -> None:
    lifter = built()
    calls: list[list[str]] = []
    encode = lifter.prompts.encode
    monkeypatch.setattr(lifter.prompts, "encode", lambda actions: calls.append(actions) or encode(actions))
    for actions in (ACTIONS, ACTIONS, (*ACTIONS[:3], "Photo")):
        lifter.predict(batch(actions), Sampling(hypotheses=2, steps=3))
    assert calls == [["Eating", "Sitting", "Walking"], ["Photo"]]


@pytest.mark.parametrize(
    ("options", "times"), [({"prompt": "manual"}, 1), ({"behaviour": "released"}, 1), ({}, 3)]
)
def test_text_that_cannot_change_is_encoded_once_in_training(
    options: dict, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifter = built(**options).train()
    calls: list[list[str]] = []
    encode = lifter.prompts.encode
    monkeypatch.setattr(lifter.prompts, "encode", lambda actions: calls.append(actions) or encode(actions))
    optimiser = torch.optim.AdamW([p for p in lifter.parameters() if p.requires_grad], 1e-3)
    for _ in range(3):
        lifter.training_loss(batch()).backward()
        optimiser.step()
    assert len(calls) == times


def test_remembered_text_follows_the_weights() -> None:
    lifter, data = built(), batch()
    before = lifter.predict(data, Sampling())
    state = lifter.state_dict()
    lifter.load_state_dict(built(seed=1).state_dict())
    other = lifter.predict(data, Sampling())
    assert torch.equal(other, built(seed=1).predict(data, Sampling()))
    assert not torch.allclose(before, other, atol=1e-3)
    assert state.keys() == lifter.state_dict().keys()


def test_prediction_in_inference_mode_leaves_training_possible() -> None:
    lifter = built(behaviour="released")
    with torch.inference_mode():
        lifter.predict(batch(), Sampling())
    lifter.train().training_loss(batch()).backward()
    assert lifter.trunk.head[1].weight.grad.abs().sum() > 0


def test_remembered_text_does_not_depend_on_the_precision_of_the_first_caller() -> None:
    plain, mixed = built(behaviour="released"), built(behaviour="released")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed.predict(batch(), Sampling())
    assert torch.equal(mixed.predict(batch(), Sampling()), plain.predict(batch(), Sampling()))


def test_the_encoder_is_frozen_and_counted_apart() -> None:
    lifter = built()
    assert lifter.frozen_parameters() == sum(p.numel() for p in lifter.prompts.encoder.parameters()) > 0


@pytest.mark.parametrize(
    "options", [{"prompt": "poem"}, {"behaviour": "hoped"}, {"text": "gpt"}, {"text_layers": 0}, {"scale": 0.0}]
)
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        replace(SMALL, **options)
    with pytest.raises(InputError, match="text_heads is 5"):
        FinePOSE(replace(SMALL, text_heads=5))


def test_shuffled_parts_change_the_output_of_the_same_weights() -> None:
    lifter, shuffled = built(), built(shuffle_parts=True)
    shuffled.load_state_dict(lifter.state_dict())
    one, other = (model.predict(batch(), Sampling()) for model in (lifter, shuffled))
    assert not torch.equal(one, other)


def test_auto_is_settled_when_it_is_resolved_and_not_by_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    weights = tmp_path / "ViT-B-32.pt"
    weights.touch()
    auto = replace(SMALL, text="auto")
    monkeypatch.setenv("LIFTING_BENCH_CLIP", str(weights))
    assert FinePOSE.resolve_config(auto).text == "clip"
    assert auto.text == FinePOSE.presets["paper"].config.text == "auto"
    assert FinePOSE.resolve_config(SMALL) == SMALL
