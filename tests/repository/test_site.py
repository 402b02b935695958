"""The documentation site: complete, the same as on GitHub, and it loads nothing from a network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from website.links import on_site, outside_files
from website.navigation import navigation, sections, unlisted

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))
# What differs between dialects of Markdown where a list, a table or a block of code is not written so that both see it.
TAGS = ("h1", "h2", "h3", "li", "pre", "tr")


def counts(html: str) -> dict[str, int]:
    return {tag: len(re.findall(rf"<{tag}[ >]", html)) for tag in TAGS}


def article(site: Path, page: Path) -> str:
    html = (site / f"{page.stem}.html").read_text(encoding="utf-8")
    return html[html.index("<article") : html.index("</article>")]


def test_every_page_is_in_the_readmes_list() -> None:
    """Which is the site's navigation: add the page to a section of Documentation in README.md."""
    assert unlisted(sections(README)) == []


def test_a_page_that_is_not_listed_is_still_on_the_site() -> None:
    """In a section of its own, the last but one."""
    readme = README.replace("(docs/boards.md)", "(docs/cache.md)")

    assert navigation(readme, [])[-2:] == [{"More": ["boards.md"]}, {"Messages": []}]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_the_same_blocks_on_the_site_as_on_github(site: Path, page: Path) -> None:
    """Headings, items, rows and blocks of code; one in a list, or a nested list, reads differently there."""
    on_github = MarkdownIt("commonmark").enable("table").render(page.read_text(encoding="utf-8"))

    assert counts(article(site, page)) == counts(on_github)


def test_the_site_loads_nothing_from_a_network(site: Path) -> None:
    """No script, style, font or picture; what a person may click is no matter."""
    loaded = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?((?:https?:)?//[^\" >]+)")
    pages = {path: loaded.findall(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    foreign = re.compile(r"url\((?!data:)[\"']?https?:|@import")
    styles = [path for path in site.rglob("*.css") if foreign.search(path.read_text(encoding="utf-8"))]

    assert len(pages) > len(PAGES)
    assert {path.name: found for path, found in pages.items() if found} == {}
    assert styles == []


def test_a_link_out_of_the_pages_leads_to_a_file_on_the_site(tmp_path: Path) -> None:
    """With what that file links to: a page or a copy, below repository/."""
    for name in ("docs/a.md", "CONTRIBUTING.md", "src/TABLE.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "docs/a.md").write_text("[c](../CONTRIBUTING.md#code) [b](b.md) [w](https://example.org/x.md)")
    (tmp_path / "CONTRIBUTING.md").write_text("[a](docs/a.md) [t](src/TABLE.md)")

    assert outside_files(["docs/a.md"], tmp_path) == ["CONTRIBUTING.md", "src/TABLE.md"]
    assert on_site((tmp_path / "docs/a.md").read_text(), "a.md") == (
        "[c](repository/CONTRIBUTING.md#code) [b](b.md) [w](https://example.org/x.md)"
    )
    assert on_site((tmp_path / "CONTRIBUTING.md").read_text(), "repository/CONTRIBUTING.md") == (
        "[a](../a.md) [t](src/TABLE.md)"
    )
