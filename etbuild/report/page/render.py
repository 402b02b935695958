"""Fills the templates of the pages. Styles, scripts and pictures are in the page itself; it asks no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from etbuild.report.figures import percent
from etbuild.report.page.text import count_text, size_text, time_text

SOURCES = ("report/page/templates",)
TEMPLATES = Path(__file__).parent / "templates"


def _unbroken(text_of: Callable[..., str]) -> Callable[..., str]:
    """The same text, on one line of a page: a number is not parted from its unit."""
    return lambda *args: text_of(*args).replace(" ", "\N{NO-BREAK SPACE}")


FILTERS = {
    "size": _unbroken(size_text),
    "number": _unbroken(count_text),
    "percent": _unbroken(percent),
    "time": _unbroken(time_text),
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
