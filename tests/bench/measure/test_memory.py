"""What is done when memory runs out."""

import gc
import weakref

import pytest
import torch

from bench.measure import memory


def needing(most, tried):
    """A call for which there is only enough memory at ``most``."""

    def call(size):
        tried.append(size)
        if size > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB")
        return f"done with {size}"

    return call


@pytest.mark.parametrize(
    ("most", "least", "sizes"),
    [(100, 1, [20]), (6, 1, [20, 10, 5]), (1, 1, [20, 10, 5, 2, 1]), (5, 4, [20, 10, 5])],
)
def test_sizes_are_halved_until_there_is_enough_memory(most, least, sizes):
    tried = []
    assert memory.first_that_fits(needing(most, tried), memory.halving(20, least)) == f"done with {sizes[-1]}"
    assert tried == sizes


def test_too_little_memory_for_the_smallest_size_is_an_error():
    tried = []
    with pytest.raises(torch.OutOfMemoryError):
        memory.first_that_fits(needing(0, tried), memory.halving(4, least=2))
    assert tried == [4, 2]


def test_other_errors_are_not_tried_again():
    tried = []

    def call(size):
        tried.append(size)
        raise ValueError(size)

    with pytest.raises(ValueError, match="8"):
        memory.first_that_fits(call, memory.halving(8))
    assert tried == [8]


def test_parts_are_doubled_up_to_what_is_enough():
    assert list(memory.doubling(1, 5)) == [1, 2, 4, 8]
    assert list(memory.doubling(4, 1)) == [4]


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("CUDA error: out of memory\nand advice"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_a_lack_of_memory_is_recognised(error, is_one):
    assert memory.is_out_of_memory(error) is is_one


def test_what_was_measured_before_is_gone_from_a_gpu(monkeypatch):
    """A method that refers to itself, as one whose stages were timed, lives until Python looks for such cycles."""
    for name in ("empty_cache", "reset_peak_memory_stats", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, lambda *device: None)
    for name in ("memory_allocated", "max_memory_allocated", "max_memory_reserved"):
        monkeypatch.setattr(torch.cuda, name, lambda device: 3_000_000)
    before = torch.nn.Module()
    before.itself, there = before, weakref.ref(before)
    gc.disable()
    try:
        del before
        seen = []
        used = memory.peak_memory(lambda: seen.append(there()), torch.device("cuda"))
    finally:
        gc.enable()
    assert seen == [None]
    assert (used.peak, used.added) == (3.0, 0.0)
