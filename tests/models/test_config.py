from dataclasses import dataclass, replace

import pytest

from models.config import CentreConfig, WindowConfig, added_option, identifying
from models.errors import InputError


def test_centre_windows_are_odd_and_name_their_context() -> None:
    assert CentreConfig(frames=9, length=27).context == (13, 13)
    with pytest.raises(InputError, match="length is 8, but a window has an odd number"):
        CentreConfig(length=8)


@dataclass(frozen=True)
class Grown(WindowConfig):
    later: float = added_option(0.0)


def test_an_added_option_names_a_configuration_where_it_is_set() -> None:
    assert identifying(Grown()) == identifying(WindowConfig()) == {"frames": 243}
    assert identifying(replace(Grown(), later=0.1)) == {"frames": 243, "later": 0.1}


@pytest.mark.parametrize("frames", [1, 2, 243])
def test_a_window_has_any_number_of_frames(frames: int) -> None:
    assert WindowConfig(frames=frames).frames == frames


def test_a_window_is_not_empty() -> None:
    with pytest.raises(InputError, match="frames is 0, but must be 1 or more"):
        WindowConfig(frames=0)
