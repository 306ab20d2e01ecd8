"""The forecasts of docs/gpu.md are those that the script prints."""

import pytest

from tests import ROOT
from tests.speed.operations import HEAD, row


@pytest.mark.parametrize("name", ["tcn", "mixste"])
def test_the_page_has_what_the_script_prints(name):
    page = (ROOT / "docs" / "gpu.md").read_text()
    assert HEAD in page
    assert row(name) in page
