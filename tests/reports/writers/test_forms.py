import pytest

from models.errors import InputError
from reports.writers.forms import forms_of, texts
from reports.writers.html import to_html
from reports.writers.table import Block, Cell, Column, Row, Table

TABLE = Table(
    "A <b> & c",
    (Column("Method", align="l"), Column("MPJPE", "DET: cpn")),
    (
        Block((Row((Cell("x_1"), Cell("50.0", 50.0, 49.0, 51.0, "1.0", rank=1))),), "heading", "section"),
        Block(
            (
                Row((Cell("<script>"), Cell("51.0", 51.0, tie=True, ahead=1.0))),
                Row((Cell("z"), Cell(reason="not run"))),
            ),
        ),
    ),
    ("Conditions & more.",),
)


def test_html_is_a_page_of_its_own_with_everything_escaped():
    lines = to_html(TABLE).splitlines()
    assert lines[0] == "<!doctype html>"
    start = lines.index("<caption>A &lt;b&gt; &amp; c</caption>")
    assert lines[start + 1 : start + 13] == [
        '<thead><tr><th scope="col">Method</th><th scope="col" class="r">DET: cpn MPJPE</th></tr></thead>',
        "<tbody>",
        '<tr class="section"><th colspan="2" scope="rowgroup"><span>section</span></th></tr>',
        '<tr class="group"><th colspan="2" scope="rowgroup"><span>heading</span></th></tr>',
        '<tr><th scope="row" class="l">x_1</th>'
        '<td data-number="50" class="r"><strong>50.0</strong> <small>± 1.0</small></td></tr>',
        "</tbody>",
        "<tbody>",
        '<tr><th scope="row" class="l">&lt;script&gt;</th><td data-number="51" data-ahead="1" class="r">'
        "51.0 ≈ (+1.0)</td></tr>",
        '<tr><th scope="row" class="l">z</th><td class="r missing">–<sup>a</sup></td></tr>',
        "</tbody>",
        "</table>",
        "</div>",
    ]
    assert "<li>(a) not run</li>" in lines
    assert "<li>Conditions &amp; more.</li>" in lines
    assert "http" not in to_html(TABLE)


def test_forms_are_chosen_by_name():
    assert forms_of(" md,html,md") == ("md", "html")
    assert list(texts(TABLE, "t", ("csv", "html"))) == ["t.csv", "t.html"]
    for text, what in (("pdf", "'pdf'"), ("md,xls", "'xls'"), (",", "nothing")):
        with pytest.raises(InputError) as error:
            forms_of(text)
        assert str(error.value) == f"--format {text}: names {what}; a table can be tex, csv, md, html"
