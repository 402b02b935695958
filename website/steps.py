"""Writes the parts of docs/steps.md that the step modules say: what each reads and writes. The rest is by hand.

Run as `python -m website.steps` when a step has changed; a test checks that the page is up to date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from etbuild.steps.kinds import KINDS
from website import ROOT

if TYPE_CHECKING:
    from etbuild.build_engine.step import StepKind

PAGE = ROOT / "docs" / "steps.md"
_PART = re.compile(r"(<!-- step (\w+), made by python -m website.steps -->\n).*?(<!-- end -->\n)", re.DOTALL)
_PER = {"recipe": "a recipe", "profile": "a profile", "variant": "a variant"}


def page(text: str) -> str:
    """The page with new generated parts. text: the page as it is."""
    return _PART.sub(lambda found: found[1] + _part(KINDS[found[2]]) + found[3], text)


def described(text: str) -> list[str]:
    """The kinds that the page has a part for, in its order."""
    return [found[1] for found in _PART.findall(text)]


def _part(kind: StepKind) -> str:
    module = import_module(kind.module)
    when = f"Once {_PER[kind.per]}{', on request alone' if kind.on_request else ''}: {kind.help}."
    rows = list(_rows(module.Options))
    table = ["| option | | file |", "|---|---|---|", *rows] if rows else []
    return "\n".join([f"\n{when}\n", *table, *([""] if rows else [])]) + "\n"


def _rows(options: Any) -> Iterator[str]:
    """The files that a step's program reads and writes by its command line."""
    for one in fields(options):
        use = one.metadata.get("use", "")
        if use in ("reads", "writes"):
            setting = one.metadata["setting"]
            name = setting.option or f"--{one.name.replace('_', '-')}"
            text = setting.description.replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")
            yield f"| `{name}` | {use} | {text} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
