"""The method is found by its name, learns, and treats mirror images alike."""

import torch
from my_lifter import MyLifter

from bench.config.registry import METHODS
from models.lifter import Batch, Sampling
from models.skeleton import HUMAN36M


def batch(windows=4):
    """Made-up windows: 3D poses, and their first two coordinates as the 2D input."""
    torch.manual_seed(0)
    poses = 0.3 * torch.randn(windows, 9, 17, 3)
    return Batch(poses[..., :2], ("Walking",) * windows, torch.arange(windows), pose_3d=poses)


def test_it_is_found_by_its_name():
    assert METHODS.load("mine") is MyLifter


def test_training_lowers_the_loss():
    lifter = MyLifter(MyLifter.presets["tiny"].config)
    optimizer = torch.optim.AdamW(lifter.parameters(), lr=1e-2)
    losses = []
    for _ in range(50):
        losses.append(loss := lifter.training_loss(batch()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]


def test_a_mirrored_input_has_the_mirrored_pose():
    lifter, seen = MyLifter(MyLifter.presets["tiny"].config), batch()
    mirrored = Batch(HUMAN36M.mirror(seen.pose_2d), seen.actions, seen.window_keys)
    poses = lifter.predict(seen, Sampling(flip=True))
    assert poses.shape == (4, 1, 1, 9, 17, 3)
    torch.testing.assert_close(lifter.predict(mirrored, Sampling(flip=True)), HUMAN36M.mirror(poses))
    assert not poses[..., HUMAN36M.root, :].any()
