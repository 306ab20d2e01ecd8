import math

import pytest

from bench.config.registry import LAYOUTS
from bench.results.cost import DeviceState, Setup
from bench.results.statistics.seeds import pool
from reports.rules.comparability import sections, sources
from reports.tables.accuracy.breakdown import actions
from reports.tables.accuracy.main import measured_methods as main
from reports.tables.accuracy.published_numbers import SECTIONS
from reports.tables.accuracy.sampling import sampling
from reports.tables.accuracy.variants import prompts, variants
from reports.tables.cells import NOT_KEPT, rank, significant, value_cell
from reports.tables.cost.cost import cost
from reports.tables.runs.runs import runs
from reports.writers.table import Cell
from tests.reports.made_up import methods_records, prompt_records, record, sampling_records, several, value, values


def printed(table):
    """(section, heading, first cell) → texts with marks of the other cells."""
    found = {}
    for block in table.blocks:
        for row in block.rows:
            texts = [
                f"-{cell.reason}"
                if cell.reason
                else cell.text + {0: "", 1: "*", 2: "_"}[cell.rank] + "≈" * cell.tie
                for cell in row.cells
            ]
            found[block.section, block.heading, texts[0]] = texts[1:]
    return found


NO_TRUTH = "No ground-truth pose or trajectory at test time"
ASSISTED = "Assisted‡: uses the ground-truth root trajectory at test time"
ORACLE = "Oracle†: uses the ground-truth pose at test time"


def test_main_keeps_oracles_apart_and_pairs_detections():
    table = main(
        [
            several(record("mixste", mean=51.0)),
            several(record("mixste", train="gt", test="gt", mean=40.0)),
            several(record("d3dp", hypotheses=4, steps=2, mean=45.0)),
            several(record("tcn", mean=60.0)),
        ],
        "T",
    )
    assert [column.full_name for column in table.columns[8:]] == [
        "DET: cpn MPJPE",
        "DET: cpn P-MPJPE",
        "GT MPJPE",
        "GT P-MPJPE",
    ]
    rows = printed(table)
    absent = "-no run with GT under the other conditions of the row"
    assert rows["", NO_TRUTH, "MixSTE"][-4:] == ["51.0_", "40.8_", "40.0", "32.0"]
    assert rows["", NO_TRUTH, "D3DP"] == [
        "P-Agg",
        "27",
        "27",
        "4",
        "2",
        "1.23",
        "1.19",
        "45.0*",
        "36.0*",
        absent,
        absent,
    ]
    assert rows["", ASSISTED, "D3DP"][0] == "J-Agg‡"
    assert {block.heading for block in table.blocks} == {NO_TRUTH, ASSISTED, ORACLE}
    oracle = next(block for block in table.blocks if block.heading == ORACLE)
    assert [row.cells[1].text for row in oracle.rows] == ["P-Best†", "J-Best†"]
    assert all(cell.rank == 0 for row in oracle.rows for cell in row.cells), "each stands alone: none is best"


@pytest.mark.parametrize(
    "change",
    [
        {"label": "Other"},
        {"subset": "64 of 120 windows"},
        {"selection": "test set"},
        {"flip": False},
    ],
)
@pytest.mark.parametrize("layout", ["main", "actions", "runs", "prompts"])
def test_numbers_of_different_conditions_are_never_ranked_together(layout, change):
    members = [several(record("mixste", mean=51.0)), several(record("tcn", mean=60.0, **change))]
    table = LAYOUTS.load(layout).table(members, "T")
    assert len({block.section for block in table.blocks} - {*SECTIONS.values()}) == 2
    assert all(cell.rank == 0 and not cell.tie for row in table.rows() for cell in row.cells)
    assert sum(text[0].startswith("Conditions of") for text in table.conditions) == 2
    together = LAYOUTS.load(layout).table(
        [several(record("mixste", mean=51.0)), several(record("mixste", mean=60.0, options={"a": 1}))], "T"
    )
    assert any(cell.rank for row in together.rows() for cell in row.cells)


def test_training_on_other_detections_has_columns_of_its_own():
    records = [record("mixste", train="gt", test="gt"), record("mixste", train="cpn", test="gt")]
    table = main(records, "T")
    assert {column.spanner for column in table.columns[8:]} == {"GT", "GT (trained on cpn)"}
    assert "Training and test detections differ in: GT (trained on cpn)." in table.notes


def test_other_content_under_the_same_label_has_columns_of_its_own():
    first = record("tcn")
    second = record("mixste", data=first.data.model_copy(update={"fingerprint": "f" * 16}))
    assert len(sources([first, second])) == 2
    assert all(cell.rank == 0 for row in main([first, second], "T").rows() for cell in row.cells)


@pytest.mark.parametrize(
    "layout", ["main", "pck", "cost", "runs", "oracle_gap", "pareto", "scaling", "sequences", "activities"]
)
def test_input_and_output_frames_stand_in_every_table_that_shows_frames(layout):
    made = [record("d3dp", hypotheses=hypotheses) for hypotheses in (1, 2)]
    labelled = [value.model_copy(update={"per_activity": {"Sports": 50.0}}) for value in made[0].values]
    made[0] = made[0].model_copy(update={"values": tuple(labelled), "input_frames": 81})
    made[1] = made[1].model_copy(update={"values": tuple(labelled), "input_frames": None})
    found = LAYOUTS.load(layout)
    tables = [one.table(made, "T") for one in (found, *found.companions)]
    shown = [table for table in tables if any(column.full_name == "Frames in" for column in table.columns)]
    assert shown
    for table in shown:
        assert any("Frames: in, input frames that a pose is computed from" in note for note in table.notes)
        at = [column.full_name for column in table.columns].index("Frames in")
        assert table.columns[at + 1].full_name == "Frames out"
        pairs = {tuple(c.text or c.reason for c in row.cells[at : at + 2]) for row in table.rows() if row.runs}
        assert pairs == {("81", "27"), (NOT_KEPT, "27")}


def test_no_record_is_lost_when_only_options_differ():
    table = main([record("mixste", mean=50.0), record("mixste", mean=52.0, options={"depth": 2})], "T")
    names = [row.cells[0].text for row in table.rows()]
    assert len(set(names)) == 2
    assert all(name.startswith("MixSTE #") for name in names)


def test_trivial_predictors_stay_with_methods_whose_checkpoint_was_selected():
    assert len(sections([record("tcn"), record("mean_pose", selection="last")])) == 1
    assert len(sections([record("tcn"), record("mean_pose", selection="last", flip=False)])) == 2


def test_the_action_label_is_marked_and_explained():
    table = main([record("finepose"), record("finepose", variant="prompt=none", label_given=False)], "T")
    assert {row.cells[0].text for row in table.rows()} == {"FinePOSE§", "FinePOSE prompt=none"}
    text = " ".join(*table.conditions)
    assert "Action label given at test time: yes (FinePOSE); no (FinePOSE prompt=none)." in text


def test_most_variants_of_a_method_are_named_together():
    names = ("", "prompt=none", "fpp=False", "fpc=False", "pts=False")
    made = [record("finepose", variant=name, label_given=name != "prompt=none") for name in names]
    text = " ".join(*main([record("tcn"), *made], "T").conditions)
    assert (
        "Action label given at test time: no (TCN, FinePOSE prompt=none); "
        "yes (FinePOSE, all variants but prompt=none)." in text
    )


def test_conditions_are_complete():
    made = record("d3dp", hypotheses=4, steps=2, warnings=("another process used the GPU",))
    text = " ".join(*main([made], "T").conditions)
    for part in (
        "Made-up data (made_up)",
        "S1, S5",
        "S9, S11",
        "cpn → cpn [content",
        "all, 120 windows, 3,240 frames, 48 sequences, 12 takes",
        "Flip augmentation at test time: yes",
        "H = 4, K = 2",
        "J-Agg‡ [assisted by ground-truth root trajectory]",
        "P-Best† [oracle by ground-truth pose]",
        "Action label given at test time: no",
        "Checkpoint selection: validation",
        "every 10th take",
        "Seeds (training/noise): 0/0",
        "cpu (Made-up CPU, 2 threads)",
        "Warning: another process used the GPU.",
    ):
        assert part in text


def test_a_value_that_was_not_obtained_is_a_dash_with_its_reason():
    only_mpjpe = (value("mpjpe", None, 50.0),)
    broken = record("tcn", values_=only_mpjpe)
    rows = printed(main([broken, record("mixste")], "T"))
    assert rows["", NO_TRUTH, "TCN"][-1] == f"-P-MPJPE under single was not obtained in run {broken.id}"
    not_finite = record("tcn", values_=(value("mpjpe", None, math.nan),))
    assert "-MPJPE under" in printed(runs([not_finite], "T"))["", "DET: cpn", not_finite.id][7]


def test_prompts_show_the_difference_to_no_prompt():
    rows = printed(prompts(list(map(several, prompt_records())), "T"))
    heading = "FinePOSE, tiny, P-Agg, H = 10, K = 5, seeds 0,1,2/0"
    assert rows["", heading, "none"][:5] == ["not given", "52.0_", "reference", "41.6_", "reference"]
    assert rows["", heading, "full"][:5] == ["given", "49.5*", "−2.50", "39.6*", "−2.00"]


def test_one_training_each_is_shown_and_not_compared():
    table = prompts([several(made, seeds=(0,)) for made in prompt_records()], "T")
    rows = printed(table)
    why_not = "-not compared: one training each, and another seed may turn the difference; run with --seeds 0,1,2"
    heading = "FinePOSE, tiny, P-Agg, H = 10, K = 5, seeds 0/0"
    assert rows["", heading, "full"][:5] == ["given", "49.5", why_not, "39.6", why_not]
    assert "Warning: numbers of some trainings are shown and not compared" in " ".join(table.conditions[0])
    assert "Intervals over: 12 takes, so for this subject and this training." in table.conditions[0]
    trivial = several(record("nearest_pose"), seeds=(0,))
    once = [several(record(method), seeds=(0,)) for method in ("tcn", "finepose", "d3dp")]
    tables = [main([*once, trivial], "T"), actions([*once, trivial], "T"), runs([*once, trivial], "T")]
    cells = [cell for table in tables for row in table.rows() for cell in row.cells]
    assert not any(cell.rank or cell.tie or cell.ahead for cell in cells)
    alone = main([once[0], trivial], "T")
    assert any(cell.rank == 1 for row in alone.rows() for cell in row.cells), "a predictor has no luck of training"
    mixed = [several(record("tcn")), several(record("mixste")), once[2], trivial]
    ranks = [row.cells[8].rank for row in main(mixed, "T").blocks[0].rows]
    assert ranks == [2, 1, 0, 0], "one training cannot be compared"


def test_aggregations_of_one_training_are_compared():
    made = several(record("d3dp", hypotheses=10, steps=2, mean=50.0), seeds=(0,))
    best = made.value("mpjpe", "P-Agg")
    rows = (tuple(error + 1 for error in best.per_take[0]),)
    worse = best.model_copy(update={"aggregation": "J-Fit", "per_take": rows, "action_mean": best.action_mean + 1})
    table = main([made.model_copy(update={"values": (*made.values, worse)})], "T")
    assert [(row.cells[8].rank, row.cells[8].tie) for row in table.blocks[0].rows] == [(1, False), (2, False)]


def test_what_differs_by_luck_is_not_distinguishable_from_the_best():
    lucky = [several(record(method, mean=mean), spread=2.0) for method, mean in (("tcn", 60.0), ("mixste", 60.5))]
    first, second = (row.cells[8] for row in main(lucky, "T").blocks[0].rows)
    assert (first.rank, second.rank, second.tie) == (1, 2, True)
    shown = printed(
        variants([several(record("tcn")), several(record("tcn", variant="x", mean=62.1), spread=2.0)], "V")
    )
    assert shown["", "TCN, tiny, single, H = 1, K = 1, seeds 0,1,2/0", "x"][2] == "(+0.10)"


def test_prompts_of_other_sampling_are_not_subtracted():
    records = [
        record("finepose", variant="prompt=none", prompt="none", hypotheses=1, mean=55.0),
        record("finepose", prompt="full", hypotheses=5),
    ]
    rows = printed(prompts(records, "T"))
    assert rows["", "FinePOSE, tiny, P-Agg, H = 5, K = 1, seeds 0/0", "full"][2].startswith("-no run of 'none'")


def test_sampling_is_a_grid_per_method_and_aggregation():
    records = list(map(several, sampling_records()))
    del records[4]
    table = sampling(records, "T")
    assert [column.header for column in table.columns] == ["K", "H = 1", "H = 5", "H = 10"]
    assert table.notes[-1].endswith("D3DP 27 in, 27 out; FinePOSE 27 in, 27 out.")
    rows = printed(table)
    assert rows["", "D3DP, P-Agg: MPJPE", "3"][1] == "-this pair of H and K was not run"
    assert rows["", "D3DP: ms/window", "5"] == ["20.0", "100", "200"]
    rows_of_p_agg = next(block.rows for block in table.blocks if block.heading == "D3DP, P-Agg: MPJPE")
    best = [cell.text for row in rows_of_p_agg for cell in row.cells if cell.rank == 1]
    assert best == ["50.8"]
    assert {block.heading.split(", ")[-1] for block in table.blocks if "MPJPE" in block.heading} == {
        "P-Agg: MPJPE",
        "J-Agg‡: MPJPE",
        "P-Best†: MPJPE",
        "J-Best†: MPJPE",
    }


def test_costs_of_devices_stand_apart_and_trivial_predictors_are_not_rank():
    records = [*methods_records(), record("mixste", device="NVIDIA H200", median=1.0)]
    rows = printed(cost(records, "T"))
    here, there = "device: cpu (Made-up CPU, 2 threads)", "device: NVIDIA H200"
    assert rows[here, "", "TCN"][10] == "0.100*"
    assert rows[here, "", "MixSTE"][10] == "0.444_"
    assert rows[here, "", "Mean pose"][10] == "0.00185"
    assert rows[there, "", "MixSTE"][10] == "0.0370"
    assert "Memory counts: tensors that are alive at once, counted;" in cost(records, "T").notes[1]


def test_actions_are_ranked_within_equal_use_of_ground_truth():
    table = actions([several(record(name, hypotheses=5)) for name in ("mixste", "d3dp", "finepose")], "T")
    of_mpjpe = [block for block in table.blocks if "Protocol 1" in block.heading]
    assert [len({row.cells[1].text for row in block.rows}) for block in of_mpjpe] == [2, 1, 2], "a block a use"
    rows = {tuple(cell.text for cell in row.cells[:2]): row.cells for block in of_mpjpe for row in block.rows}
    assert [rows[key][2].rank for key in (("MixSTE", "single"), ("FinePOSE§", "P-Agg"))] == [0, 1]
    assert rows["FinePOSE§", "J-Best†"][-1].rank == 1
    assert rows["D3DP", "J-Best†"][-1].rank == 2
    assert rows["MixSTE", "single"][-1].text == "51.0"


def test_runs_takes_anything_and_prints_one_row_per_record():
    records = [*methods_records(), *sampling_records()]
    table = runs(records, "T")
    assert sorted(row.runs[0] for row in table.rows()) == sorted(made.id for made in records)
    assert [column.header for column in table.columns[-3:]] == ["J-Agg‡", "P-Best†", "J-Best†"]


def test_intermediate_steps_are_not_answers():
    made = record("d3dp", steps=3, values_=values(50.0, steps=3, probabilistic=True))
    assert printed(runs([made], "T"))["", "DET: cpn", made.id][7] == "50.0"


def test_ranking_marks_best_second_and_ties():
    cells = [Cell(f"{x:.1f}", x) for x in (50, 51, 53, 50, 60)]
    marked = rank(cells, [0] * 5)
    assert [cell.rank for cell in marked] == [1, 2, 0, 1, 0]
    assert not any(cell.tie for cell in marked), "without errors of takes, as costs are"
    assert rank(cells[:1], [0]) == cells[:1]
    assert rank([cells[0], cells[3]], [0, 0]) == [cells[0], cells[3]], "equal numbers have no best"
    assert rank(cells, [None] * 5) == cells
    assert [cell.rank for cell in rank(cells[:4], ["a", "a", "b", "b"])] == [1, 2, 2, 1]


def test_the_spread_claims_no_less_than_the_interval():
    lopsided = value("mpjpe", None, 50.0).model_copy(update={"low": 49.0, "high": 53.0})
    assert value_cell(lopsided).spread == "3.0"
    assert value_cell(lopsided.model_copy(update={"low": math.nan})).spread == ""


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.001849, "0.00185"),
        (0.0999999, "0.100"),
        (9.996, "10.0"),
        (12.34, "12.3"),
        (1234.5, "1,230"),
        (math.inf, ""),
    ],
)
def test_costs_have_three_significant_digits(number, text):
    assert significant(number).text == text


def test_the_table_of_costs_says_what_older_records_do_not_know():
    old = record("mixste")
    rows = printed(cost([old], "T"))
    (cells,) = rows.values()
    assert "-measured by an older version" in cells
    assert not any("GLOP" in note for note in cost([old], "T").notes)


def test_the_table_of_costs_shows_what_training_took():
    made = record("d3dp")
    first = made.training.model_copy(update={"tflop": 0.3, "seconds": 8.0})
    staged = made.training.model_copy(update={"tflop": 0.5, "first_stage": first})
    counted = made.model_copy(update={"training": staged, "title": "Counted"})
    table = cost([made, counted], "T")
    assert [column.full_name for column in table.columns[-2:]] == ["Training TFLOP", "Training s"]
    assert [cells[-2:] for cells in printed(table).values()] == [
        ["-not counted: its recipe gives epochs, not compute", "12.0"],
        ["0.800", "20.0"],
    ]


def test_the_table_of_costs_shows_share_of_peak_energy_and_stages():
    made = record("d3dp", hypotheses=4, steps=2, device="NVIDIA H200", median=10.0)
    setup = Setup(hypotheses=4, steps=2, flip=True, precision="bf16", tf32="nothing", compiled=True, threads=8)
    latency = made.cost.latency.model_copy(update={"stages_ms": {"denoise": 9.0, "other": 1.0}, "host_ms": 11.0})
    state = DeviceState(clock_mhz=1980, power_w=412, temperature_c=58)
    more = {"setup": setup, "peak_gflops": 4000.0, "energy_j": 4.12, "device_state": state, "latency": latency}
    known = made.model_copy(update={"cost": made.cost.model_copy(update=more)})
    unknown = more | {"energy_j": None, "energy_source": "the timed calls took less than 0.5 s"}
    without = made.model_copy(update={"cost": made.cost.model_copy(update=unknown), "title": "Other"})
    table = cost([known, without], "T")
    cells = {column.full_name: cell for column, cell in zip(table.columns, next(table.rows()).cells, strict=True)}
    assert cells["% peak"].text == "50.0"
    assert cells["J/window"].text == "4.12"
    assert cells["Host ms"].text == "11.0"
    assert "not measured: the timed calls took less than 0.5 s" in table.reasons()
    notes = " ".join(table.notes)
    assert "4,000 GFLOP/s" in notes
    assert "bf16, TF32 allowed for nothing, compiled, 8 threads" in notes
    assert "D3DP (H = 4, K = 2) denoise 90.0, other 10.0" in notes
    assert "1980 to 1980 MHz, 412 to 412 W, 58 to 58 °C" in notes


def test_rows_of_sampling_name_the_runs_of_every_seed():
    made = [record("d3dp", hypotheses=width, seed=seed) for width in (1, 5) for seed in (0, 1, 2)]
    (row, *_) = sampling(pool(made), "T").rows()
    assert set(row.runs) == {one.id for one in made}
