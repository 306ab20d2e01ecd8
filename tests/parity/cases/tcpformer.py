"""Golden cases of TCPFormer."""

from __future__ import annotations

from baselines.published.tcpformer import ADAPTER
from baselines.tcpformer import TCPFormer, TCPFormerConfig
from models.inference import flip_average
from models.losses import sequence_loss
from tests.parity.cases.motionagformer import SIZES
from tests.parity.vectors import GRADIENTS, Case, Limit, Limits, Outputs, Vectors, first_output, loss_and_gradients

LIMITS: Limits = (GRADIENTS, (r"out_local_1e5", Limit(2e-6)), (r".*", Limit(5e-6)))
RELEASED_SCALE = 1e-5


def tcpformer(vectors: Vectors) -> Outputs:
    """The network, inside and out, its training loss and gradients, and its output at the released local scale."""
    lifter, seen = _lifter(vectors, vectors.config["local_scale"]), Outputs()
    inside = {
        "after_dual0": "stages.0.streams",
        "sum_attention0": "stages.0.exchange.summed.mixer",
        "memory": "stages.0",
        "after_norm": "norm",
    }
    for name, module in inside.items():
        first_output(lifter.get_submodule(module), seen, name)
    out = lifter.lift_windows(vectors["x"])
    seen["after_memory0"], seen["proxy0"] = seen.pop("memory")
    loss = sequence_loss(out, vectors["target"], lifter.config.scaled, lifter.config.velocity)
    return {
        **{name: features[:1] for name, features in seen.items()},
        "out": out,
        "out_flip_averaged": flip_average(lifter.lift_windows, vectors["x"], lifter.skeleton, flip=True),
        "out_local_1e5": _lifter(vectors, RELEASED_SCALE).lift_windows(vectors["x"]),
        **loss_and_gradients(vectors, ADAPTER, lifter, loss),
    }


def _lifter(vectors: Vectors, local_scale: float) -> TCPFormer:
    config = {ours: vectors.config[theirs] for ours, theirs in SIZES.items()}
    lifter = TCPFormer(TCPFormerConfig(**config, local_scale=local_scale))
    lifter.load_state_dict(vectors.weights(ADAPTER))
    return lifter.eval()


CASES = {"TCPFormer": Case(tcpformer, LIMITS)}
