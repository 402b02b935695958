"""Links from pages of the site to files of the repository outside docs/, which get a place on the site. It checks none.

A Markdown file becomes a page, any other file is copied; both are below repository/ on the site.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from website import ROOT

OUTSIDE = "repository/"
_DOCS = "docs/"
_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#|/)([^)\s#]+)(?=[)#])")


def page_of(file: str) -> str:
    """Where a file of the repository is on the site: docs/boards.md is boards.md."""
    return file.removeprefix(_DOCS) if file.startswith(_DOCS) else OUTSIDE + file


def file_of(page: str) -> str:
    """The file of the repository that is at this place of the site."""
    return page.removeprefix(OUTSIDE) if page.startswith(OUTSIDE) else _DOCS + page


def targets(markdown: str, file: str) -> list[str]:
    """The files of the repository that a page links to. file: the page's own."""
    return [_resolved(link, file) for link in _LINK.findall(markdown)]


def outside_files(pages: Iterable[str], root: Path = ROOT) -> list[str]:
    """The files outside docs/ that these pages link to, and those that such files link to. pages: files."""
    found: dict[str, None] = {}
    queue = list(pages)
    while queue:
        file = queue.pop(0)
        if not file.endswith(".md"):
            continue
        for target in targets((root / file).read_text(encoding="utf-8"), file):
            if not target.startswith((_DOCS, "..")) and target not in found and (root / target).is_file():
                found[target] = None
                queue.append(target)
    return list(found)


def on_site(markdown: str, page: str) -> str:
    """The page with its links as they are on the site. A link to a folder names the folder alone."""
    file = file_of(page)

    def replaced(match: re.Match[str]) -> str:
        target = _resolved(match[1], file)
        if page.startswith(OUTSIDE) or not target.startswith(_DOCS):
            return posixpath.relpath(page_of(target), posixpath.dirname(page) or ".")
        return match[1]

    return _LINK.sub(replaced, markdown)


def _resolved(link: str, file: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), link))
