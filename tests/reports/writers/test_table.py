import csv
import io

import pytest

from reports.document import document
from reports.figures.style import Drawing, new_figure
from reports.pdf import compile_pdf
from reports.writers.csv import to_csv
from reports.writers.escaping import latex, latex_breakable, markdown
from reports.writers.latex import LONG, to_latex
from reports.writers.markdown import to_markdown
from reports.writers.paper import COMPLETE, to_paper
from reports.writers.table import Block, Cell, Column, Row, Table
from tests.reports.latex import need
from tests.reports.made_up import runset

COLUMNS = (Column("Method", align="l"), Column("MPJPE", "DET: cpn"), Column("P-MPJPE", "DET: cpn"))


def small_table():
    best = Cell("49.5", 49.5, 48.0, 51.0, "1.5", rank=1)
    second = Cell("50.0", 50.0, 40.0, 61.0, "11.0", rank=2, tie=True)
    rows = (
        Row((Cell("A_1§"), best, Cell("40.0", 40.0)), ("run1",)),
        Row((Cell("B & C"), second, Cell(reason="not run")), ("run2",)),
    )
    return Table(
        "Errors in 100% of cases", COLUMNS, (Block(rows, "Group†", "Section"),), (("Conditions.", "Data: D."),)
    )


def test_latex_word_for_word():
    assert to_latex(small_table(), "small") == (
        r"""\begin{table}[htbp]
\centering\footnotesize\setlength{\tabcolsep}{4pt}
\caption{Errors in 100\% of cases}
\label{tab:small}
\par\smallskip
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{@{}lrS[table-format=2.1]@{}}
\toprule
 & \multicolumn{2}{c}{DET: cpn} \\
\cmidrule(lr){2-3}
Method & \multicolumn{1}{c}{MPJPE} & \multicolumn{1}{c}{P-MPJPE} \\
\midrule
\multicolumn{3}{@{}l}{\textbf{Section}} \\
\multicolumn{3}{@{}l}{\textit{Group\textsuperscript{\textdagger}}} \\
A\_1\textsuperscript{\S} & \textbf{49.5}{\scriptsize$\,\pm$\,\phantom{0}1.5}\hphantom{$^{\approx}$} & 40.0 \\
B \& C & \underline{50.0}{\scriptsize$\,\pm$\,11.0}$^{\approx}$ & \multicolumn{1}{c}{--\textsuperscript{a}} \\
\bottomrule
\end{tabular}}
\par\smallskip
\begin{minipage}{\linewidth}\scriptsize\raggedright
"""
        r"\textsuperscript{\textdagger} oracle: the ground-truth pose chose the hypothesis, "
        r"not available when deployed; "
        r"\textsuperscript{\S} the ground-truth action label was given at test time; "
        r"$\pm$: larger distance from the value to an end of its 95 \% interval (over what: under Conditions); "
        r"bold: best, underlined: second, each among numbers of equal conditions that use no ground-truth pose or "
        r"trajectory, or of one assisted or oracle aggregation; "
        r"a number without $\pm$ by its order alone, untested; "
        r"$\approx$ not distinguishable from the best, by differences that are paired by take or subject and "
        r"corrected for the choice of the best of a column (5 \%). "
        r"""\textsuperscript{a}not run.\par
Conditions. Data: D.\par
\end{minipage}
\end{table}
"""
    )


def test_markdown_word_for_word():
    assert to_markdown(small_table()) == (
        "### Errors in 100% of cases\n"
        "\n"
        "| Method | DET: cpn MPJPE | DET: cpn P-MPJPE |\n"
        "|:---|---:|---:|\n"
        "| **Section** |  |  |\n"
        "| *Group†* |  |  |\n"
        "| A\\_1§ | **49.5** ± 1.5 | 40.0 |\n"
        "| B &amp; C | <u>50.0</u> ± 11.0 ≈ | – (a) |\n"
        "\n"
        "- † oracle: the ground-truth pose chose the hypothesis, not available when deployed\n"
        "- § the ground-truth action label was given at test time\n"
        "- ±: larger distance from the value to an end of its 95 % interval (over what: under Conditions)\n"
        "- bold: best, underlined: second, each among numbers of equal conditions that use no ground-truth pose "
        "or trajectory, or of one assisted or oracle aggregation; "
        "a number without ± by its order alone, untested\n"
        "- ≈ not distinguishable from the best, by differences that are paired by take or subject and corrected "
        "for the choice of the best of a column (5 %)\n"
        "- (a) not run\n"
        "- Conditions. Data: D.\n"
    )


def test_csv_word_for_word():
    assert to_csv(small_table()) == (
        "section,group,Method,DET: cpn MPJPE,DET: cpn MPJPE low,DET: cpn MPJPE high,DET: cpn P-MPJPE,"
        "missing,runs\n"
        "Section,Group†,A_1§,49.5,48,51,40,,run1\n"
        "Section,Group†,B & C,50,40,61,,not run,run2\n"
    )


def test_a_row_of_another_length_is_refused():
    with pytest.raises(AssertionError, match="not as long as the header"):
        Table("T", COLUMNS, (Block((Row((Cell("x"),)),)),))


def test_a_long_table_is_several_floats_and_a_wide_one_is_turned_and_runs_over_pages():
    rows = tuple(Row((Cell("m"), Cell("1"), Cell("2"))) for _ in range(LONG + 1))
    assert to_latex(Table("T", COLUMNS, (Block(rows),)), "t").count("\\begin{table}") == 2
    noted = Table("T", COLUMNS, (Block(rows),), ("condition " * 500,))
    assert "\\begin{longtable}" in to_latex(noted, "t"), "its notes need more than the page of a float"
    assert "\\begin{landscape}" not in to_latex(noted, "t")
    wide = tuple(Row((Cell("m" * 150), Cell("1"), Cell("2"))) for _ in range(LONG + 1))
    assert "\\begin{landscape}" in to_latex(Table("T", COLUMNS, (Block(wide),)), "t")


def test_a_table_wider_than_a_column_spans_the_page():
    rows = (Row((Cell("m" * 80), Cell("1"), Cell("2"))),)
    assert "\\begin{table*}" in to_paper(Table("T", COLUMNS, (Block(rows),)), "t", COMPLETE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"a_b & 50% #1 $x$ {y}", r"a\_b \& 50\% \#1 \$x\$ \{y\}"),
        (r"^ ~ \z", r"\textasciicircum{} \textasciitilde{} \textbackslash{}z"),
        ("--set", "-{}-set"),
        ("<<>>``''", "<{}<>{}>`{}`'{}'"),
        ("†‡§", r"\textsuperscript{\textdagger}\textsuperscript{\textdaggerdbl}\textsuperscript{\S}"),
        ("≈±→−", r"$\approx$$\pm$$\to$$-$"),
        ("é 日\n\x07", "é {[}U+65E5] "),
        ("[ours] *", "{[}ours] {*}"),
        ("αΩΑ ώ", r"$\alpha$$\Omega$A $\omega$"),
        ("Żółć ǎ ﬁＡ① ħ \u202e", "Żółć a fiA1 {[}U+0127] "),
    ],
)
def test_latex_escaping(text, expected):
    assert latex(text) == expected


def test_long_words_may_break():
    assert latex_breakable("short " + "x" * 30) == "short " + r"\allowbreak{}".join(["x" * 12, "x" * 12, "x" * 6])


def test_markdown_escaping():
    assert markdown("a|b *c* _d_ `e` <f> [g]\nh") == r"a\|b \*c\* \_d\_ \`e\` &lt;f&gt; \[g\] h"


HOSTILE = (
    "[ours]", "*ours", "αNet", "日本語", "100%", "a_b&c", "ﬁＡ① ħ\u202e", "$\\frac{$", "#1{}~^\\", "a\nb\tc",
    "🎉", "<<>> -- ``", "x" * 300, "\\input{/etc/passwd}",
)  # fmt: skip
"""What a method may be called."""


def of_hostile_names():
    """A title, a short table and a long one."""
    rows = tuple(Row((Cell(name), Cell(name), Cell("1.5"), Cell(reason=name))) for name in HOSTILE)
    blocks = [Block((row,), row.cells[0].text, row.cells[0].text) for row in rows]
    title = " ".join(HOSTILE)
    table = Table(title, (*COLUMNS, Column(title, title)), (Block(rows), *blocks), ((title,),), (title,))
    return title, table, Table(title, table.columns, tuple(blocks) * 2, ((title,),), (title,))


def test_hostile_names_are_escaped_in_every_place():
    _, table, _ = of_hostile_names()
    assert "\n[" not in to_latex(table, "t")
    assert "\n*" not in to_latex(table, "t")


@pytest.mark.latex
def test_hostile_names_compile(tmp_path):
    need("pdflatex")
    title, table, many = of_hostile_names()
    declared = runset().model_copy(update={"command": title})
    text = document(declared, [], {"short": table, "long": many}, [], small_table(), ["short"], [title], [title])
    (tmp_path / "report.tex").write_text(text, encoding="utf-8")
    assert compile_pdf(tmp_path / "report.tex") is not None


def test_a_long_name_is_shortened_in_latex_only_and_a_long_heading_breaks():
    name, heading = "a" * 60 + "b" * 60, "section: " + "c " * 100
    table = Table("T", COLUMNS, (Block((Row((Cell(name), Cell("1"), Cell("2"))),), "", heading),))
    text = to_latex(table, "t")
    assert f"{'a' * 40}\\dots{{}}{'b' * 40} & 1" in text
    assert r"\multicolumn{3}{@{}p{\linewidth}}{\textbf{section: c" in text
    assert name in to_markdown(table)
    assert name in to_csv(table)


def test_captions_of_figures_are_their_first_sentence():
    drawings = [
        Drawing("a", new_figure(2, 3.3), "Loss (own; of each. One): by epoch; dots: kept.", ["Data: [x."]),
        Drawing("b", new_figure(2, 3.3), "[("),
        Drawing("c", new_figure(2, 6.0), "C."),
    ]
    text = document(runset(), [], {}, drawings, small_table(), [], [], [])
    assert r"\caption{Loss (own; of each. One): by epoch}" in text
    assert r"\caption{{[}(}" in text
    assert text.count(r"\begin{figure}") == 2, "two narrow figures stand beside each other"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        (" =1", "' =1"),
        ("＝1", "'＝1"),
        ("-1.5", "-1.5"),
        ("+2e-3", "+2e-3"),
        ("−1.5", "−1.5"),
        ("a=b", "a=b"),
    ],
)
def test_csv_is_harmless_in_a_spreadsheet(text, expected):
    table = Table(text, (Column("=1"),), (Block((Row((Cell(text),)), Row((Cell(reason=text),))), text, text),))
    header, first, second = csv.reader(io.StringIO(to_csv(table)))
    assert header[2] == "'=1"
    assert first[:3] == [expected] * 3
    assert second[3] == expected


def test_csv_keeps_negative_numbers():
    table = Table("T", (Column("A"),), (Block((Row((Cell("−2.0", -2.0, -3.5, -1.0),)),)),))
    assert list(csv.reader(io.StringIO(to_csv(table))))[1][2:5] == ["-2", "-3.5", "-1"]


def test_csv_survives_commas_and_quotes():
    table = Table("T", (Column("Method"),), (Block((Row((Cell('a, "b"\nc'),)),)),))
    assert list(csv.reader(io.StringIO(to_csv(table))))[1][2] == 'a, "b"\nc'


def test_latex_aligns_decimals_and_names_a_method_once():
    rows = tuple(
        Row((Cell(name), Cell(number), Cell(whole)))
        for name, number, whole in (("A", "1,234", "9"), ("A", "−0.25", "10"), ("B", "reference", "11"))
    )
    text = to_latex(Table("T", (Column("Name", align="l"), Column("X"), Column("F")), (Block(rows),)), "t")
    assert r"\begin{tabular}{@{}lS[table-format=-4.2]r@{}}" in text
    assert "\\multirow[t]{2}{*}{A} & 1234 & 9 \\\\\n & -0.25 & 10 \\\\\nB & {reference} & 11 \\\\" in text


def test_a_number_without_an_interval_stands_under_those_that_have_one():
    rows = (Row((Cell("45.2", 45.2, 44.0, 46.4, "1.2"),)), Row((Cell("45.1", 45.1),)))
    text = to_latex(Table("T", (Column("X"),), (Block(rows),)), "t")
    assert r"45.1\hphantom{{\scriptsize$\,\pm$\,000}} \\" in text
