from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.data.bvh import takes
from models.errors import InputError
from tests.bench.data.bvh import write_bvh


def test_a_file_s_name_without_an_index_is_no_action(tmp_path: Path) -> None:
    for name in ("walking", "walking_2", "jump-1", "07_03"):
        write_bvh(tmp_path / "flat" / f"{name}.bvh")
    named, notes = takes.name_files(takes.find_files(tmp_path / "flat"), None)
    assert {take.action for take in named} == {
        "motion walking",
        "motion walking_2",
        "motion jump-1",
        "motion 07_03",
    }
    assert {take.subject for take in named} == {"subject"}
    assert notes == []


def test_numbered_files_side_by_side_have_subjects(tmp_path: Path) -> None:
    for name in ("07_01", "07_02", "08_01", "10_01", "9_01", "11_01"):
        write_bvh(tmp_path / f"{name}.bvh")
    named, _ = takes.name_files(takes.find_files(tmp_path), None)
    assert {take.subject for take in named} == {"07", "08", "9", "10", "11"}
    train, test, _ = takes.split(named, [])
    assert {take.subject for take in test} == {"9"}
    assert not {take.subject for take in train} & {take.subject for take in test}


def test_linked_folders_are_read_once_and_never_upwards(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for place in (root / "b", elsewhere / "deep", tmp_path / "beside"):
        write_bvh(place / "walk.bvh")
    links = {
        root / "a": root / "b",
        root / "linked": elsewhere,
        root / "b" / "up": tmp_path,
        elsewhere / "loop": elsewhere,
    }
    for link, target in links.items():
        link.symlink_to(target, target_is_directory=True)
    assert takes.find_files(root) == [root / "b" / "walk.bvh", root / "linked" / "deep" / "walk.bvh"]


def named(*names: str, layout: str | None = None) -> tuple[dict[str, tuple[str, str]], str]:
    """Subject and action by name of file, and the notes."""
    files, notes = takes.name_files([Path("/base", f"{name}.bvh") for name in names], None, layout)
    return {file.path.stem: (file.subject, file.action) for file in files}, "; ".join(notes)


def test_lafan1_names_say_who_moves() -> None:
    found, notes = named("walk1_subject1", "walk1_subject2", "fallAndGetUp3_subject5", "run2_subject1")
    assert found["walk1_subject2"] == ("subject2", "walk walk1_subject2")
    assert found["fallAndGetUp3_subject5"] == ("subject5", "fallAndGetUp fallAndGetUp3_subject5")
    assert "called as those of LaFAN1" in notes
    assert named("lafan1/walk1_subject1", "more/run1_subject2")[0]["run1_subject2"][0] == "subject2"


def test_bandai_names_say_what_is_done_but_not_by_whom() -> None:
    found, notes = named("dataset-1_walk_active_001", "dataset-1_raise-up-both-hands_normal_002")
    assert found["dataset-1_walk_active_001"] == ("subject", "walk dataset-1_walk_active_001")
    assert found["dataset-1_raise-up-both-hands_normal_002"][1].startswith("raise-up-both-hands ")
    assert "Bandai-Namco" in notes


def test_folders_of_100style_are_styles_of_one_actor() -> None:
    found, notes = named("Angry/Angry_FW", "Angry/Angry_BW", "Old/Old_TR1")
    assert found["Old_TR1"] == ("subject", "Old Old_TR1")
    assert "100STYLE" in notes


def test_beat_folders_are_speakers() -> None:
    found, _ = named("1/1_wayne_0_1_1", "2/2_scott_0_1_1")
    assert found["2_scott_0_1_1"] == ("scott", "speech 2_scott_0_1_1")


def test_one_file_of_another_name_is_no_known_layout() -> None:
    found, notes = named("walk1_subject1", "walk1_subject2", "calibration")
    assert {subject for subject, _ in found.values()} == {"subject"}
    assert "LaFAN1" not in notes


def test_folders_are_said_to_be_taken_for_subjects() -> None:
    found, notes = named("a/walk", "b/walk")
    assert notes == "each folder is taken for one subject (the option layout says it otherwise)"
    assert found["walk"] == ("b", "motion walk")


def test_a_layout_is_matched_from_the_end_of_the_path() -> None:
    found, _ = named("x/anna/wave_1", "y/ben/wave_1", layout="{subject}/{action}")
    assert found["wave_1"][0] == "ben"
    by_action, _ = named("anna/one-wave", "ben/two-jump", layout="{any}-{action}")
    assert by_action == {"one-wave": ("anna", "wave one-wave"), "two-jump": ("ben", "jump two-jump")}
    with pytest.raises(InputError, match=r"1 of 2 files are not called so, such as .*x/odd\.bvh: correct it"):
        named("x/anna_1", "x/odd", layout="{subject}_{any}")


def test_a_layout_takes_no_time() -> None:
    begin = time.perf_counter()
    with pytest.raises(InputError, match="once each"):
        named("a" * 200, layout="{any}" * 30 + "{subject}!")
    with pytest.raises(InputError, match="not called so"):
        named("a" * 200, layout="{any}{any}{subject}!")
    assert time.perf_counter() - begin < 5


def test_who_moves_is_not_claimed_where_nothing_says_it() -> None:
    files, _ = takes.name_files([Path("/base", f"walk_{number}.bvh") for number in range(4)], None)
    assert takes.split(files, [])[2].startswith("nothing says who moves")
    files, _ = takes.name_files([Path("/base", f"07_0{number}.bvh") for number in range(4)], None)
    assert takes.split(files, [])[2].startswith("one subject only")
