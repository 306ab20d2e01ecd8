import pytest

from ablations.declared import default_names, expand, names, read
from bench.job.data_cache import DataCache
from bench.job.resolve import resolve
from models.errors import InputError


def test_every_declared_file_expands():
    assert set(default_names()) == {
        "methods", "prompts", "blocks", "sampling", "counterfactuals", "audit", "pareto",
    }  # fmt: skip
    for name in names():
        experiments = expand(read(name))
        assert experiments
        assert len(experiments) == len({experiment.to_yaml() for experiment in experiments})


def test_sampling_is_the_full_grid():
    grid = {(e.method.name, e.evaluation.hypotheses, e.evaluation.steps) for e in expand(read("sampling"))}
    assert grid == {(m, h, k) for m in ("d3dp", "finepose") for h in (1, 5, 10) for k in (1, 3, 5)}


def test_quick_overrides_hold_at_tiny_only_and_yield_to_the_user():
    ablation = read("methods")
    assert {e.evaluation.windows for e in expand(ablation)} == {ablation.quick["evaluation.windows"]}
    assert {e.evaluation.windows for e in expand(ablation, full=True)} == {None}
    assert {e.evaluation.windows for e in expand(ablation, [("method.preset", "base")])} == {None}
    assert {e.evaluation.windows for e in expand(ablation, [("evaluation.windows", 7)])} == {7}


def test_an_axis_value_may_set_several_keys(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: Mine\nlayout: runs\naxes:\n  method.name:\n"
        "    - tcn\n    - {method.name: finepose, method.options.prompt: none}\n"
    )
    first, second = expand(read(str(path)))
    assert (first.method.name, first.method.options) == ("tcn", {})
    assert (second.method.name, second.method.options) == ("finepose", {"prompt": "none"})


def test_the_quick_choice_says_so_and_may_have_other_further_experiments(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: All\nlayout: runs\naxes: {method.name: [tcn, d3dp]}\n"
        "also: [{method.name: mixste}, {method.name: finepose}]\n"
        "choices: {small: {method.name: [tcn], also: [{method.name: finepose}]}}\n"
        "quick_choice: small\nquick_title: Few\n"
    )
    ablation = read(str(path))
    assert [e.method.name for e in expand(ablation)] == ["tcn", "finepose"]
    assert [e.method.name for e in expand(ablation, full=True)] == ["tcn", "d3dp", "mixste", "finepose"]
    assert ablation.as_run([], full=False).title == "Few"
    assert ablation.as_run([], full=True).title == "All"
    assert ablation.as_run([("method.preset", "base")], full=False).title == "All"


def test_default_ablations_share_trainings():
    cache = DataCache()
    ways = {
        name: {resolve(experiment, cache).training.trajectory_id for experiment in expand(read(name))}
        for name in default_names()
    }
    shared = ways.pop("methods")
    new = {name: len(of_it - shared) for name, of_it in ways.items()}
    assert new == {"prompts": 1, "blocks": 3, "sampling": 0, "counterfactuals": 0, "audit": 0, "pareto": 0}


def test_wrong_names_and_files(tmp_path):
    with pytest.raises(InputError, match="did you mean 'sampling'"):
        read("samplin")
    path = tmp_path / "mine.yaml"
    path.write_text("title: Mine\nlayot: runs\n")
    with pytest.raises(InputError, match="unknown key 'layot': did you mean 'layout'"):
        read(str(path))
    with pytest.raises(InputError, match=r"unknown key 'training\.epoch'"):
        expand(read("methods"), [("training.epoch", 3)])


def test_further_experiments_stand_beside_the_product(tmp_path):
    path = tmp_path / "more.yaml"
    path.write_text(
        "title: T\nlayout: runs\naxes: {method.name: [tcn, d3dp]}\n"
        "also: [{method.name: finepose, evaluation.actions: empty}]\n"
    )
    *product, extra = expand(read(str(path)))
    assert [e.method.name for e in product] == ["tcn", "d3dp"]
    assert (extra.method.name, extra.evaluation.actions) == ("finepose", "empty")


def test_a_choice_replaces_the_values_of_an_axis(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: T\nlayout: runs\naxes: {data.detections: [cpn, gt], method.name: [tcn, d3dp, finepose]}\n"
        "choices: {core: {method.name: [tcn]}}\n"
    )
    assert len(expand(read(str(path)))) == 6
    assert [(e.method.name, e.data.detections) for e in expand(read(f"{path}=core"))] == [
        ("tcn", "cpn"),
        ("tcn", "gt"),
    ]
    with pytest.raises(InputError, match="has no choice 'cor': it has core"):
        read(f"{path}=cor")
    with pytest.raises(InputError, match="'sampling' has no choice 'core': it has none"):
        read("sampling=core")
    path.write_text("title: T\nlayout: runs\naxes: {}\nchoices: {core: {method.nam: [tcn]}}\n")
    with pytest.raises(InputError, match=r"choice 'core' names 'method\.nam', which is no axis"):
        read(str(path))
    core = {e.method.name for e in expand(read("methods=core"))}
    quick = {(e.method.name, e.data.detections) for e in expand(read("methods"))}
    complete = {(e.method.name, e.data.detections) for e in expand(read("methods=complete"))}
    assert quick == {pair for pair in complete if pair[1] == "cpn" or pair[0] in core - {"mixste"}}
    assert core == {"mean_pose", "nearest_pose", "tcn", "mixste", "d3dp", "finepose"}
