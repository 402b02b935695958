"""No file, function or class grows beyond what a reader keeps in mind. Generated files are free."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 350
MOST_LINES_OF_A_STEP = 150
MOST_LINES_OF_A_FUNCTION = 45
MOST_LINES_OF_A_CLASS = 150
CODE = {".py", ".cc", ".h", ".cmake", ".sh"}

FILES = [
    path
    for name in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    if (path := ROOT / name).suffix in CODE and path.is_file()
]


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def is_generated(path: Path) -> bool:
    return any("do not edit" in line for line in lines(path)[:2])


def test_no_file_is_too_long() -> None:
    """Tests too: a long one is several subjects."""
    assert [
        f"{path.relative_to(ROOT)}: {len(lines(path))}"
        for path in FILES
        if len(lines(path)) > MOST_LINES and not is_generated(path)
    ] == []


def test_a_step_module_is_thin() -> None:
    """Options, plan and main; the work is in the packages below."""
    steps = (ROOT / "etbuild/steps").glob("*.py")

    assert [path.name for path in steps if len(lines(path)) > MOST_LINES_OF_A_STEP] == []


@pytest.mark.parametrize(
    ("kinds", "most"),
    [
        ((ast.FunctionDef, ast.AsyncFunctionDef), MOST_LINES_OF_A_FUNCTION),
        ((ast.ClassDef,), MOST_LINES_OF_A_CLASS),
    ],
    ids=["function", "class"],
)
def test_no_definition_is_too_long(kinds: tuple[type[ast.AST], ...], most: int) -> None:
    """Decorators do not count."""
    found = []
    for path in FILES:
        if path.suffix != ".py" or is_generated(path):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kinds) and node.end_lineno - node.lineno + 1 > most:  # type: ignore[attr-defined]
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}")  # type: ignore[attr-defined]

    assert found == []
