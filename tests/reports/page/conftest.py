"""A page made of invented records, in a real browser."""

import shutil

import pytest

from bench.config.registry import LAYOUTS
from bench.results.arrays import RunFiles
from reports.page.content import content
from reports.page.template import page
from tests.reports.made_up import examples, methods_records, record, runset, sampling_records
from tests.reports.page.browser import DESKTOP, EVIL, READY


@pytest.fixture(scope="package")
def records():
    odd = record("tcn", title=EVIL, variant=f"a=<b>{EVIL}", label=EVIL, warnings=(EVIL,), mean=70.0)
    seeds = [record("d3dp", seed=seed) for seed in (1, 2, 3)]
    return [*methods_records(), *sampling_records(), *seeds, odd]


@pytest.fixture(scope="package")
def address(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    files = RunFiles(folder)
    for made in records:
        if made.method in ("tcn", "mixste", "d3dp") or made.title == EVIL:
            examples(made, 5 if made.method == "d3dp" else 0).save(files.examples_path(made.id))
    methods = methods_records()
    declared = runset(methods=("main", methods), sampling=("sampling", records[len(methods) :]))
    tables = {"methods": LAYOUTS.load("main").table(methods, f"Methods {EVIL}")}
    path = folder / "index.html"
    path.write_text(page(content(declared, records, tables, files)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="package")
def tab():
    """One tab for all: what a browser has compiled once it opens faster again."""
    chromium_at = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium_at is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=chromium_at, args=["--no-sandbox"])
        yield chromium.new_page()
        chromium.close()


@pytest.fixture
def opened(tab, address):
    """Opens the page; at the end nothing may have been complained of or fetched."""
    complaints, fetched = [], []
    hear = {
        "console": lambda message: complaints.append(message.text),
        "pageerror": lambda error: complaints.append(str(error)),
        "request": lambda request: fetched.append(request.url),
    }
    for event, listener in hear.items():
        tab.on(event, listener)

    def open_page(hash_="", viewport=DESKTOP, scheme="light", at=address):
        tab.goto("about:blank")
        tab.set_viewport_size(viewport)
        tab.emulate_media(color_scheme=scheme)
        tab.goto(at + hash_)
        tab.wait_for_selector(READY)
        return tab

    yield open_page
    for event, listener in hear.items():
        tab.remove_listener(event, listener)
    assert not tab.evaluate("'pwned' in window")
    assert not complaints
    assert {url.split("/")[-1].split("#")[0] for url in fetched} == {"index.html"}
    assert all(url.startswith("file://") for url in fetched)
