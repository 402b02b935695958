"""Fills the templates of the pages. Styles, scripts and pictures are in the page itself; it asks no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from etbuild.report.figures import percent
from etbuild.report.page.text import count_text, size_text, time_text

SOURCES = ("report/page/templates",)
TEMPLATES = Path(__file__).parent / "templates"


_NUMBER = re.compile(r"(?<=\d) (?=([KM]iB|bytes|[mµ]?s|dB|LSB|MHz|%|[kMG])(?!\w))")


def unbroken(text: str) -> str:
    """The text of a page, in which no line ends between a number and its unit."""
    return _NUMBER.sub("\N{NO-BREAK SPACE}", text)


def _unbroken(text_of: Callable[..., str]) -> Callable[..., str]:
    return lambda *args: unbroken(text_of(*args))


FILTERS = {
    "size": _unbroken(size_text),
    "number": _unbroken(count_text),
    "percent": _unbroken(percent),
    "time": _unbroken(time_text),
    "unbroken": unbroken,
}


def short_line(line: str) -> Any:
    """ "folder/model.py:9" without the folder, which shows when one points at it."""
    from markupsafe import Markup

    return Markup('<code title="{}">{}</code>').format(line, line.rpartition("/")[2]) if line else ""


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """The text of a page. template: its file among the templates."""
    from markupsafe import Markup

    own = {name: Markup((TEMPLATES / file).read_text(encoding="utf-8"))
           for name, file in (("style", "style.css"), ("script", "page.js"))}  # fmt: skip
    return str(_environment().get_template(template).render(**own, **values))


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(FILTERS, line=short_line)
    return made
