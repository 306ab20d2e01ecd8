"""Every page of the documentation is in the site's navigation, and what pages link to is there."""

import itertools
import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from tests import ROOT

PAGES = sorted((ROOT / "docs").glob("**/*.md"))
OUTSIDE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
LINK = re.compile(r"(?<!`)\[[^\]`]*(?:`[^`]*`[^\]`]*)*\]\(([^)\s]+)\)")


def without_code(text):
    return re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text):
    """The anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ +(.*)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


def listed(entry):
    if isinstance(entry, str):
        return [entry]
    values = entry.values() if isinstance(entry, dict) else entry
    return [page for value in values for page in listed(value)]


def test_every_page_is_in_the_navigation_once():
    pages = listed(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert sorted(pages) == sorted(path.relative_to(ROOT / "docs").as_posix() for path in PAGES)


@pytest.mark.parametrize("page", [*OUTSIDE, *PAGES], ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    for link in LINK.findall(without_code(text)):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = page.parent / place if place else page
        assert target.exists(), f"{page.name}: {link}"
        assert page in OUTSIDE or (ROOT / "docs") in target.resolve().parents, f"{link} leaves the site"
        if anchor:
            assert anchor in anchors(target.read_text()), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_lists_read_the_same_on_github_and_in_the_site(page):
    """The site's Markdown wants an empty line before a list or a table, GitHub's does not."""
    lines = without_code(page.read_text()).splitlines()
    for above, line in itertools.pairwise(lines):
        if re.match(r"(- |\d+\. )", line) and above.strip():
            assert re.match(r"(- |\d+\. |\s+)", above) or _within_a_list(lines, line), f"{page.name}: {line}"
        if line.startswith("|") and above.strip():
            assert above.startswith("|"), f"{page.name}: {line}"


def _within_a_list(lines, line):
    """Whether the paragraph that holds this line began as a list."""
    start = lines.index(line)
    while start and lines[start - 1].strip():
        start -= 1
    return bool(re.match(r"(- |\d+\. )", lines[start]))


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_citation_names_every_author():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    printed = re.findall(r"  author = \{(.*)\},", (ROOT / "reports" / "references.bib").read_text())
    assert len(citation["references"]) == 4
    for paper in citation["references"]:
        names = [f"{author['family-names']}, {author['given-names']}" for author in paper["authors"]]
        assert " and ".join(names) in printed


def test_the_site_and_its_search_need_no_network(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True)
    page = (tmp_path / "index.html").read_text()
    asked = re.findall(r'<script[^>]* src="([^"]+)"', page) + re.findall(
        r'<link rel="stylesheet" href="([^"]+)"', page
    )
    assert len(asked) > 2
    assert [place for place in asked if not (tmp_path / place).exists()] == []
    assert any("iframe-worker" in place for place in asked), "a page from disk has no search without it"
    assert (tmp_path / "search" / "search_index.js").exists()
