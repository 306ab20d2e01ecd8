"""What we use of other libraries without their promise is still there."""


def test_accelerate_can_forget_its_precision():
    from accelerate.state import AcceleratorState

    assert callable(AcceleratorState._reset_state)
