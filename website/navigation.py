"""The site's navigation, made from the list of pages in the README. It reads no page.

A page is listed once, in the README's section Documentation. One that is missing there still is on the site, under
More; tests/repository/test_site.py asks for its entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from website import ROOT
from website.links import page_of

Section = tuple[str, list[str]]

_SECTION = re.compile(r"^- \*\*(\w+)\*\* (.*)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#]+)\)")
HOME = "index.md"


def sections(readme: str) -> list[Section]:
    """The sections and their pages, as files of the repository. readme: its text."""
    _, _, listed = readme.partition("\n## Documentation\n")
    return [(title, _LINK.findall(links)) for title, links in _SECTION.findall(listed)]


def unlisted(listed: Iterable[Section], docs: Path = ROOT / "docs") -> list[str]:
    """The pages of docs/ that no section has."""
    known = {file for _, files in listed for file in files} | {f"docs/{HOME}"}
    return [file for path in sorted(docs.glob("*.md")) if (file := f"docs/{path.name}") not in known]


def navigation(readme: str, messages: list[str]) -> list[object]:
    """What MkDocs takes as `nav`. messages: the pages of error messages."""
    listed = sections(readme)
    rest = unlisted(listed)
    if rest:
        listed = [*listed, ("More", rest)]
    return [HOME, *({title: [page_of(file) for file in files]} for title, files in listed), {"Messages": messages}]
