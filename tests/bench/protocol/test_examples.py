from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from bench.data.windows import Windows
from bench.protocol.evaluate import EvalSetting
from bench.protocol.examples import EVERY, predict_examples
from models.lifter import Sampling
from models.skeleton import HUMAN36M
from tests.bench.protocol.test_evaluate import CONTEXT, FRAMES, Exact, one_sequence


def test_examples_begin_where_frames_count_however_late() -> None:
    rng = np.random.default_rng(0)
    never, late = np.zeros((2, 600), dtype=bool)
    late[501:511] = True
    takes = [
        replace(one_sequence(rng, "S9", action, "a", 600), valid=valid)
        for action, valid in (("Eating", never), ("Posing", never), ("Walking", late))
    ]
    windows = Windows(takes, HUMAN36M, FRAMES, CONTEXT, mode="eval")
    setting = EvalSetting()
    examples = predict_examples(Exact(), windows, Sampling(flip=False), [setting], torch.device("cpu"), 4)[setting]
    assert examples.keys == ("S9/Walking/a",), "takes of which no frame counts are no examples"
    assert examples.frame.tolist() == list(range(501, 511, EVERY))
    assert len(examples.answer) == len(examples.frame)
