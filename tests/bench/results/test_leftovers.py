"""What killed programs leave in a store."""

import os
import time

from bench.results.files import atomic
from bench.results.leftovers import OLD_SECONDS, remove_leftovers


def test_old_temporaries_are_removed_and_nothing_else(tmp_path):
    temporaries = []
    for name in ("index.parquet", "records/0123456789abcdef.json", "trainings/0123456789abcdef/state.pt"):
        with atomic(tmp_path / name) as file:  # its temporary is what a kill would leave now
            (temporary,) = [path for path in (tmp_path / name).parent.iterdir() if path.is_file()]
            os.link(temporary, kept := tmp_path / "kept")
            file.write(b"whole")
        os.replace(kept, temporary)
        temporaries.append(temporary)
    (tmp_path / "records" / ".hidden").write_text("")
    (tmp_path / ".env.template").write_text("somebody's own")
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert remove_leftovers(tmp_path) == 0, "somebody may be writing them"
    old = time.time() - OLD_SECONDS - 60
    for path in everything:
        os.utime(path, (old, old))
    assert remove_leftovers(tmp_path) == 3
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(everything) - set(temporaries)


def test_states_of_finished_trainings_are_removed(tmp_path):
    files = ("state.pt", "state-before.pt", "best-0.safetensors", "best-0-2.25-51.5.safetensors")
    for name, kept in {
        "a": ("training.json", "weights.safetensors"),
        "b": ("training.json", "weights.safetensors"),
        "c": ("training.json",),  # its weights are made again
        "a+b": (),
        "a+c": (),
    }.items():
        folder = tmp_path / "trainings" / name
        folder.mkdir(parents=True)
        for file in (*files, *kept):
            (folder / file).write_text("")
            os.utime(folder / file, (0, 0))
    assert remove_leftovers(tmp_path) == 12
    left = {folder.name: {path.name for path in folder.iterdir()} for folder in tmp_path.glob("trainings/*")}
    whole = {"training.json", "weights.safetensors"}
    assert left == {"a": whole, "b": whole, "c": {"training.json", *files}, "a+c": set(files)}


def test_a_store_that_is_not_there(tmp_path):
    assert remove_leftovers(tmp_path / "nowhere") == 0
