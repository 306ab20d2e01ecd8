"""Action prompts: what is recognised, what labels are used for, and what is left without prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from baselines.actionprompt_like import ActionPromptConfig, ActionPromptLike
from baselines.mixste import MixSTE
from bench.data.human36m.takes import ACTIONS
from models.errors import InputError
from models.lifter import Batch, Sampling
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton

WORDS = ("Eating", "Sitting", "Walking")
TINY = ActionPromptLike.presets["tiny"].config


def lifter(words: Sequence[str] = WORDS, skeleton: Skeleton = HUMAN36M, **options: object) -> ActionPromptLike:
    torch.manual_seed(0)
    made = ActionPromptLike(replace(TINY, **options), skeleton)
    made.fit_actions(tuple(words))
    return made.eval()


def batch(actions: tuple[str, ...] = WORDS, seed: int = 0) -> Batch:
    """Windows of which each action has a pose of its own, so that it can be told."""
    generator = torch.Generator().manual_seed(seed)
    poses = torch.randn(len(WORDS), 1, 17, 3, generator=torch.Generator().manual_seed(7))
    pose_3d = poses.expand(-1, 9, -1, -1) + 0.1 * torch.randn(3, 9, 17, 3, generator=generator)
    return Batch(pose_3d[..., :2], actions, torch.arange(3), pose_3d)


def train(made: ActionPromptLike, steps: int) -> ActionPromptLike:
    optimiser = torch.optim.AdamW([weight for weight in made.parameters() if weight.requires_grad], 3e-3)
    made.train()
    for step in range(steps):
        torch.manual_seed(step)
        loss = made.training_loss(batch(seed=step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return made.eval()


def test_without_prompts_it_is_mixste() -> None:
    made = lifter(prompts=False)
    torch.manual_seed(0)
    mixste = MixSTE(MixSTE.presets["tiny"].config).eval()
    assert made.state_dict().keys() == mixste.state_dict().keys()
    assert torch.equal(made.predict(batch(), Sampling()), mixste.predict(batch(), Sampling()))
    assert torch.equal(made.training_loss(batch()), mixste.training_loss(batch()))
    assert ActionPromptLike.presets["tiny"].recipe == MixSTE.presets["tiny"].recipe


def test_texts_are_encoded_anew_after_a_fused_step() -> None:
    """Such a step changes parameters without a sign."""
    made = lifter()
    optimiser = torch.optim.AdamW(
        [weight for weight in made.parameters() if weight.requires_grad], 3e-3, fused=True
    )
    with torch.no_grad():
        before = made.texts()
    made.train().training_loss(batch()).backward()
    optimiser.step()
    made.eval()
    with torch.no_grad():
        assert not torch.equal(made.texts(), before)
        assert torch.equal(made.texts(), made.texts.encode())


def test_untrained_prompts_change_no_pose() -> None:
    torch.manual_seed(0)
    mixste = MixSTE(MixSTE.presets["tiny"].config).eval()
    assert torch.equal(lifter().predict(batch(), Sampling()), mixste.predict(batch(), Sampling()))


def test_a_prediction_reads_no_label_unless_it_is_given() -> None:
    recognised, given = (train(lifter(label=label), 3) for label in ("recognised", "given"))
    assert not recognised.uses_action
    assert given.uses_action
    others = ("Walking", "Eating", "")
    for made in (recognised, given):
        one, other = (made.predict(batch(actions), Sampling()) for actions in (WORDS, others))
        assert torch.equal(one, other) != made.uses_action


def test_it_learns_to_recognise_actions_that_can_be_told_apart() -> None:
    made = train(lifter(), 40)
    with torch.no_grad():
        shares = made.recognise(batch(seed=99).pose_2d)
    assert shares.shape == (3, 15)
    assert shares.argmax(dim=1).tolist() == [0, 1, 2], "in the order of sorted labels"
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(3))
    assert shares[:, len(WORDS) :].sum() < 1e-6, "rows that no action has"


def test_the_loss_of_poses_alone_moves_the_recognition_only_where_it_is_used() -> None:
    for label, moved in (("recognised", True), ("given", False)):
        made = train(lifter(label=label, recognition_weight=0.0), 3)
        made.zero_grad()
        made.training_loss(batch()).backward()
        gradients = [weight.grad for weight in made.pool.parameters()]
        assert any(grad is not None and grad.abs().sum() > 0 for grad in gradients) == moved


def test_patterns_are_those_of_the_action() -> None:
    made = train(lifter(label="given"), 3)
    before = made.predict(batch(), Sampling())
    with torch.no_grad():
        made.read.patterns[1] += 1
    changed = (made.predict(batch(), Sampling()) != before).flatten(1).any(dim=1)
    assert changed.tolist() == [False, True, False]


def test_a_label_that_is_no_known_action_is_all_of_them_alike() -> None:
    made = train(lifter(label="given"), 3)
    poses = [made.predict(batch((word,) * 3), Sampling()) for word in ("", "Granite", "Walking")]
    assert torch.equal(poses[0], poses[1])
    assert not torch.equal(poses[0], poses[2])
    assert all(torch.isfinite(each).all() for each in poses)


def test_labels_are_part_of_the_weights() -> None:
    made = train(lifter(ACTIONS), 3)
    other = ActionPromptLike(TINY).eval()
    other.predict(batch(), Sampling())
    other.load_state_dict(made.state_dict())
    assert torch.equal(other.recognise(batch().pose_2d), made.recognise(batch().pose_2d))
    assert torch.equal(other.predict(batch(), Sampling()), made.predict(batch(), Sampling()))


def test_the_text_encoder_is_frozen_and_learned_rows_are_not() -> None:
    made = lifter()
    made.train().training_loss(batch()).backward()
    assert made.texts.context.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in made.texts.encoder.parameters())
    assert made.frozen_parameters() == sum(weight.numel() for weight in made.texts.encoder.parameters()) > 0


@pytest.mark.parametrize(
    ("words", "skeleton", "told"),
    [
        (("take",), HUMAN36M, "no two action words"),
        (WORDS, MPI_INF_3DHP, "no two action words"),
        (tuple(f"action {number}" for number in range(16)), HUMAN36M, "set method.options.actions to 16"),
    ],
)
def test_data_that_do_not_fit_are_refused(words: tuple[str, ...], skeleton: Skeleton, told: str) -> None:
    with pytest.raises(InputError, match=told):
        lifter(words, skeleton)
    assert lifter(words, skeleton, prompts=False).notes == {"action prompts": "none"}


@pytest.mark.parametrize(
    "options",
    [{"label": "guessed"}, {"text": "bert"}, {"patterns": 0}, {"actions": 1}, {"context_rows": 70},
     {"recognition_weight": -1.0}],
)  # fmt: skip
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        ActionPromptConfig(**options)
