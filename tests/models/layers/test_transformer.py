import pytest
import torch
from torch.nn import functional

from models.errors import InputError
from models.layers import transformer
from models.layers.transformer import Attention, StochasticDepth, Trunk, TrunkConfig


def plain_attention(layer: Attention, rows: torch.Tensor) -> torch.Tensor:
    """The textbook form over ``[N, L, C]``: fused projection, heads split, softmax."""
    N, L, C = rows.shape
    q, k, v = layer.qkv(rows).view(N, L, 3, layer.heads, -1).permute(2, 0, 3, 1, 4)
    weights = (q @ k.transpose(-1, -2) / (C // layer.heads) ** 0.5).softmax(-1)
    return layer.proj((weights @ v).transpose(1, 2).reshape(N, L, C))


@pytest.mark.parametrize("length", [5, transformer.SHORT_SEQUENCE + 1])
def test_columns_are_attended_apart(length: int) -> None:
    torch.manual_seed(0)
    layer, tokens = Attention(16, heads=4), torch.randn(2, length, 3, 16)
    expected = torch.stack([plain_attention(layer, tokens[:, :, column]) for column in range(3)], dim=2)
    torch.testing.assert_close(layer(tokens), expected, atol=1e-6, rtol=1e-5)


def test_both_ways_of_attention_agree() -> None:
    q, k, v = torch.randn(3, 2, 4, 17, 8)
    torch.testing.assert_close(
        transformer.attend(q, k, v), functional.scaled_dot_product_attention(q, k, v), atol=1e-6, rtol=1e-5
    )


class OnGpu(torch.Tensor):
    """A tensor that says that it is on a GPU."""

    is_cuda = True


@pytest.mark.parametrize(("rows", "calls"), [(4, [4]), (5, [4, 1]), (9, [4, 4, 1])])
def test_a_gpu_attends_no_more_rows_than_its_grid_has(
    monkeypatch: pytest.MonkeyPatch, rows: int, calls: list[int]
) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(transformer, "CUDA_ROWS", 4)
    fused, seen = functional.scaled_dot_product_attention, []

    def attention(query: torch.Tensor, *rest: torch.Tensor, **options: float) -> torch.Tensor:
        seen.append(len(query))
        return fused(query, *rest, **options)

    inputs = [torch.randn(rows, 2, 5, 8, requires_grad=True) for _ in range(3)]
    monkeypatch.setattr(functional, "scaled_dot_product_attention", attention)
    split = transformer.attend(*(tensor.as_subclass(OnGpu) for tensor in inputs))
    assert seen == calls
    whole, weight = fused(*inputs), torch.randn(rows, 2, 5, 8)
    found, expected = (torch.autograd.grad((mixed * weight).sum(), inputs) for mixed in (split, whole))
    for ours, theirs in zip((split, *found), (whole, *expected), strict=True):
        torch.testing.assert_close(ours.as_subclass(torch.Tensor), theirs, atol=1e-6, rtol=1e-5)


def test_no_layout_copy_after_fused_attention() -> None:
    q = torch.randn(2, 40, 3 * 4, 8).transpose(1, 2)
    mixed = functional.scaled_dot_product_attention(q, q, q)
    assert mixed.transpose(1, 2).is_contiguous()


def test_stochastic_depth_drops_rows_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    drop_path = StochasticDepth(0.5)
    branch = torch.ones(2000, 3, 2, 8)
    kept = drop_path(branch)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert (kept == kept[:, :1, :, :1]).all()
    assert abs(kept.mean().item() - 1) < 0.05
    assert torch.equal(drop_path.eval()(branch), branch)


def test_stochastic_depth_grows_linearly() -> None:
    trunk = Trunk(TrunkConfig(frames=3, channels=8, depth=3, heads=2, drop_path=0.2), inputs=2, joints=17)
    assert [block.drop_path.rate for block in trunk.spatial_blocks] == [0.0, 0.1, 0.2]


def test_embedding_in_two_parts_is_one_linear_layer() -> None:
    trunk = Trunk(TrunkConfig(frames=3, channels=8, depth=1, heads=2), inputs=5, joints=17)
    pose_2d, pose_3d = torch.randn(2, 3, 17, 2), torch.randn(2, 3, 17, 3)
    whole = trunk.embedding(torch.cat([pose_2d, pose_3d], dim=-1)) + trunk.joint_table
    torch.testing.assert_close(trunk.embed(pose_2d) + trunk.embed_3d(pose_3d), whole)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"frames": 0}, "frames"),
        ({"channels": 30, "heads": 8}, "channels"),
        ({"depth": 0}, "depth"),
        ({"drop_path": 1.0}, "drop_path"),
        ({"mlp_ratio": 0.0}, "mlp_ratio"),
    ],
)
def test_sizes_are_checked(options: dict, word: str) -> None:
    with pytest.raises(InputError, match=word):
        TrunkConfig(**options)


def test_checkpointing_keeps_gradients_and_holds_less() -> None:
    def gradients(checkpointing: bool) -> tuple[list[torch.Tensor], int]:
        torch.manual_seed(0)
        config = TrunkConfig(
            frames=9, channels=16, depth=3, heads=2, drop_path=0.5, table_std=0.02, checkpointing=checkpointing
        )
        trunk, tokens = Trunk(config, inputs=2, joints=17).train(), torch.randn(2, 9, 17, 16)
        held = 0

        def count(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal held
            held += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            loss = trunk(tokens).square().sum()
        return list(torch.autograd.grad(loss, list(trunk.parameters()), allow_unused=True)), held

    plain, much = gradients(checkpointing=False)
    recomputed, little = gradients(checkpointing=True)
    assert sum(gradient is not None for gradient in plain) > 40
    for ours, theirs in zip(recomputed, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert little < much / 2
