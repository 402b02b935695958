"""The site's pages of error messages: what each says, where it comes from, and what to do. It collects none itself.

The pages are made while the site is built, and are in no folder. website/causes.yaml has what the source does not say.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from etbuild.firmware.codes import Code, Exit
from website import ROOT
from website.messages import PRINTED, BadRecipe, Message, bad_recipes, exit_codes, messages
from website.runtime_messages import runtime_messages
from website.templates import Module, modules

FOLDER = "messages/"
_CAUSES = ROOT / "website" / "causes.yaml"
_ENDS = {0: "nothing failed", 1: "a step failed", 2: "wrong usage or recipe", 3: "the machine lacks something"}
_NO_REMEDY = "`etbuild log TASK` shows all that the step printed; correct what the message names and build again."


@dataclass(frozen=True)
class Area:
    """A page. packages: of etbuild, whose messages it has."""

    slug: str
    title: str
    about: str
    packages: tuple[str, ...]

    @property
    def page(self) -> str:
        return f"{FOLDER}{self.slug}.md"


@dataclass(frozen=True)
class Entry:
    """One heading: messages that differ below their first line."""

    heading: str
    found: tuple[Message, ...]

    @property
    def remedies(self) -> list[str]:
        """The lines below the first, of each message that has some."""
        rest = [one.text.partition("\n")[2] for one in self.found]
        return list(dict.fromkeys(text for text in rest if any(map(str.isalpha, text))))


@cache
def causes() -> Any:
    """What website/causes.yaml says."""
    return yaml.safe_load(_CAUSES.read_text(encoding="utf-8"))


@cache
def areas() -> tuple[Area, ...]:
    """All pages: those of causes.yaml, one for packages that these do not name, and that of the C++ runtime."""
    listed = [Area(slug, one["title"], one["about"], tuple(one["packages"])) for slug, one in causes()["areas"].items()]
    known = {package for area in listed for package in area.packages}
    rest = tuple(sorted({_package(one) for one in messages()} - known))
    other = Area("other", "Other messages", "What the other pages do not have.", rest)
    runtime = Area("runtime", causes()["runtime"]["title"], causes()["runtime"]["about"], ())
    return (*listed, *([other] if rest else []), runtime)


@cache
def pages() -> dict[str, str]:
    """The Markdown of each page by its place on the site."""
    return {area.page: _page(area) if area.packages else _runtime_page(area) for area in areas()}


def entries(found: Sequence[Message]) -> list[Entry]:
    """Messages of one module under their headings, in the order of the source."""
    grouped: dict[str, list[Message]] = {}
    for one in found:
        grouped.setdefault(_without_names(one), []).append(one)
    return [Entry(group[0].text.partition("\n")[0], tuple(group)) for group in grouped.values()]


def _page(area: Area) -> str:
    lines = [f"# {area.title}", "", area.about, ""]
    if "recipe" in area.packages:
        for bad in bad_recipes():
            lines += _bad_recipe(bad)
    for name, module in modules(ROOT, "etbuild").items():
        found = [one for one in messages() if one.module == name and _package(one) in area.packages]
        if found:
            about = causes()["modules"].get(name.removeprefix("etbuild."), {})
            lines += ["", f"## {about.get('title') or _title(module)}", ""]
            lines += [about[key] + "\n" for key in ("cause", "remedy") if key in about]
            for entry in entries(found):
                lines += _entry(entry, "remedy" in about)
    return "\n".join(lines) + "\n"


def _title(module: Module) -> str:
    """What a module's docstring begins with, up to the first colon or full stop."""
    paragraph = " ".join((ast.get_docstring(module.tree) or module.name).partition("\n\n")[0].split())
    return re.split(r"[:.;](?: |$)", paragraph)[0]


def _bad_recipe(bad: BadRecipe) -> Iterator[str]:
    first, _, remedy = bad.message.partition("\n")
    location, _, heading = first.partition(": ")
    yield from ("", f"### {_escaped(heading)}", "")
    yield from ("Written in a recipe as here; exit code 2.", "", "```text", bad.recipe.rstrip("\n"), "```", "")
    if remedy:
        yield f"**Remedy.** {_escaped(remedy.strip())}"
    else:
        place = location.removeprefix("bad/")
        yield f"**Remedy.** Write what is wanted at the place that the message names, here `{place}`."


def _entry(entry: Entry, module_has_remedy: bool) -> Iterator[str]:
    first = entry.found[0]
    own: dict[str, str] = next((one for one in causes()["messages"] if one["has"] in first.text), {})
    code = max(exit_codes().get(one.error, 2) for one in entry.found)
    end = "" if first.error == PRINTED else f"Exit code {code}: {_ENDS[code]}. "
    yield from ("", f"### {_escaped(entry.heading)}", "")
    if "cause" in own:
        yield f"**Cause.** {own['cause']}\n"
    for remedy in entry.remedies:
        yield from ("The next lines are:", "", "```text", remedy, "```", "")
    if "remedy" in own:
        yield f"**Remedy.** {own['remedy']}\n"
    elif not entry.remedies and not module_has_remedy:
        yield f"**Remedy.** {_remedy(entry.heading)}\n"
    yield f"{end}From `{first.module.replace('.', '/')}.py`."


def _remedy(heading: str) -> str:
    """What to do about a message that does not say it: give what it wants."""
    wanted = heading.rpartition(", wanted ")[2] if ", wanted " in heading else ""
    return f"Where the message points to, give what it wants: {_escaped(wanted)}." if wanted else _NO_REMEDY


def _runtime_page(area: Area) -> str:
    about = causes()["runtime"]
    lines = [f"# {area.title}", "", area.about, ""]
    lines += ["## Exit codes of a firmware", "", "| code | what it means |", "|---|---|"]
    lines += [f"| {one.value} | {one.meaning} |" for one in Exit]
    for code in Code:
        found = [one for one in runtime_messages() if one.code == code.name.lower()]
        if found:
            title = f"{code.meaning[0].upper()}{code.meaning[1:]}"
            lines += ["", f"## {title}", "", about["codes"].get(code.name.lower(), ""), ""]
            for one in found:
                lines += [f"### {_escaped(one.text)}", "", f"From {', '.join(f'`{file}`' for file in one.files)}.", ""]
    return "\n".join(lines) + "\n"


def _package(one: Message) -> str:
    return one.module.split(".")[1]


def _without_names(one: Message) -> str:
    return "\0".join(part if isinstance(part, str) else "" for part in one.template).lstrip().partition("\n")[0]


def _escaped(text: str) -> str:
    """As text of Markdown, whatever it has."""
    return re.sub(r"([\\`*_{}\[\]>#])", r"\\\1", text).replace("<", "&lt;")
