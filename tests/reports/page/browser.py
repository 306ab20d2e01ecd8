"""What tests read off the page."""

import re

EVIL = '<script>window.pwned = 1</script><img src=x onerror="window.pwned = 1">'
READY = "html[data-ready]"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


def column(tab, name, table="#results"):
    """Texts of a column, group by group."""
    return tab.evaluate(
        """([table, name]) => {
            const heads = [...document.querySelectorAll(`${table} thead th`)].map((head) => head.textContent);
            return [...document.querySelector(`${table} table`).tBodies].map((body) =>
                [...body.rows].filter((row) => !row.className)
                    .map((row) => row.cells[heads.indexOf(name)].textContent));
        }""",
        [table, name],
    )


def numbers(texts):
    return [float(text.split(" ±")[0].replace(",", "")) for text in texts]


def head(tab, name, table="#results"):
    return tab.locator(f"{table} thead button", has_text=re.compile(f"^{name}$")).first


def found(tab):
    return tab.locator("#results [role=status]").first.text_content()


def choice(tab, name):
    return tab.get_by_role("combobox", name=name, exact=True)
