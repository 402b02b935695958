"""report.html in a real browser: it works from disk and without a network, and everyone can use it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from report_files import report_of, write_report_files

from etbuild.report.page.index_page import Ran, index_page, rows_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not BROWSER, reason="needs a browser: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        # A sandbox of the browser's own needs rights that containers lack.
        started = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two variants."""
    root = tmp_path_factory.mktemp("page")
    recipe, before = write_report_files(root), Path.cwd()
    os.chdir(root)
    try:
        report_of(recipe)
    finally:
        os.chdir(before)
    return root / "build/kws/report.html"


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """The page, opened from disk; an error on its console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    opened, errors = context.new_page(), list[str]()
    opened.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda request: errors.append(request.url) if request.url.startswith("http") else None)
    opened.goto(file.as_uri())
    yield opened
    context.close()
    assert errors == []


def shown(page: Page, selector: str) -> list[str]:
    """The texts of the elements that can be seen."""
    return [one.inner_text().strip() for one in page.locator(selector).all() if one.is_visible()]


def test_axe_finds_nothing(page: Page) -> None:
    """Contrast, names, landmarks, tables, regions that scroll, with all modules open; contrast in both schemes."""
    from axe_playwright_python.sync_playwright import Axe

    page.get_by_role("button", name="Open all modules").first.click()
    found = Axe().run(page).response["violations"]
    page.emulate_media(color_scheme="dark")
    found += Axe().run(page, options={"runOnly": ["color-contrast"]}).response["violations"]

    assert [f"{one['id']}: {one['help']}: {node['html']}" for one in found for node in one["nodes"]] == []


def test_axe_finds_nothing_in_the_index(page: Page, file: Path) -> None:
    """All recipes, and the steps of one."""
    from axe_playwright_python.sync_playwright import Axe

    report = json.loads(file.with_name("report.json").read_text())
    steps = [Ran("export:kws", "ran", 1.5, "never built"), Ran("report:kws", "cached", 0.1, "never built")]
    index = file.parents[1] / "index.html"
    index.write_text(index_page(rows_of(report), {"kws": steps}), encoding="utf-8")

    page.goto(index.as_uri())
    found = Axe().run(page).response["violations"]

    assert [f"{one['id']}: {one['help']}: {node['html']}" for one in found for node in one["nodes"]] == []
    assert shown(page, "#p-kws tbody th") == ["export:kws", "report:kws"]


def test_one_variant_is_shown_and_another_can_be_chosen(page: Page) -> None:
    """A link to a part of another variant shows that one."""
    assert shown(page, ".variant [id$=verdict]") == ["ethos-u55-128 worth a look"]

    page.get_by_label("Variant", exact=True).select_option("ethos-u55-256")
    assert shown(page, ".variant .verdicts dt") == ["Fits", "Exact", "Time", "Accuracy", "On the CPU"]
    assert page.locator(".variant.current").get_attribute("data-name") == "ethos-u55-256"

    page.get_by_role("link", name="ethos-u55-128").click()
    assert page.locator(".variant.current").get_attribute("data-name") == "ethos-u55-128"


def test_a_table_is_sorted_and_searched_with_the_keyboard(page: Page) -> None:
    """A click on a title: the largest number first; a second one turns it round. Words in the field hide rows."""
    table = page.locator(".current table[id$=layers]")
    numbers = table.locator("tbody tr:visible td:first-child")
    button = table.get_by_role("button", name="Cycles", exact=True)

    button.focus()
    page.keyboard.press("Enter")
    assert (numbers.all_inner_texts(), table.locator("th[aria-sort]").get_attribute("aria-sort")) == (
        ["0", "2", "1"],
        "descending",
    )
    page.keyboard.press("Enter")
    assert numbers.all_inner_texts() == ["1", "2", "0"]

    page.locator(".current input[data-filter$=layers]").fill("add sram")
    assert numbers.all_inner_texts() == ["2"]
    assert page.locator(".current [role=status]").all_inner_texts() == ["1 of 3", "", ""]


def test_a_module_of_the_graph_opens_and_closes(page: Page) -> None:
    """What is in it is hidden, and its head shows what all of it needs."""
    rows = page.locator(".current .graph tbody tr:visible")
    head = page.locator(".current .graph").get_by_role("button", name="body", exact=True)
    assert (rows.count(), head.get_attribute("aria-expanded")) == (6, "true")

    head.press("Enter")
    assert (rows.count(), head.get_attribute("aria-expanded")) == (3, "false")


def test_the_graph_is_coloured_by_what_is_chosen(page: Page) -> None:
    """By the keyboard too: NPU or CPU, time, error."""
    graph = page.locator(".current .graph")
    colours = []
    for name in ("NPU or CPU", "time", "error"):
        page.locator(".current").get_by_label(name, exact=True).check()
        colours.append(
            graph.locator("tbody tr circle").evaluate_all("all => all.map(one => getComputedStyle(one).fill)")
        )

    by_place, by_time, by_error = colours
    assert len({*by_place}) == 2 and by_place[0] == by_place[-1] != by_place[1]
    assert by_time[1] not in by_time[2:] and by_error[2] not in by_error[:2]


def test_a_narrow_window_scrolls_tables_and_not_the_page(page: Page) -> None:
    """400 pixels, as a telephone has."""
    page.set_viewport_size({"width": 400, "height": 800})

    assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_the_lines_of_the_graph_have_no_gaps_in_a_narrow_window(page: Page) -> None:
    """A row is as high as the 28 pixels of the line in it, the first has a border: long names scroll."""
    page.set_viewport_size({"width": 400, "height": 800})
    page.get_by_role("button", name="Open all modules").first.click()

    names = page.locator(".variant.current .graph tbody th[scope=row]")
    names.evaluate_all("all => all.forEach(one => one.append(' max_pool2d_with_indices'.repeat(3)))")

    heights = page.locator(".variant.current .graph tbody tr").evaluate_all("rows => rows.map(row => row.offsetHeight)")
    assert set(heights) <= {0, 28, 29}


def test_a_printed_page_has_every_row(page: Page) -> None:
    """Tables that scroll on the screen are whole on paper; what only a screen can use is not there."""
    page.emulate_media(media="print")

    assert page.evaluate("getComputedStyle(document.querySelector('.tall')).maxHeight") == "none"
    assert shown(page, "nav, .controls") == []
    assert len(page.pdf()) > 10_000


def test_the_pipeline_is_read_from_the_file_beside_the_page(browser: Browser, page: Page, file: Path) -> None:
    """When it is opened: the steps with time and reason as text, and no markup of theirs is read."""
    (file.parent.parent / "pipeline.js").write_text(
        'showPipeline({"kws": [["vela:kws@a", "ran", 2.04, "npu: <b>a</b> -> b"],["report:kws", "cached", 0.1, "x"]]});'
    )
    page.get_by_text("Steps of kws").click()
    page.get_by_role("rowheader", name="report:kws").wait_for()

    assert shown(page, "#pipeline-steps p") == ["2 steps, 2.1 s, 1 from the cache"]
    assert [one.split("\t") for one in shown(page, "#pipeline-steps tbody tr")] == [
        ["vela:kws@a", "ran", "2.0 s", "npu: <b>a</b> -> b"],
        ["report:kws", "cached", "0.1 s", "x"],
    ]


def test_a_page_without_the_file_beside_it_says_what_writes_it(browser: Browser, file: Path, tmp_path: Path) -> None:
    """A copy elsewhere; it asks for the file when the part is opened, not before."""
    copy = shutil.copy(file, tmp_path / "report.html")
    page = browser.new_page()
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page.goto(Path(copy).as_uri())
    before = list(asked)
    page.get_by_text("Steps of kws").click()
    page.get_by_text("No ../pipeline.js: doit report:kws writes it.").wait_for(timeout=10_000)

    assert (before, asked) == (["report.html"], ["report.html", "pipeline.js"])
    page.close()
