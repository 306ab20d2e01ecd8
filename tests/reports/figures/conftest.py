import matplotlib
import pytest

from reports.figures.style import STYLE


@pytest.fixture(autouse=True)
def style():
    """Figures are drawn here in the style in which ``reports.build`` draws them."""
    with matplotlib.rc_context(STYLE):
        yield
