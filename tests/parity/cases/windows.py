"""Golden cases of the windows of training and evaluation."""

from __future__ import annotations

import numpy as np
import torch

from bench.data.sequence import Sequence
from bench.data.windows import Windows, eval_table, train_table
from models.skeleton import Skeleton
from tests.parity.vectors import Case, Outputs, Vectors

PAIR = Skeleton("pair", ("L", "R"), (-1, 0), (0,), (1,), 0)


def training_windows(vectors: Vectors) -> Outputs:
    """Tables, and the windows of a tiny set in the order of the stored ones."""
    config = vectors.config
    outputs: Outputs = {}
    for name, flip in (("noaug", False), ("aug", True)):
        outputs[f"table_{name}"] = train_table(config["lengths"], config["chunk"], flip)
        outputs[f"tiny_table_{name}"] = train_table(config["tiny_lengths"], config["tiny_chunk"], flip)
        windows = Windows(_tiny_sequences(vectors), PAIR, config["tiny_chunk"], flip=flip)
        batch = windows.batch(np.arange(len(windows)))
        assert batch.pose_3d is not None
        equal = (vectors.array(f"tiny_3d_{name}")[:, None] == batch.pose_3d.numpy()).all((2, 3, 4))
        order = torch.from_numpy(equal.argmax(1))
        arrays = {"tiny_2d": batch.pose_2d, "tiny_3d": batch.pose_3d, "tiny_cam": batch.camera}
        outputs |= {f"{array}_{name}": tensor[order] for array, tensor in arrays.items() if tensor is not None}
    return outputs


def _tiny_sequences(vectors: Vectors) -> list[Sequence]:
    return [
        Sequence(
            subject="S1",
            action="Walking",
            camera="a",
            fps=50.0,
            pose_2d=vectors.array(f"tiny_seq2d_{number}"),
            pose_3d=vectors.array(f"tiny_seq3d_{number}"),
            trajectory=vectors.array(f"tiny_seq3d_{number}")[:, 0],
            intrinsics=vectors.array(f"tiny_seqcam_{number}"),
            width=1000,
            height=1002,
        )
        for number in range(len(vectors.config["tiny_lengths"]))
    ]


def evaluation_windows(vectors: Vectors) -> Outputs:
    """The source frame at every position of every window, for each length of a sequence."""
    window = vectors.config["window"]
    outputs = {}
    for name in vectors.names:
        length = int(name.removeprefix("frames_"))
        starts = eval_table([length], window)[:, 1:2]
        outputs[name] = np.clip(starts + np.arange(window), 0, length - 1)
    return outputs


CASES = {
    "training windows": Case(
        training_windows,
        not_ours=r"shuffled_.*|num_batches_.*|tiny_batch_sizes_.*",
        reason="order and number of batches are the trainer's own",
    ),
    "evaluation windows": Case(evaluation_windows),
}
