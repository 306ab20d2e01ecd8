import pytest

from models.config import CentreConfig
from models.errors import InputError


def test_centre_windows_are_odd_and_name_their_context() -> None:
    assert CentreConfig(frames=9, length=27).context == (13, 13)
    with pytest.raises(InputError, match="length is 8, but a window has an odd number"):
        CentreConfig(length=8)
