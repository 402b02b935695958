"""The site's pages of error messages: every message of the source is there, and the search finds it."""

from __future__ import annotations

import ast
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from website.message_pages import areas, causes, entries, pages
from website.messages import bad_recipes, exit_codes, messages
from website.runtime_messages import runtime_messages
from website.templates import modules

ROOT = Path(__file__).parents[2]
# Words that a query leaves out: a message of fewer others is found, but among many.
TELLING = 3
Docs = list[dict[str, str]]


def plain(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split())


@pytest.fixture(scope="session")
def docs(site: Path) -> Docs:
    """The documents of the search index: a page's sections, with their text as it reads."""
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    return [{key: plain(doc[key]) if key != "location" else doc[key] for key in doc} for doc in index["docs"]]


def headings() -> list[str]:
    """Of every message."""
    by_module: dict[str, list[Any]] = {}
    for one in messages():
        by_module.setdefault(one.module, []).append(one)
    ours = [entry.heading for found in by_module.values() for entry in entries(found)]
    bad = [one.message.partition("\n")[0].partition(": ")[2] for one in bad_recipes()]
    return [" ".join(text.split()) for text in [*ours, *bad, *(one.text for one in runtime_messages())]]


def test_there_are_messages_of_all_kinds() -> None:
    """A collector that finds nothing would pass the tests below."""
    assert len(messages()) > 400
    assert len(bad_recipes()) > 150
    assert len(runtime_messages()) > 300
    assert {one.error for one in messages()} >= {"StepError", "UsageError", "MissingTool", "report", "add"}


def test_every_error_that_the_source_raises_is_collected() -> None:
    """All words of a raise's own strings are in a message of that module."""
    errors = set(exit_codes())
    missing = []
    for module in modules(ROOT, "etbuild").values():
        texts = [one.text for one in messages() if one.module == module.name]
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                words = [w for text in strings(node.exc) for w in re.findall("[a-z]{3,}", text) if w != "got"]
                if (
                    node.exc.func.id in errors
                    and words
                    and not any(all(word in text for word in words) for text in texts)
                ):
                    missing.append(f"{module.name}:{node.lineno}: {words}")

    assert missing == []


def strings(call: ast.Call) -> list[str]:
    """The constant texts of a call's arguments, without those in expressions of an f-string."""
    parts = [part for arg in call.args[:1] for part in (arg.values if isinstance(arg, ast.JoinedStr) else [arg])]
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def test_every_message_is_in_the_search_index(docs: Docs) -> None:
    """As the title of a section, with the lines that follow in its text."""
    titles = {doc["title"]: doc["text"] for doc in docs}
    everything = "\n".join(doc["text"] for doc in docs)
    remedies = [" ".join(one.text.partition("\n")[2].split()) for one in messages()]
    remedies += [" ".join(one.message.partition("\n")[2].split()) for one in bad_recipes()]

    assert [heading for heading in headings() if heading not in titles] == []
    assert [remedy for remedy in remedies if re.search("[a-z]", remedy) and remedy not in everything] == []


def test_a_message_has_a_remedy_and_an_exit_code(docs: Docs) -> None:
    """Its own next lines, what its module's section says, or what the message wants."""
    text = {doc["title"]: doc["text"] for doc in docs if doc["location"].startswith("messages/models.html#")}
    given = "DATA: got no such file or folder, wanted samples"

    assert "Exit code 1: a step failed. From etbuild/compile/samples.py" in text[given]
    assert "Compare with what the model takes" in text["Samples for calibration and test"]
    assert "Remedy. Where the message points to" in text["a delegate's argument: got NAME, wanted a tensor"]


def test_what_the_causes_are_for_exists() -> None:
    """Modules and packages of etbuild, and words of a message."""
    known = {name.removeprefix("etbuild.") for name in modules(ROOT, "etbuild")}
    listed = [package for area in areas() for package in area.packages]

    assert set(causes()["modules"]) <= known
    assert {package for package in listed if package not in known} == set()
    assert [one["has"] for one in causes()["messages"] if not any(one["has"] in text for text in headings())] == []


def test_each_message_is_on_one_page() -> None:
    """A package that no area names is on the last page."""
    placed = "\n".join(pages().values())

    assert [area.slug for area in areas() if "recipe" in area.packages] == ["recipes"]
    assert [one.module for one in messages() if f"`{one.module.replace('.', '/')}.py`" not in placed] == []


def asked(site: Path, texts: list[str]) -> list[list[str]]:
    """The titles of the best ten sections for each text."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: it runs the site's search")
    done = subprocess.run(
        [node, str(Path(__file__).with_name("search.js")), str(site)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert answer["warnings"] == []
    return [[plain(one["title"]) for one in found] for found in answer["found"]]


def missed(site: Path, wanted: list[str]) -> list[str]:
    """The headings that are not among the best ten sections when they are searched, without their placeholders."""
    texts = [" ".join(word for word in heading.split() if not word.strip(".:,'\"").isupper()) for heading in wanted]
    found = asked(site, texts)
    # Of two that begin alike, the longer one says the same.
    return [
        heading
        for heading, titles in zip(wanted, found, strict=True)
        if not any(title.startswith(heading.rstrip(". ")) for title in titles)
    ]


def long_enough() -> list[str]:
    """The headings with words enough to tell them from others."""
    common = {"got", "wanted", "one", "that", "which", "with", "the", "for", "not", "and", "from", "has", "are", "its"}
    return [
        heading
        for heading in dict.fromkeys(headings())
        if len(set(re.findall(r"\b[a-z_]{3,}\b", heading)) - common) >= TELLING
    ]


def test_the_search_finds_messages(site: Path) -> None:
    """The site's own program, of which a browser runs the same: every thirtieth message, the others are slow."""
    assert missed(site, long_enough()[::30]) == []


@pytest.mark.slow
def test_the_search_finds_every_message(site: Path) -> None:
    assert missed(site, long_enough()) == []


def test_a_message_is_searched_as_text(site: Path) -> None:
    """As it is pasted: with a place, values in quotes, and words that begin with hyphens."""
    pasted = [
        'recipes/net.yaml:2:17: targets[0].npu: got "ethos-u77-3", wanted one of ethos-u55-32, ethos-u55-64',
        "etbuild fvp: got --install and FVP_MPS3, wanted one of them",
        "models/planner.py: memory_planning: Tight: got x and y of planned buffer 1, which live at the same time",
        "delegate needs an NPU and there is none",
    ]

    npu, install, planned, delegate = asked(site, pasted)

    assert any(title.startswith("targets[0].npu: got") for title in npu[:3])
    assert "etbuild fvp: got --install and PROGRAM, wanted one of them" in install[:5]
    assert planned[0] == "TITLE: got PLACE and PLACE of planned buffer BUFFER, which live at the same time"
    assert delegate[0] == "delegate needs an NPU and there is none"
