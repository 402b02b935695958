"""docs/architecture.md agrees with the code: its table of packages, and every file and function that it names."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from test_layers import ARROWS  # noqa: E402

DOCUMENT = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCUMENT, re.MULTILINE))
NAMED = re.findall(r"`([\w/]+\.py): ([\w.]+)`", DOCUMENT)


def docstring(package: str) -> str:
    tree = ast.parse((ROOT / "etbuild" / package / "__init__.py").read_text(encoding="utf-8"))
    return " ".join((ast.get_docstring(tree) or "").split())


def names_of(node: ast.stmt) -> set[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return {target.id for target in ast.walk(node) if isinstance(target, ast.Name)}
    return set()


PACKAGES = [name for name in ARROWS if (ROOT / "etbuild" / name).is_dir()]


def test_the_table_has_every_package() -> None:
    assert sorted(ROWS) == sorted(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_row_of_the_table_is_the_arrows_and_the_docstring(package: str) -> None:
    """The arrows are those that test_layers.py holds."""
    arrows, _, text = ROWS[package].partition(" | ")

    assert sorted(arrows.replace("nothing", "").replace(",", " ").split()) == sorted(ARROWS[package].split())
    assert text == docstring(package)


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[f"{file}:{name}" for file, name in NAMED])
def test_what_the_document_names_exists(file: str, name: str) -> None:
    """`decision.py: CurrentState.reasons` is a definition in that file."""
    scope: list[ast.stmt] = ast.parse(
        (ROOT / "etbuild" / file.removeprefix("etbuild/")).read_text(encoding="utf-8")
    ).body
    for part in name.split("."):
        found = [node for node in scope if part in names_of(node)]
        assert found, f"{file} has no {name}"
        scope = found[0].body if isinstance(found[0], ast.FunctionDef | ast.ClassDef) else []


@pytest.mark.parametrize(
    "file", ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_files_that_a_document_names_exist(file: str) -> None:
    """Links relative to the document, and paths in backquotes relative to the project or to etbuild."""
    text = (ROOT / file).read_text(encoding="utf-8")
    folder = (ROOT / file).parent
    links = [folder / link.partition("#")[0] for link in re.findall(r"\]\(((?!http|#)[^)]+)\)", text)]
    paths = re.findall(r"`((?:etbuild|tests|docs|schemas|benchmarks|recipes)/[\w./-]+)`", text)

    assert [str(path) for path in (*links, *(ROOT / path for path in paths)) if not path.exists()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
