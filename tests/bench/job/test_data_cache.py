from dataclasses import replace
from pathlib import Path

import pytest

from bench import data
from bench.config.experiment import parse
from bench.job import data_cache
from bench.job.data_cache import DataCache
from bench.job.resolve import resolve
from models.errors import InputError
from tests.bench import toy


def count_loads(monkeypatch):
    loads = []
    monkeypatch.setattr(data, "load", lambda *asked: loads.append(asked) or toy.dataset(*asked))
    return loads


def test_experiments_of_one_cache_share_their_data(toy_suite, monkeypatch):
    loads = count_loads(monkeypatch)
    cache = DataCache()
    jobs = [resolve(parse({"method": {"name": "toy"}, "training": {"seed": seed}}), cache) for seed in (0, 1)]
    assert loads == [("population", None, "cpn", {})]
    assert jobs[0].train is jobs[1].train is jobs[1].test
    resolve(parse({"method": {"name": "toy"}}))
    assert len(loads) == 2, "a cache belongs to whoever made it"


def test_the_data_set_that_was_used_least_recently_leaves_the_cache(monkeypatch):
    loads = count_loads(monkeypatch)
    cache = DataCache()
    first = [cache.load("toy", None, str(number), {}) for number in range(4)]
    kept = sum(len(sequence) for data_set in first for sequence in (*data_set.train, *data_set.test))
    monkeypatch.setattr(data_cache, "MOST_FRAMES", kept)
    del first
    cache.load("toy", None, "0", {})
    cache.load("toy", None, "another", {})
    cache.load("toy", None, "0", {})
    cache.load("toy", None, "1", {})
    assert [detections for _, _, detections, _ in loads] == ["0", "1", "2", "3", "another", "1"]


def test_options_are_part_of_what_is_loaded(monkeypatch):
    loads = count_loads(monkeypatch)
    cache = DataCache()
    for options in ({}, {"protocol": "a"}, {"protocol": "b"}, {"protocol": "a"}):
        cache.load("toy", None, "gt", options)
    assert len(loads) == 3


def test_data_are_checked_once_and_refused_when_they_cannot_be_right(monkeypatch):
    checked = []
    monkeypatch.setattr(data_cache, "check_at_load", lambda dataset, place: checked.append(place) or dataset)
    count_loads(monkeypatch)
    cache = DataCache()
    for _ in range(2):
        cache.load("toy", Path("folder"), "gt", {})
        cache.load("toy", None, "gt", {})
    assert checked == ["data toy in folder", "data toy"]
    monkeypatch.undo()

    def upside_down(*asked):
        dataset = toy.dataset(*asked)
        train = tuple(replace(sequence, pose_2d=-sequence.pose_2d) for sequence in dataset.train)
        return replace(dataset, train=train)

    monkeypatch.setattr(data, "load", upside_down)
    with pytest.raises(InputError, match="data population, cpn detections: cannot be right"):
        resolve(parse({"method": {"name": "mean_pose"}}))


def test_data_that_somebody_still_has_are_not_loaded_twice(monkeypatch):
    """Jobs keep their data: an axis over more data sets than the cache keeps must not give each job its own."""
    monkeypatch.setattr(data_cache, "MOST_FRAMES", 1)
    loads = count_loads(monkeypatch)
    cache = DataCache()
    first, again = ([cache.load("toy", None, str(n), {}) for n in range(4)] for _ in range(2))
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert len(loads) == len(first)
