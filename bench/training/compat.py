"""Names of other libraries that they do not promise to keep. A test checks that each of them still exists."""

from __future__ import annotations


def forget_accelerator() -> None:
    """Let the next ``Accelerator`` of this process have another precision than those before it.

    Accelerate keeps the first precision for the whole process and offers no public way to change it.
    """
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()
