"""Key points of every tool are recognised by what is in the file, and anything else is one sentence."""

import io
import json

import numpy as np
import pytest

from bench.footage.detected.recognise import read_key_points
from bench.footage.keypoints import load_key_points
from models.errors import InputError
from tests.bench.footage import walker
from tests.bench.footage.walker import HEIGHT, TOOLS, WIDTH

SIZE = (WIDTH, HEIGHT)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_gives_the_same_joints(tool, tmp_path):
    layout, write, name = TOOLS[tool]
    lost = walker.in_layout(layout)
    lost[20:23] = np.nan
    other = walker.in_layout(layout, away=(300, 50), scale=0.4)
    file = write(tmp_path / name, [other, lost])
    points = load_key_points(file, SIZE, fps=50)
    assert points.layout.name == layout
    assert np.flatnonzero(points.filled).tolist() == [20, 21, 22]
    away = np.abs(points.points - walker.pixels()).max(axis=(1, 2))
    assert away[~points.filled].max() < 0.01
    assert away.max() < 3  # the gap is filled on straight lines
    assert points.confidence[~points.filled] == pytest.approx(0.8)
    assert (points.confidence[points.filled] == 0).all()


def test_a_prediction_is_read_again(tmp_path):
    np.savez(
        tmp_path / "again.npz", keypoints=walker.pixels(), frames=np.arange(60) + 7, fps=np.array(25.0),
        width=np.array(WIDTH), height=np.array(HEIGHT), layout=np.array("human36m"),
    )  # fmt: skip
    points = load_key_points(tmp_path / "again.npz")
    assert (points.width, points.height, points.fps, points.frames[0]) == (WIDTH, HEIGHT, 25.0, 7)
    assert points.confidence is None


def test_mpii_and_plain_arrays(tmp_path):
    np.save(tmp_path / "mpii.npy", walker.in_layout("mpii").astype(np.float32))
    points = load_key_points(tmp_path / "mpii.npy", SIZE)
    assert points.layout.name == "mpii"
    assert np.abs(points.points - walker.pixels()).max() < 1e-2


def write(tmp_path, content):
    path = tmp_path / "file.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def npz(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def damaged(content):
    return content[:300] + bytes(50) + content[350:]


PERSON = {"keypoints": [[10.0, 20.0]] * 17, "keypoint_scores": [1.0] * 17}
TRIPLES = [5.0, 6.0, 1.0] * 17
MMPOSE = json.dumps([{"frame_id": frame, "instances": [PERSON]} for frame in range(9)]).encode()

REFUSED = {
    "empty": (b"", "is empty"),
    "a web page": (b"<!DOCTYPE html><html>", "is no JSON"),
    "cut short": (MMPOSE[:-300], "cut short"),
    "no JSON later": (MMPOSE.replace(b"1.0]", b"1.0#]"), "no JSON throughout"),
    "an empty list": ([], "nobody is in it"),
    "no person": ([{"frame_id": 0, "instances": []}], "nobody is in it"),
    "another tool": ([{"frame": 1, "joints": []}], "as no known tool writes them"),
    "a list of numbers": ([1, 2, 3], "are no objects"),
    "an unknown layout": ([{"frame_id": 0, "instances": [{"keypoints": [[10.0, 20.0]] * 21}]}], "21 key points"),
    "3D": ([{"frame_id": 0, "instances": [{"keypoints": [[1.0, 2.0, 3.0]] * 17}]}], "2D detector"),
    "all NaN": ([{"frame_id": 0, "instances": [{"keypoints": [[None, None]] * 17}]}], "nobody is in it"),
    "texts": ([{"frame_id": 0, "instances": [{"keypoints": [["a", "b"]] * 17}]}], "no numbers"),
    "scores missing": ([{"frame_id": 0, "instances": [PERSON | {"keypoint_scores": [1.0]}]}], "1 scores"),
    "normalised": ([{"frame_id": 0, "instances": [{"keypoints": [[0.5, 0.6]] * 17}]}], "normalised"),
    "persons that are none": ([{"frame_id": 0, "instances": 3}], "no list of persons"),
    "no triples": ([{"image_id": "1.jpg", "keypoints": TRIPLES[:-1]}], "not x, y and confidence"),
    "two layouts": (
        [{"image_id": "1.jpg", "keypoints": TRIPLES}, {"image_id": "2.jpg", "keypoints": TRIPLES + TRIPLES[:3]}],
        "of 17 and of 18",
    ),
    "persons of no image": (
        [{"keypoints": {"x": [10.0 + k] * 17, "y": [20.0] * 17}} for k in range(3)],
        r"which image they are in: write a list for each image, \[result.summary\(\)",
    ),
    "other arrays": (npz(weights=np.zeros(3)), "no array named keypoints, but weights"),
    "arrays of another shape": (npz(keypoints=np.zeros((5, 3))), "5 x 3"),
    "arrays of objects": (npz(keypoints=np.array([{}], dtype=object)), "Python objects"),
    "arrays without frames": (npz(keypoints=np.zeros((0, 17, 2))), "nobody is in it"),
    "arrays cut short": (npz(keypoints=np.ones((9, 17, 2)))[:-80], "cannot be read as a NumPy file"),
    "scores of another shape": (npz(keypoints=np.ones((9, 17, 2)) * 50, scores=np.ones((3, 17))), "3 x 17"),
    "millimetres in the third column": (npz(keypoints=np.full((9, 17, 3), 900.0)), "no confidence"),
    "infinite": ([{"frame_id": 0, "instances": [{"keypoints": [[1e400, 2e400]] * 17}]}], "nobody is in it"),
    "arrays damaged": (damaged(npz(keypoints=np.ones((9, 17, 2)) * 50)), "cannot be read as a NumPy file"),
    "too far": (npz(keypoints=np.full((9, 17, 2), 1e9)), "no place in an image"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_other_files_are_one_sentence(case, tmp_path):
    content, sentence = REFUSED[case]
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=sentence) as refused:
        load_key_points(path, SIZE)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("names", [[], ["a.json"]])
def test_a_folder_without_key_points_is_refused(names, tmp_path):
    for name in names:
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=r"no JSON files|no file of OpenPose"):
        read_key_points(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_key_points(tmp_path / "nothing")


def renamed(path, name):
    """Key points whose images, or the files of whose frames, have other names."""
    if path.is_dir():
        for frame, file in enumerate(sorted(path.iterdir())):
            file.rename(path / f"{name(frame)}.json")
    else:
        entries = json.loads(path.read_text())
        path.write_text(
            json.dumps([entry | {"image_id": f"{name(entry['image_id'][:-4])}.jpg"} for entry in entries])
        )
    return path


BY_IMAGE = ["openpose", "alphapose"]


@pytest.mark.parametrize("name", ["{:06d}_1080p", "cam2_{:012d}_cam1", "day1/{:d}"])
@pytest.mark.parametrize("tool", BY_IMAGE)
def test_a_frame_is_the_number_that_differs_between_names(tool, name, tmp_path):
    layout, writer, file = TOOLS[tool]
    written = writer(tmp_path / file, [walker.in_layout(layout, 9)])
    name = name.replace("/", "_") if tool == "openpose" else name
    found = read_key_points(renamed(written, lambda frame: name.format(int(frame) + 3)))
    assert found.frames.tolist() == list(range(3, 12))


@pytest.mark.parametrize("tool", BY_IMAGE)
def test_names_without_a_number_are_frames_in_their_order(tool, tmp_path):
    layout, writer, file = TOOLS[tool]
    two = [walker.in_layout(layout, 9), walker.in_layout(layout, 9, away=(250, 0))]
    found = read_key_points(renamed(writer(tmp_path / file, two), lambda frame: "abcdefghi"[int(frame)]))
    assert found.frames.tolist() == [frame for frame in range(9) for _ in two]


@pytest.mark.parametrize("tool", BY_IMAGE)
def test_two_images_of_one_number_are_refused(tool, tmp_path):
    layout, writer, file = TOOLS[tool]
    path = renamed(
        writer(tmp_path / file, [walker.in_layout(layout, 9)]),
        lambda frame: f"{int(frame) // 2}_{int(frame) % 2}_k",
    )
    with pytest.raises(
        InputError, match=r"'0_0_k' and '1_0_k' would both be frame 0: keep what is of one video alone"
    ) as refused:
        read_key_points(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("key", ["frame", "image"])
def test_persons_of_ultralytics_with_their_image(key, tmp_path):
    person = {"keypoints": {"x": [10.0] * 17, "y": [20.0] * 17}}
    found = read_key_points(write(tmp_path, [person | {key: number} for number in (4, 4, 7)]))
    assert found.frames.tolist() == [4, 4, 7]
    assert read_key_points(write(tmp_path, [person])).frames.tolist() == [0], "one person is in one image"


@pytest.mark.parametrize("first", ["scores", "keypoint_scores"])
def test_scores_of_boxes_beside_those_of_key_points(first, tmp_path):
    people = np.stack([walker.in_layout("coco", 9), walker.in_layout("coco", 9, away=(250, 0))], axis=1)
    both = {"scores": np.full((9, 2), 0.9), "keypoint_scores": people[..., 2]}
    if first != "scores":
        both = dict(zip(both, reversed(both.values()), strict=True))
    found = read_key_points(write(tmp_path, npz(keypoints=people[..., :2], **both)))
    np.testing.assert_allclose(found.points[..., 2], 0.8, rtol=1e-6)


@pytest.mark.parametrize(
    "told", [{"width": np.nan, "height": 100.0}, {"width": 1e300, "height": 5}, {"fps": np.inf}]
)
def test_sizes_and_rates_that_are_none_are_as_not_said(told, tmp_path):
    found = read_key_points(write(tmp_path, npz(keypoints=np.full((9, 17, 2), 50.0), **told)))
    assert (found.size, found.fps) == (None, None)


def test_nan_of_python_is_a_point_that_was_not_seen(tmp_path):
    person = walker.in_layout("coco")
    person[10, 9] = np.nan
    person[20, 9, 2] = np.nan  # the confidence alone
    file = walker.write_mmpose(tmp_path / "nan.json", [person])
    assert "NaN" in file.read_text()
    points = load_key_points(file, SIZE)
    assert points.filled.sum() == 0
    assert points.filled_joints.sum() == 2
    assert np.isfinite(points.confidence).all()
    assert any("0.2% of the joints of the other frames were not seen" in note for note in points.notes)
    assert np.abs(points.points - walker.pixels()).max() < 2


def test_the_size_is_asked_for_and_checked(tmp_path):
    file = walker.write_mmpose(tmp_path / "a.json", [walker.in_layout("coco")])
    with pytest.raises(InputError, match="give --size WIDTHxHEIGHT"):
        load_key_points(file)
    with pytest.raises(InputError, match="lie outside an image of 100 x 100"):
        load_key_points(file, (100, 100))


def test_the_layout_can_be_named(tmp_path):
    file = walker.write_mmpose(tmp_path / "a.json", [walker.in_layout("coco")])
    assert load_key_points(file, SIZE, layout="human36m").layout.name == "human36m"
    for name, sentence in (("smpl", "is not known"), ("halpe26", "Halpe-26 has 26")):
        with pytest.raises(InputError, match=sentence):
            load_key_points(file, SIZE, layout=name)
