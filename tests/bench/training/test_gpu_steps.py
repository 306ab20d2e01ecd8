"""What a training step asks of a GPU, and of the CPU beside it; no GPU is needed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.training import trainer
from bench.training.trainer import _Run


@pytest.mark.parametrize(("device", "moved"), [("cuda", ["pinned", "to cuda"]), ("cpu", ["to cpu"])])
def test_batches_are_copied_to_a_gpu_from_pinned_memory(monkeypatch, device, moved):
    """From other memory the copy would wait for the step before."""
    done, zeros = [], torch.zeros
    monkeypatch.setattr(trainer.torch, "zeros", lambda *shape, dtype, device: zeros(*shape, dtype=dtype))
    monkeypatch.setattr(trainer, "seed_generators", lambda device, seed: None)

    class Batch:
        def pinned(self):
            done.append("pinned")
            return self

        def to(self, place):
            done.append(f"to {place}")
            return self

    run = SimpleNamespace(
        accelerator=SimpleNamespace(device=torch.device(device), backward=lambda loss: None),
        windows=SimpleNamespace(batch=lambda rows, seed: Batch()),
        model=lambda batch: torch.tensor(2.0),
        lifter=None,
    )
    assert _Run._in_parts(run, [np.arange(3)], 0) == 2.0
    assert done == moved


@pytest.mark.parametrize(("is_main", "noted"), [(False, []), (True, ["progress", "state"])])
def test_only_the_process_that_saves_waits_for_the_gpu(monkeypatch, is_main, noted):
    done = []
    monkeypatch.setattr(trainer.checkpoints, "save_state", lambda folder, state: done.append("state") or 0)
    part = SimpleNamespace(state_dict=dict)
    run = SimpleNamespace(
        accelerator=SimpleNamespace(is_main_process=is_main, scaler=None),
        next_save=0.0,
        _note_progress=lambda: done.append("progress"),
        lifter=part,
        optimizer=part,
        progress=trainer._Progress(),
        best=SimpleNamespace(note_state=lambda errors: None),
        folder=None,
    )
    _Run.save(run)
    assert done == noted
    _Run.save(run, at_once=True)
    assert done == 2 * noted
