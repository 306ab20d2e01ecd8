import itertools

import pytest

from ablations import names
from ablations.declared import Ablation, read, read_all
from bench.config.registry import METHODS
from bench.job.data_cache import DataCache
from bench.job.resolve import resolve
from models.errors import InputError
from tests.hostile import check_sentence, yaml_texts

DEFAULT = {"controls", "claims", "methods", "prompts", "blocks", "sampling", "counterfactuals", "audit", "pareto"}


def test_every_declared_file_expands():
    assert {ablation.name for ablation in read_all()} == DEFAULT
    for name in names():
        experiments = read(name).expand()
        assert experiments
        assert len(experiments) == len({experiment.to_yaml() for experiment in experiments})


def test_sampling_is_the_full_grid():
    grid = {(e.method.name, e.evaluation.hypotheses, e.evaluation.steps) for e in read("sampling").expand()}
    assert grid == {(m, h, k) for m in ("d3dp", "finepose") for h in (1, 5, 10) for k in (1, 3, 5)}
    complete = {experiment.method.name for experiment in read("sampling=complete").expand()}
    assert complete == {"d3dp", "finepose", "fmpose3d"}


def test_tiny_overrides_hold_at_tiny_only_and_yield_to_the_user():
    ablation = read("methods")
    assert {e.evaluation.windows for e in ablation.expand()} == {ablation.tiny_overrides["evaluation.windows"]}
    assert {e.evaluation.windows for e in ablation.expand(full=True)} == {None}
    assert {e.evaluation.windows for e in ablation.expand([("method.preset", "base")])} == {None}
    assert {e.evaluation.windows for e in ablation.expand([("evaluation.windows", 7)])} == {7}


def test_an_axis_value_may_set_several_keys(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: Mine\nlayout: runs\naxes:\n  method.name:\n"
        "    - tcn\n    - {method.name: finepose, method.options.prompt: none}\n"
    )
    first, second = read(str(path)).expand()
    assert (first.method.name, first.method.options) == ("tcn", {})
    assert (second.method.name, second.method.options) == ("finepose", {"prompt": "none"})


TINY = (
    "title: All\nlayout: runs\naxes: {method.name: [tcn, d3dp]}\n"
    "also: [{method.name: mixste}, {method.name: finepose}]\n"
    "choices: {small: {method.name: [tcn], also: [{method.name: finepose}]}}\n"
    "tiny_choice: small\ntiny_title: Few\ntiny_note: Left out is much.\n"
)


def test_the_tiny_choice_says_so_and_may_have_other_further_experiments(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TINY)
    ablation = read(str(path))
    assert [e.method.name for e in ablation.expand()] == ["tcn", "finepose"]
    assert [e.method.name for e in ablation.expand(full=True)] == ["tcn", "d3dp", "mixste", "finepose"]
    tiny = ablation.table()
    assert (tiny.title, tiny.layout, tiny.notes) == ("Few", "runs", ("Left out is much.",))
    for table in (ablation.table(full=True), ablation.table([("method.preset", "base")])):
        assert (table.title, table.notes) == ("All", ())


def test_words_of_earlier_versions_are_read_with_a_note(tmp_path, capsys):
    new, old = tmp_path / "new.yaml", tmp_path / "old.yaml"
    new.write_text(TINY.replace("layout: runs", "layout: cost") + "tiny_overrides: {evaluation.windows: 3}\n")
    old.write_text(
        TINY.replace("tiny_choice", "quick_choice").replace("tiny_title", "quick_title")
        .replace("layout: runs", "layout: priced") + "quick: {evaluation.windows: 3}\n"
    )  # fmt: skip
    assert read(str(new)).table() == read(str(old)).table()
    assert read(str(new)).expand() == read(str(old)).expand()
    note = (
        f"note: {old}: 'quick' is now 'tiny_overrides', 'quick_choice' is now 'tiny_choice', "
        "'quick_title' is now 'tiny_title', 'layout: priced' is now 'layout: cost'; the old words are still read"
    )
    assert capsys.readouterr().err.splitlines() == [note, note]


def test_default_ablations_share_trainings():
    cache = DataCache()
    ways = {
        ablation.name: {resolve(experiment, cache).training.trajectory_id for experiment in ablation.expand()}
        for ablation in read_all()
    }
    shared = ways.pop("methods")
    new = {name: len(of_it - shared) for name, of_it in ways.items()}
    own = {"claims": 10, "prompts": 5, "blocks": 4, "counterfactuals": 2, "audit": 1, "pareto": 2}
    assert new == own | dict.fromkeys(("sampling", "controls"), 0)
    assert len(set().union(*ways.values()) - shared) == 13, (
        "labels of other takes and none, and two narrower networks"
    )


def test_wrong_names_and_files(tmp_path):
    told = r"^unknown ablation 'samplin', and no \.yaml file: did you mean 'sampling'\?$"
    with pytest.raises(InputError, match=told):
        read("samplin")
    path = tmp_path / "mine.yaml"
    path.write_text("title: Mine\nlayot: runs\n")
    with pytest.raises(InputError, match="unknown key 'layot': did you mean 'layout'"):
        read(str(path))
    with pytest.raises(InputError, match=r"methods\.yaml: unknown key 'training\.epoch'"):
        read("methods").expand([("training.epoch", 3)])


WRONG = {
    "layout: mian": "key 'layout' is 'mian', but there is no such layout: did you mean 'main'?",
    "layout: 3": "key 'layout' is 3, but must be a text",
    "choices: {small: {}}\ntiny_choice: smal": "key 'tiny_choice' is 'smal', which is no choice of it: did you",
    "budget: .inf": "is not valid YAML (line 3, column 9: '.inf' is not a finite number)",
    "base: {training: {clip: .inf}}": "'.inf' is not a finite number",
    "tiny_choice: small": "key 'tiny_choice' is 'small', which is no choice of it: it has none",
    "choices: {small: {also: [tcn]}}": "key 'choices.small.also' must be a list of mappings of keys to values",
    "choices: {small: tcn}": "key 'choices.small' is 'tcn', but must be a mapping of keys to values",
    "choices: {1: {}}": "key 1 of 'choices' is not a text; quote it",
    "axes: {1: [2]}": "key 1 of 'axes' is not a text; quote it",
    "axes: {method: [{on: tcn}]}": "key True of 'axes.method' is not a text; quote it",
    "base: {evaluation: {1: 2}}": "key 1 of 'base.evaluation' is not a text; quote it",
    "also: [{null: 2}]": "key None of 'also' is not a text; quote it",
    "2: 3": "key 2 is not a text; quote it",
    "axes: tcn": "key 'axes' is 'tcn', but must be a mapping of keys to values",
    "search: {trails: 30}": "unknown key 'search.trails': did you mean 'trials'?",
    "search: grid": "'search' is 'grid', but must be a mapping of the keys sampler, trials, margin",
    "search: {sampler: tpe}": "key 'search.trials' is missing",
    "search: {trials: 0}": "key 'search.trials' is 0, but must be greater than or equal to 1",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_file_is_refused_with_one_sentence(line, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("title: Mine\n" + ("" if "layout" in line else "layout: runs\n") + line + "\n")
    with pytest.raises(InputError) as refused:
        read(str(path))
    assert str(refused.value).startswith(f"{path}: ")
    assert WRONG[line] in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "- title", "tiny"])
def test_a_file_that_is_no_mapping_is_refused(content, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match="must be a mapping of the keys title, note, layout"):
        read(str(path))


def test_a_search_with_a_wrong_key_on_an_axis_is_refused_before_it_begins(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("title: T\nlayout: runs\naxes: {method.nam: [tcn]}\nsearch: {trials: 3}\n")
    with pytest.raises(InputError, match=r"mine\.yaml: unknown key 'method\.nam': did you mean 'name'"):
        read(str(path)).space()
    with pytest.raises(InputError, match=r"methods\.yaml: declares no search"):
        read("methods").space()


def test_the_study_of_a_search_is_named_as_in_earlier_versions(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: T\nlayout: pareto\nbase: {data: {detections: cpn}}\ntiny_overrides: {evaluation.windows: 2}\n"
        "axes: {method: [{method.name: core}]}\nsearch: {trials: 3}\n"
    )
    assert read(str(path)).table().searching
    assert read(str(path)).space([("training.seed", 1)]).key == (
        '[{"base": {"data": {"detections": "cpn"}}, "quick": {"evaluation.windows": 2}, "axes": {"method": '
        '[{"method.name": "tcn"}, {"method.name": "mixste"}, {"method.name": "d3dp"}, '
        '{"method.name": "finepose"}]}}, [["training.seed", 1]], false]'
    )


def test_a_word_stands_for_methods_of_the_registry(tmp_path):
    def methods(word):
        path = tmp_path / "mine.yaml"
        path.write_text(f"title: T\nlayout: runs\naxes: {{method.name: {word}}}\n")
        return list(read(str(path)).axes["method.name"])

    assert methods("every") == METHODS.names()
    drawing = ["diffpose", "d3dp", "ktpformer_diffusion", "fmpose3d", "finepose"]
    assert methods("[tcn, every with hypotheses]") == ["tcn", *drawing]
    assert methods("core") == ["tcn", "mixste", "d3dp", "finepose"]
    assert methods("core with hypotheses") == ["d3dp", "finepose"]
    assert methods("plugins") == methods("sampling plugins") == []
    also = tmp_path / "also.yaml"
    also.write_text(
        "title: T\nlayout: runs\naxes: {method.name: tcn}\nalso: [{method.name: core, data.detections: gt}]\n"
    )
    assert [e.method.name for e in read(str(also)).expand()] == ["tcn", "tcn", "mixste", "d3dp", "finepose"]


def test_a_method_of_the_registry_stands_in_the_main_table(monkeypatch):
    """A method of this repository is its file and one line of the registry."""
    monkeypatch.setitem(METHODS.own, "another", METHODS.own["tcn"])
    assert {(e.method.name, e.data.detections) for e in read("methods=complete").expand()} >= {
        ("another", "cpn"),
        ("another", "gt"),
    }
    assert "another" in {e.method.name for e in read("methods=all").expand()}


def test_further_experiments_stand_beside_the_product(tmp_path):
    path = tmp_path / "more.yaml"
    path.write_text(
        "title: T\nlayout: runs\naxes: {method.name: [tcn, d3dp]}\n"
        "also: [{method.name: finepose, evaluation.actions: empty}]\n"
    )
    *product, extra = read(str(path)).expand()
    assert [e.method.name for e in product] == ["tcn", "d3dp"]
    assert (extra.method.name, extra.evaluation.actions) == ("finepose", "empty")


def test_a_choice_replaces_the_values_of_an_axis(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: T\nlayout: runs\naxes: {data.detections: [cpn, gt], method.name: [tcn, d3dp, finepose]}\n"
        "choices: {core: {method.name: [tcn]}}\n"
    )
    assert len(read(str(path)).expand()) == 6
    assert [(e.method.name, e.data.detections) for e in read(f"{path}=core").expand()] == [
        ("tcn", "cpn"),
        ("tcn", "gt"),
    ]
    with pytest.raises(InputError, match="has no choice 'cor': it has core"):
        read(f"{path}=cor")
    with pytest.raises(InputError, match="'counterfactuals' has no choice 'core': it has none"):
        read("counterfactuals=core")
    path.write_text("title: T\nlayout: runs\naxes: {}\nchoices: {core: {method.nam: [tcn]}}\n")
    with pytest.raises(InputError, match=r"choice 'core' names 'method\.nam', which is no axis"):
        read(str(path))
    core = {e.method.name for e in read("methods=core").expand()}
    tiny = {(e.method.name, e.data.detections) for e in read("methods").expand()}
    complete = {(e.method.name, e.data.detections) for e in read("methods=complete").expand()}
    every = {(e.method.name, e.data.detections) for e in read("methods=all").expand()}
    assert tiny == {pair for pair in complete if pair[0] in core and (pair[1] == "cpn" or pair[0] != "mixste")}
    assert every == tiny | {pair for pair in complete if pair[1] == "cpn"}
    assert core == {"mean_pose", "nearest_pose", "tcn", "mixste", "d3dp", "finepose"}


def test_a_product_that_no_machine_finishes_is_refused_before_it_is_written_out(tmp_path):
    path = tmp_path / "mine.yaml"
    axes = ", ".join(f"a{axis}: [{', '.join(map(str, range(100)))}]" for axis in range(9))
    path.write_text(f"title: T\nlayout: pareto\naxes: {{{axes}}}\nsearch: {{trials: 3}}\n")
    for expand in (read(str(path)).expand, read(str(path)).space):
        with pytest.raises(InputError, match=r"the product of its axes has 1,000,000,000,000,000,000 experiments"):
            expand()


@pytest.mark.parametrize("name", ["", "../methods", "methods=", "x" * 300, "/dev/null", "tests"])
def test_other_names_are_unknown(name):
    with pytest.raises(InputError, match="unknown ablation|has no choice"):
        read(name)


@pytest.mark.parametrize("name", ["gone.yaml", "x" * 300 + ".yaml", "gone.yml=core"])
def test_files_that_cannot_be_read_are_told(name):
    with pytest.raises(InputError, match=r": cannot be read \(.*\); give the path of a YAML file"):
        read(name)


def test_random_files_are_one_sentence_or_experiments(tmp_path):
    path = tmp_path / "mine.yaml"
    keys = list(Ablation.model_fields)
    refused = 0
    for text, key in zip(yaml_texts(seed=21, number=300, parts=3), itertools.cycle(keys), strict=False):
        path.write_text(f"layout: runs\naxes: {{method.name: [tcn]}}\ntitle: T\n{key}: {text}\n", errors="replace")
        try:
            ablation = read(str(path))
            _ = ablation.space() if ablation.search else ablation.expand()
        except InputError as error:
            check_sentence(error)
            refused += 1
    assert refused > 100


def test_two_ablations_of_one_name_are_refused(tmp_path):
    paths = [tmp_path / "mine.yaml", tmp_path / "other" / "mine.yaml"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text("title: T\nlayout: runs\n")
    assert len(read_all([str(paths[0]), str(paths[0]), "sampling"])) == 2
    for asked in (map(str, paths), ["methods=core", "methods=complete"]):
        with pytest.raises(InputError, match="two of the ablations are the table '(mine|methods)'"):
            read_all(list(asked))


def test_what_is_only_for_some_data_is_not_run_on_others(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TINY + "only_on: [population]\n")
    here = read(str(path)).expand()
    assert here
    assert read(str(path)).expand([("data.name", "synthetic")]) == []
