from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data.bvh.clip import joint_positions
from bench.data.bvh.format import parse
from models.errors import InputError
from tests.bench.data.bvh import bvh_text, with_rate


def rotation(axis: str, degrees: float) -> np.ndarray:
    """Right-handed rotation of column vectors."""
    angle = np.radians(degrees)
    cos, sin, number = np.cos(angle), np.sin(angle), "XYZ".index(axis)
    matrix = np.eye(3)
    one, two = (number + 1) % 3, (number + 2) % 3
    matrix[one, one] = matrix[two, two] = cos
    matrix[one, two], matrix[two, one] = -sin, sin
    return matrix


def textbook(text: str, order: str) -> dict[str, np.ndarray]:
    """Places of all joints in all frames, with a matrix for every joint and frame."""
    head, motion = text.split("MOTION")
    rows = np.array([line.split() for line in motion.strip().splitlines()[2:]], dtype=float)
    places: dict[str, list[np.ndarray]] = {}
    for row in rows:
        stack: list[tuple[np.ndarray, np.ndarray]] = [(np.zeros(3), np.eye(3))]
        values, name = iter(row), ""
        for line in head.splitlines():
            words = line.split()
            if words[:1] in (["ROOT"], ["JOINT"]):
                name = words[1]
            elif words[:1] == ["End"]:
                name += "/end"
            elif words[:1] == ["OFFSET"]:
                offset = np.array(words[1:], dtype=float)
                place, turned = stack[-1]
                stack.append((place + turned @ offset, turned))
            elif words[:1] == ["CHANNELS"]:
                place, turned = stack.pop()
                if words[1] == "6":
                    place = np.array([next(values) for _ in range(3)])
                for axis in order:
                    turned = turned @ rotation(axis, next(values))
                stack.append((place, turned))
                places.setdefault(name, []).append(place)
            elif words[:1] == ["}"]:
                place, _ = stack.pop()
                if name.endswith("/end"):
                    places.setdefault(name, []).append(place)
                    name = ""
    return {name: np.array(path) for name, path in places.items()}


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_forward_kinematics_in_every_rotation_order(order: str) -> None:
    text = bvh_text(frames=7, order=order)
    motion = parse(text.encode(), "test")
    places = joint_positions(motion, np.eye(len(motion.hierarchy.names)))
    for name, path in textbook(text, order).items():
        np.testing.assert_allclose(places[:, motion.hierarchy.names.index(name)], path, atol=1e-9)


def test_rows_broken_anywhere_and_either_line_end() -> None:
    text = bvh_text(frames=5)
    head, motion = text.split("Frame Time:")
    broken = head + "Frame Time:" + motion.replace(" ", "\n ").replace("\n", "\r\n")
    plain = parse(text.encode(), "plain")
    for other in (broken, "\ufeff" + text, text.replace("\t", "  "), text.replace("Frames:", "Frames:\t")):
        np.testing.assert_array_equal(parse(other.encode(), "other").values, plain.values)


def test_one_row_more_than_declared_is_left_out_and_said() -> None:
    plain = parse(bvh_text(frames=5).encode(), "plain.bvh")
    assert plain.remarks == ()
    more = parse(bvh_text(frames=5).replace("Frames: 5", "Frames: 4").encode(), "more.bvh")
    np.testing.assert_array_equal(more.values, plain.values[:4])
    (remark,) = more.remarks
    assert "one row more" in remark
    with pytest.raises(InputError, match=r"declares 3 frames .* holds 5"):
        parse(bvh_text(frames=5).replace("Frames: 5", "Frames: 3").encode(), "more.bvh")


def test_a_rate_below_five_frames_per_second_is_not_believed() -> None:
    slow = with_rate(bvh_text(frames=5), "1.0").encode()
    with pytest.raises(InputError, match=r"slow\.bvh: 'Frame Time: 1\.0' .*option source_fps"):
        parse(slow, "slow.bvh")
    assert parse(slow, "slow.bvh", 0.01).frame_time == 0.01
    assert parse(with_rate(bvh_text(frames=5), "0.2").encode(), "5.bvh").frame_time == 0.2


def test_translations_of_joints_stand_for_offsets_or_come_on_top() -> None:
    text = bvh_text(frames=3)
    spine = "\tJOINT Spine\n\t{\n\t\tOFFSET 0.000000 24.000000 0.000000\n\t\tCHANNELS 3"
    assert spine in text
    plain = parse(text.encode(), "plain")
    column = sum(map(len, plain.hierarchy.channels[: plain.hierarchy.names.index("Spine")]))
    for values in ("0 24 0", "0 0 0"):
        lines = text.replace(
            spine, spine.replace("CHANNELS 3", "CHANNELS 6 Xposition Yposition Zposition")
        ).splitlines()
        for number in (-3, -2, -1):
            row = lines[number].split()
            lines[number] = " ".join([*row[:column], *values.split(), *row[column:]])
        moved = parse("\n".join(lines).encode(), "moved")
        nodes = np.eye(len(plain.hierarchy.names))
        np.testing.assert_allclose(joint_positions(moved, nodes), joint_positions(plain, nodes), atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("HIERARCHY", "HIER", "no BVH file"),
        ("ROOT", "JOINT", "not followed by ROOT"),
        ("MOTION", "ROOT Other\n{\nOFFSET 0 0 0\n}\nMOTION", "second ROOT"),
        ("Frames: 4", "Frames: 5", "declares 5 frames"),
        ("Frames: 4", "Frames: 999999999", "between 1 and"),
        ("Frames: 4", "Frames: 1000000", "declares 1,000,000 frames"),
        ("Frames: 4", "Frames: 0", "between 1 and"),
        ("Frame Time: 0.0100000", "Frame Time: 0", "source_fps"),
        ("Frame Time: 0.0100000", "Frame Time: nan", "source_fps"),
        ("Frame Time:", "Frame rate:", "no MOTION with its"),
        ("OFFSET 9.0", "OFFSET inf ", "not three usual numbers"),
        ("OFFSET 9.0", "OFFSET left ", "not three usual numbers"),
        ("CHANNELS 3", "CHANNELS 7", "not 0 to 6"),
        ("Zrotation", "Wrotation", "no Xposition … Zrotation"),
        ("\tJOINT LeftUpLeg", "\tLeftUpLeg", "has no place in joint"),
        ("\tJOINT LeftUpLeg\n\t{", "\tJOINT LeftUpLeg\n\t", "has no opening brace"),
    ],
)
def test_what_is_wrong_is_one_sentence(old: str, new: str, sentence: str) -> None:
    text = bvh_text(frames=4)
    assert old in text
    with pytest.raises(InputError, match=sentence) as raised:
        parse(text.replace(old, new, 1).encode(), "wrong.bvh")
    assert "wrong.bvh" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("word", ["nan", "inf", "1e9", "--3", "0x1p3", "1_0", "left"])
def test_a_number_that_is_none_is_named_with_its_place(word: str) -> None:
    lines = bvh_text(frames=4).splitlines()
    row = lines[-2].split()
    lines[-2] = " ".join([*row[:5], word, *row[6:]])
    with pytest.raises(InputError, match=r"frame 2 has .* in column 5"):
        parse("\n".join(lines).encode(), "wrong.bvh")


def test_cut_short_anywhere_is_one_sentence() -> None:
    data = bvh_text(frames=3).encode()
    motion = data.index(b"MOTION")
    for end in [*range(0, motion, 97), *range(motion, len(data) - 12, 61)]:
        with pytest.raises(InputError):
            parse(data[:end], "cut.bvh")


def test_deep_and_wide_hierarchies_do_not_recurse() -> None:
    deep = "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n" + "JOINT b\n{\nOFFSET 0 1 0\n" * 5000
    deep += "}\n" * 5001 + "MOTION\nFrames: 1\nFrame Time: 0.01\n0\n"
    with pytest.raises(InputError, match="more than 1000 joints"):
        parse(deep.encode(), "deep.bvh")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_files_are_read_or_refused_in_one_sentence(data: st.DataObject) -> None:
    text = bytearray(bvh_text(frames=3).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        begin = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 40))
        text[begin : begin + length] = data.draw(
            st.binary(max_size=12)
            | st.sampled_from([b"{", b"}", b" 1e308 ", b"JOINT", b"-", b"9" * 30, b"\x00", b"\n"])
        )
    try:
        motion = parse(bytes(text), "mutated.bvh")
    except InputError as error:
        complaint = str(error)
    else:
        complaint = ""
        assert np.isfinite(motion.values).all()
    assert "\n" not in complaint
