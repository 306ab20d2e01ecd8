import numpy as np
import pytest
from matplotlib.colors import to_rgb

from bench.results.arrays import Examples, RunFiles
from models.skeleton import HUMAN36M, MPI_INF_3DHP
from reports.figures.accuracy.breakdown import errors_by_action
from reports.figures.accuracy.error_cdf import error_distribution
from reports.figures.accuracy.oracle_gap import oracle_beside_deployable
from reports.figures.accuracy.per_joint import errors_by_joint, person_of
from reports.figures.accuracy.qualitative import example_poses
from reports.figures.accuracy.sampling import convergence, error_by_hypotheses, error_by_steps, error_heatmap
from reports.figures.cost.accuracy_cost import latency_accuracy, memory_accuracy
from reports.figures.evidence.ranks import BETTER, WORSE, critical_differences, paired_differences
from reports.figures.runs.training_curves import error_by_compute, training_curves
from reports.figures.style import new_figure, plain_log_ticks
from tests.reports.made_up import counted, methods_records, record, sampling_records, several


def test_latency_figure_shows_deployable_numbers_of_one_setting():
    drawings = list(latency_accuracy(methods_records()))
    assert [drawing.name for drawing in drawings] == ["latency-1", "latency-2"]
    first = drawings[0]
    assert "Trivial predictors, not drawn: Mean pose 240.0 mm; Nearest pose 110.0 mm." in first.caption
    conditions = " ".join(first.conditions)
    assert "cpn → cpn" in conditions
    assert "gt → gt" not in conditions
    assert "cpu (Made-up CPU, 2 threads)" in conditions
    (axes,) = first.figure.axes
    assert axes.get_xscale() == "log"
    heights = {float(y) for line in axes.lines for y in line.get_ydata() if line.get_marker() not in ("None", "_")}
    assert heights == {62.0, 51.0, 50.0, 49.5}, "no oracle, no assisted value"
    assert first.figure.get_size_inches()[0] == pytest.approx(3.4)


def test_the_latency_figure_counts_the_time_of_the_aggregation():
    made = [record("d3dp", hypotheses=4, median=27.0), record("tcn", median=2.7)]
    cost = made[0].cost.model_copy(update={"aggregation_ms": {"P-Agg": 13.5}})
    (drawing,) = latency_accuracy([made[0].model_copy(update={"cost": cost}), made[1]])
    (axes,) = drawing.figure.axes
    places = {float(x) for line in axes.lines for x in line.get_xdata() if line.get_marker() in "osD^v"}
    assert sorted(places) == pytest.approx([0.1, 1.5])
    assert "aggregation of hypotheses included" in drawing.caption


def test_a_disturbed_time_is_crossed_out_where_times_are_drawn():
    made = [record("d3dp", median=27.0, warnings=("other processes kept 100 % of the CPU busy",)), record("tcn")]
    for draw, crosses in ((latency_accuracy, [1.0]), (memory_accuracy, [])):
        (drawing,) = draw(made)
        (axes,) = drawing.figure.axes
        found = [float(x) for line in axes.lines if line.get_marker() == "x" for x in line.get_xdata()]
        assert found == crosses
        assert ("time disturbed" in drawing.caption) == bool(crosses)


def test_no_figure_of_one_point():
    assert list(latency_accuracy([record("mixste"), record("tcn", device="NVIDIA H200")])) == []


def test_labels_overlap_nothing():
    (drawing,) = latency_accuracy(sampling_records())
    axes = drawing.figure.axes[0]
    drawing.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) > 3
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    assert all(text.get_fontsize() >= 6.5 for text in axes.texts)


def test_heat_map_has_a_panel_per_method_and_a_dash_for_what_was_not_run():
    (drawing,) = error_heatmap(sampling_records()[1:])
    panels = [axes for axes in drawing.figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["D3DP", "FinePOSE"]
    texts = [text.get_text() for text in panels[0].texts]
    assert len(texts) == 9
    assert texts.count("–") == 1
    assert "50.8" in texts


def test_training_curves_one_line_per_training():
    shared = record("d3dp", hypotheses=5)
    again = record("d3dp", hypotheses=10, training_id=shared.training_id)
    (drawing,) = training_curves([shared, again, record("tcn"), record("mean_pose")])
    loss, validation = drawing.figure.axes
    assert len(loss.lines) == 2
    assert sorted(line.get_ydata()[0] for line in validation.lines if len(line.get_ydata()) > 1) == [59.0, 71.0]
    assert "Training detections: cpn." in drawing.conditions


def test_trainings_that_differ_in_their_seed_are_a_line_with_a_band_from_the_lowest_to_the_highest():
    made = [record("tcn", seed=seed, mean=mean) for seed, mean in ((0, 60.0), (1, 62.0), (2, 67.0))]
    made = [counted(one) for one in (*made, record("mixste"))]
    for draw, axes in ((training_curves, 1), (error_by_compute, 0)):
        (drawing,) = draw(made)
        panel = drawing.figure.axes[axes]
        tcn, mixste = [line for line in panel.lines if len(line.get_xdata()) > 1 and line.get_linestyle() == "-"]
        assert list(tcn.get_ydata()) == [72.0, 65.0, 66.0]
        (band,) = panel.collections
        heights = band.get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == (62.0, 76.0)
        assert tcn.get_color() != mixste.get_color()
        assert "band: from the lowest to the highest" in drawing.caption
        assert "Training seeds: 0, 1, 2." in drawing.conditions


def test_error_over_compute_has_a_line_for_each_training_whose_operations_were_counted():
    def with_tflop(method, tflop, before=None, **changes):
        made = record(method, **changes)
        first = None if before is None else made.training.model_copy(update={"tflop": before})
        training = made.training.model_copy(update={"tflop": tflop, "first_stage": first})
        return made.model_copy(update={"training": training})

    tcn, again = with_tflop("tcn", 0.6), with_tflop("tcn", 0.6, seed=1)
    (drawing,) = error_by_compute([tcn, tcn, again, with_tflop("d3dp", 0.3, before=0.3), record("mixste")])
    drawn = [line for line in drawing.figure.axes[0].lines if len(line.get_xdata())]
    lines = [line for line in drawn if line.get_linestyle() != "None"]
    assert [line.get_linestyle() for line in lines] == ["-", ":"], "methods of one colour differ"
    assert [line.get_xdata().tolist() for line in lines] == [
        pytest.approx([0.2, 0.4, 0.6]), pytest.approx([0.4, 0.5, 0.6])
    ]  # fmt: skip
    assert list(lines[0].get_ydata()) == [error for _, error in tcn.training.validation_mpjpe]
    assert "Ends at 0.6 TFLOP." in drawing.caption
    assert list(error_by_compute([record("mixste")])) == []


def test_trivial_predictors_do_not_stretch_the_figure_of_critical_differences():
    names = ("mean_pose", "nearest_pose", "tcn", "mixste", "d3dp")
    (drawing,) = critical_differences([several(record(name)) for name in names])
    (axes,) = drawing.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["D3DP", "MixSTE", "TCN"]
    assert axes.get_xlim()[1] < 70
    assert "Trivial predictors, which are far off, are left out." in drawing.caption


def test_memory_figure_has_its_own_axis_and_says_what_is_counted():
    drawing = next(memory_accuracy([record("mixste"), record("tcn"), record("d3dp")]))
    (axes,) = drawing.figure.axes
    assert drawing.name == "memory"
    assert axes.get_xlabel() == "Peak tensor memory (MB)"
    assert "Memory counts: tensors that are alive at once, counted." in drawing.caption


def test_the_resident_memory_of_older_records_is_on_no_axis():
    old = [record(name) for name in ("mixste", "tcn")]
    old = [
        r.model_copy(update={"cost": r.cost.model_copy(update={"memory_source": "peak resident memory"})})
        for r in old
    ]
    assert list(memory_accuracy(old)) == []
    assert next(latency_accuracy(old))


@pytest.mark.parametrize(
    ("limits", "ticks"),
    [
        ((1.2, 2.2), [1.25, 1.5, 1.75, 2]),
        ((0.14, 0.55), [0.15, 0.2, 0.3, 0.4, 0.5]),
        ((0.46, 3.2), [0.5, 0.7, 1, 1.5, 2, 3]),
        ((0.04, 5.5), [0.05, 0.1, 0.2, 0.5, 1, 2, 5]),
        ((2, 4000), [10, 100, 1000]),
    ],
)
def test_ticks_of_logarithmic_axes_are_plain_round_numbers(limits, ticks):
    axes = new_figure(2).add_subplot()
    axes.set(xscale="log", xlim=limits)
    plain_log_ticks(axes.xaxis, limits)
    shown = [tick for tick in axes.get_xticks() if limits[0] <= tick <= limits[1]]
    assert shown == pytest.approx(ticks)
    assert [axes.xaxis.get_major_formatter()(tick) for tick in shown] == [f"{tick:g}" for tick in ticks]


def test_iso_cost_lines_have_one_product_of_error_and_cost():
    (drawing,) = latency_accuracy([record("mixste", median=12), record("tcn", median=900)])
    (axes,) = drawing.figure.axes
    lines = [line for line in axes.lines if line.get_linestyle() == ":"]
    products = [np.unique(np.round(line.get_xdata() * line.get_ydata(), 6)) for line in lines]
    assert lines
    assert all(len(found) == 1 for found in products)
    assert all(float(found[0]) in (10.0**power for power in range(-3, 6)) for found in products)


def test_convergence_shows_every_step_of_the_widest_runs():
    (drawing,) = convergence(sampling_records())
    (axes,) = drawing.figure.axes
    ends = sorted(line.get_xdata().max() for line in axes.lines if len(line.get_xdata()) > 1)
    assert ends == [3, 3, 5, 5], "K = 1 has nothing to show"
    assert "H = 10" in drawing.caption
    assert list(convergence([record("tcn")])) == []


def with_joints(method, names, **changes):
    made = record(method, **changes)
    values = tuple(v.model_copy(update={"per_joint": tuple(range(len(names)))}) for v in made.values)
    data = made.data.model_copy(update={"joints": names})
    return made.model_copy(update={"values": values, "data": data})


@pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP])
def test_every_joint_but_the_root_has_its_number_on_the_person(skeleton, tmp_path):
    files, made = RunFiles(tmp_path), with_joints("tcn", skeleton.joints)
    kept(made, files, skeleton=skeleton)
    (drawing,) = errors_by_joint([made, record("mean_pose")], files)
    person = drawing.figure.axes[0]
    assert person.get_title() == "TCN"
    shown = sorted(int(text.get_text()) for text in person.texts)
    assert shown == [number for number in range(17) if number != skeleton.root]


def test_the_drawn_person_is_that_of_the_arrays_with_its_left_on_the_readers_right(tmp_path):
    """The person has joints that no table knows, and is turned away from the camera."""
    poses = np.array([[[0, 0, 0], [-0.2, 1, 0], [0.2, 1, 0], [0, -1, 0.1]]] * 3, dtype=np.float16)
    arrays = {"sequence": np.zeros(3, int), "frame": np.arange(3), "pose_2d": poses[..., :2], "target": poses}
    person = person_of(
        Examples(
            keys=("a",),
            fps=np.array([50.0]),
            joints=("Base", "LTip", "RTip", "Top"),
            answer=poses,
            parents=np.array([-1, 0, 0, 0]),
            left=np.array([False, True, False, False]),
            hypotheses=poses[:, None][:, :0],
            **arrays,
        )
    )
    left, right, top = person.places[1:]
    assert left[0] == pytest.approx(-right[0])
    assert left[0] > 0
    assert top[1] > left[1]
    assert person.middle.tolist() == [True, False, False, True]


def test_no_person_where_no_poses_were_kept(tmp_path):
    assert list(errors_by_joint([with_joints("tcn", HUMAN36M.joints)], RunFiles(tmp_path))) == []


def test_action_map_has_the_numbers_of_the_table():
    (drawing,) = errors_by_action([record("tcn", mean=60.0), record("mixste", mean=50.0), record("mean_pose")])
    (axes,) = drawing.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["TCN", "MixSTE"]
    assert axes.texts[0].get_text() == "57.5"
    assert len(axes.texts) == 12


def kept(record_, files, seed=0, frames=9, skeleton=HUMAN36M):
    rng = np.random.default_rng(seed)
    Examples(
        keys=("S9/Walking/a", "S9/Eating/b"),
        fps=np.array([50.0, 50.0]),
        joints=skeleton.joints,
        parents=np.array(skeleton.parents),
        left=np.isin(np.arange(17), skeleton.left),
        sequence=np.repeat([0, 1], frames),
        frame=np.tile(np.arange(frames) * 2, 2),
        pose_2d=rng.normal(size=(2 * frames, 17, 2)).astype(np.float16),
        target=np.zeros((2 * frames, 17, 3), dtype=np.float16),
        answer=np.full((2 * frames, 17, 3), 0.01, dtype=np.float16),
        hypotheses=rng.normal(size=(2 * frames, 3, 17, 3)).astype(np.float16),
    ).save(files.examples_path(record_.id))


def test_poses_of_the_middle_frames_with_the_error_of_what_is_drawn(tmp_path):
    files, members = RunFiles(tmp_path), [record("tcn"), record("d3dp"), record("mean_pose"), record("mixste")]
    for member in members[:3]:
        kept(member, files)
    (drawing,) = example_poses(members, files)
    titles = [axes.get_title() for axes in drawing.figure.axes]
    assert titles == ["2D input", "Ground truth", "TCN", "D3DP"] * 2, "one without a file is left out"
    assert "S9/Walking/a, frame 8; S9/Eating/b, frame 8" in drawing.caption
    assert drawing.figure.axes[2].texts[0].get_text() == "17 mm"
    assert "Seeds (training/noise): 0/0." in drawing.conditions
    assert list(example_poses(members, RunFiles(tmp_path / "nowhere"))) == []


def test_distribution_reads_the_errors_of_the_headline(tmp_path):
    files, member = RunFiles(tmp_path), record("d3dp")
    path = files.errors_path(member.id)
    path.parent.mkdir()
    np.savez(path, **{"frames/mpjpe/P-Agg": np.arange(101.0), "frames/mpjpe/J-Best": np.zeros(101)})
    (drawing,) = error_distribution([member, record("tcn")], files)
    (line,) = drawing.figure.axes[0].lines
    assert line.get_xdata()[100] == 50.0
    assert line.get_ydata()[100] == 50.0


@pytest.mark.parametrize(("draw", "sizes"), [(error_by_hypotheses, (1, 5, 10)), (error_by_steps, (1, 3, 5))])
def test_error_over_samples_has_a_line_with_intervals_for_each_aggregation(draw, sizes):
    (drawing,) = draw(sampling_records())
    panels = [axes for axes in drawing.figure.axes if axes.axison]
    assert [axes.get_title() for axes in panels] == ["D3DP", "FinePOSE"]
    for axes in panels:
        assert tuple(axes.get_xticks()) == sizes
        assert sorted(text.get_text() for text in axes.texts) == ["J-Agg‡", "J-Best†", "P-Agg", "P-Best†"]
        assert all(text.arrow_patch is not None for text in axes.texts), "a line leads to what a name is of"
        lines = [container.lines[0] for container in axes.containers]
        assert sorted(line.get_linestyle() for line in lines) == ["-", "--", ":", ":"]
        lowest = min(line.get_ydata().min() for line in lines)
        assert axes.get_ylim()[0] < lowest - 1.5, "the axis spans the intervals"
    assert "J-Best† [oracle" in " ".join(drawing.conditions), "the conditions name what is drawn"
    first = panels[0].containers[0].lines[0].get_ydata()
    widest = [r for r in sampling_records() if r.method == "d3dp"]
    held = "steps" if draw is error_by_hypotheses else "hypotheses"
    most = max(getattr(r.conditions, held) for r in widest)
    expected = [r.value("mpjpe", "P-Agg").action_mean for r in widest if getattr(r.conditions, held) == most]
    assert list(first) == expected
    assert list(draw([record("tcn"), record("d3dp", hypotheses=5)])) == []


def test_oracles_stand_beside_what_can_be_deployed():
    drawing, _ = oracle_beside_deployable(methods_records())
    (axes,) = drawing.figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["FinePOSE (10, 5)", "D3DP (10, 5)", "MixSTE", "TCN"]
    assert [text.get_text() for text in axes.texts] == ["P-Best†", "J-Best†"] * 2
    made = next(made for made in methods_records() if made.method == "finepose")
    shown = {float(x) for line in axes.lines if set(line.get_ydata()) == {0} for x in line.get_xdata()}
    for aggregation in ("P-Agg", "P-Best", "J-Best"):
        assert made.value("mpjpe", aggregation).action_mean in shown
    assert list(oracle_beside_deployable([record("tcn"), record("mixste")])) == []


def test_differences_are_antisymmetric_and_coloured_where_they_are_shown():
    made = [several(record(name)) for name in ("tcn", "mixste")]
    made.append(several(record("tcn", mean=51.001, variant="wide"), spread=4.0))
    (drawing,) = paired_differences(made)
    (axes,) = drawing.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["MixSTE", "TCN wide", "TCN"]
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert len(texts) == 6
    assert texts[2, 0].startswith("−11.0 ± ")
    assert texts[0, 2] == texts[2, 0].replace("−", "+")
    grounds = {tuple(shape.get_facecolor()[0][:3]) for shape in axes.collections}
    assert grounds == {to_rgb(BETTER), to_rgb(WORSE), to_rgb("white")}
    one_seed = [several(record(name), seeds=(0,)) for name in ("tcn", "mixste")]
    assert list(paired_differences(one_seed)) == [], "no interval, no matrix"
