import pytest

from models.config import CentreConfig, WindowConfig
from models.errors import InputError


def test_centre_windows_are_odd_and_name_their_context() -> None:
    assert CentreConfig(frames=9, length=27).context == (13, 13)
    with pytest.raises(InputError, match="length is 8, but a window has an odd number"):
        CentreConfig(length=8)


@pytest.mark.parametrize("frames", [1, 2, 243])
def test_a_window_has_any_number_of_frames(frames: int) -> None:
    assert WindowConfig(frames=frames).frames == frames


def test_a_window_is_not_empty() -> None:
    with pytest.raises(InputError, match="frames is 0, but must be 1 or more"):
        WindowConfig(frames=0)
