"""How methods look: one colour and marker each, with contrast, told apart by colour-blind readers."""

import itertools
import re
from importlib import resources

import numpy as np
import pytest

from bench.config.registry import METHODS
from reports.figures.looks import COLOURS, look_of


def luminance(colour):
    """Luminance of an sRGB colour, from 0 to 1 (WCAG 2)."""
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_every_colour_has_contrast_on_the_white_and_on_the_dark_page():
    style = resources.files("reports.page").joinpath("page.css").read_text(encoding="utf-8")
    grounds = re.findall(r"--(?:ground|raised): (#[0-9a-f]{6});", style)
    assert len(grounds) == 4
    for colour in COLOURS:
        for ground in ["#ffffff", *grounds]:
            darker, lighter = sorted([luminance(colour), luminance(ground)])
            assert (lighter + 0.05) / (darker + 0.05) >= 3, (colour, ground)


DICHROMACIES = {
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
"""What is seen of linear sRGB (Machado, Oliveira and Fernandes, 2009)."""


@pytest.mark.parametrize("seen", DICHROMACIES.values(), ids=DICHROMACIES)
def test_methods_with_one_marker_have_colours_that_colour_blind_readers_tell_apart(seen):
    looks = [look_of(name) for name in METHODS.own]
    shared = [(a, b) for a, b in itertools.combinations(looks, 2) if a.marker == b.marker]
    main = [look_of(name) for name in ("tcn", "mixste", "d3dp", "finepose")]
    assert len({look.marker for look in main}) == 4
    for one, other in [*shared, *itertools.combinations(main, 2)]:
        assert lab_distance(one.colour, other.colour, np.array(seen)) > 15


def lab_distance(one, other, seen):
    """CIE 1976, of colours as a colour-blind reader sees them."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])

    def lab(colour):
        parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        x, y, z = np.cbrt(xyz @ np.clip(seen @ linear, 0, 1) / [0.9505, 1, 1.089])
        return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])

    return np.linalg.norm(lab(one) - lab(other))


LOOKS = {
    "mean_pose": "#E26A00 o", "nearest_pose": "#707070 s", "tcn": "#1B6FD0 D",
    "anatomy": "#B0569A ^", "pstmo": "#8A6D00 v", "mixste": "#00997A P",
    "poseformerv2": "#E26A00 <", "mhformer": "#707070 >", "glagcn": "#1B6FD0 p",
    "motionbert": "#B0569A *", "motionagformer": "#8A6D00 h", "tcpformer": "#00997A d",
    "ktpformer": "#E26A00 s", "diffpose": "#707070 D", "actionprompt_like": "#1B6FD0 ^",
    "d3dp": "#B0569A v", "ktpformer_diffusion": "#8A6D00 P", "fmpose3d": "#00997A X",
    "finepose": "#E26A00 >",
}  # fmt: skip


def test_every_method_has_its_colour_and_marker():
    assert {name: f"{look_of(name).colour} {look_of(name).marker}" for name in METHODS.own} == LOOKS


def test_methods_of_other_packages_have_looks_of_their_own():
    assert f"{look_of('mine').colour} {look_of('mine').marker}" == "#B0569A o", "the same in every process"
    own = {look_of(name) for name in METHODS.own}
    assert len({look_of(f"method_{number}") for number in range(40)}) > 20
    assert not own & {look_of(f"method_{number}") for number in range(200)}
    assert look_of("mine", "wide") == look_of("mine")._replace(filled=False)


def test_installed_methods_of_other_packages_never_share_a_look(monkeypatch):
    names = sorted(f"method_{number}" for number in range(40))
    alone = [look_of(name) for name in names]
    assert len(set(alone)) < len(alone), "some names ask for the same one"
    monkeypatch.setattr(type(METHODS), "plugin_names", lambda _: names)
    together = [look_of(name) for name in names]
    assert len(set(together)) == len(names)
    assert together == [look_of(name) for name in names]
    assert look_of(names[0]) == alone[0]
    assert look_of("gone") not in together
    assert not {look_of(name) for name in METHODS.own} & set(together)
