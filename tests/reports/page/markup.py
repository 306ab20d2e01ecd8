"""What tests read in the HTML of a table."""

from xml.etree import ElementTree


def blocks_of(markup):
    """(headings, rows) of every body; a row is a dictionary of its cells by the names of the columns."""
    end = "</table>"
    table = ElementTree.fromstring(markup[markup.index("<table>") : markup.index(end) + len(end)])
    names = [text(head) for head in table.find("thead/tr")]
    return [
        (
            [text(row) for row in body if row.get("class")],
            [dict(zip(names, row, strict=True)) for row in body if not row.get("class")],
        )
        for body in table.findall("tbody")
    ]


def text(element):
    return "".join(element.itertext())


def link(cell):
    return cell.find("a").get("href")
