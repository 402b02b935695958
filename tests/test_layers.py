"""Which package may import which, held by reading every import statement; and what only one place may do.

ARROWS is the table of docs/architecture.md: a package imports the packages in its row and nothing else, also under
TYPE_CHECKING. Everything may import `errors` and modules of its own package.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "etbuild"

ARROWS = {
    "errors": "",
    "system": "",
    "config": "system",
    "pte": "",
    "npu": "pte",
    "hardware": "config system",
    "recipe": "hardware config system",
    "build_engine": "system",
    "compile": "recipe hardware pte npu system",
    "rewrite": "system",
    "host": "pte system",
    "virtual_npu": "hardware host npu pte system",
    "firmware": "hardware pte recipe system virtual_npu",
    "deploy": "firmware hardware system",
    "package": "firmware hardware host pte system",
    "verify": "compile firmware host npu pte recipe system",
    "report": "pte system",
    "lint": "compile hardware report system",
    "tune": "build_engine compile hardware host npu recipe rewrite system verify",
    "fvp": "virtual_npu hardware config system",
    "arm_suite": "compile host verify",
    "steps": (
        "build_engine config compile deploy firmware hardware host lint npu package pte recipe report rewrite system"
        " tune verify"
    ),
    "compile_server": "steps compile recipe build_engine system",
    "plan": "steps recipe build_engine compile_server system",
    "doit_plugin": "plan build_engine report system",
    "tasks": "doit_plugin",
    "cli": (
        "fvp system config pte npu hardware recipe build_engine compile host firmware verify report steps"
        " compile_server"
    ),
}
# Packages that take seconds to import, or that a no-op build does not need: imported inside functions only.
HEAVY = {
    *("torch", "torchao", "executorch", "ethosu", "tosa", "tosa_reference_model", "serializer"),
    *("numpy", "jsonschema", "safetensors", "sklearn", "packaging", "jinja2", "markupsafe"),
    *("asyncssh", "serial", "watchfiles", "optuna"),
}
# The compile server's child sets the environment that its client sent.
ENVIRONMENT = {"etbuild.system.environment", "etbuild.build_engine.server.child"}


@dataclass(frozen=True)
class Import:
    """One imported module. deep: inside a function, so it costs nothing before the function runs."""

    importer: str
    name: str
    line: int
    deep: bool

    def __str__(self) -> str:
        return f"{MODULES[self.importer].relative_to(ROOT)}:{self.line}: {self.importer} imports {self.name}"


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "warm_up_project" not in path.parts
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def imports(importer: str) -> Iterator[Import]:
    def visit(node: ast.AST, deep: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(importer, alias.name, child.lineno, deep) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0 and child.module, f"{importer}:{child.lineno}: relative import"
                # `from etbuild.system import tools` imports a module, `from etbuild.errors import StepError` a name.
                names = [f"{child.module}.{alias.name}" for alias in child.names]
                found = dict.fromkeys(name if name in MODULES else child.module for name in names)
                yield from (Import(importer, name, child.lineno, deep) for name in found)
            else:
                function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                type_checking = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
                yield from visit(child, deep or function or type_checking)

    yield from visit(TREES[importer], deep=False)


ALL = [one for name in MODULES for one in imports(name)]
OURS = [one for one in ALL if one.name.partition(".")[0] == "etbuild"]


def package_of(module: str) -> str:
    """ "system" of "etbuild.system.tools"; "" of "etbuild" itself."""
    return module.partition(".")[2].partition(".")[0]


def test_every_package_is_in_the_table() -> None:
    """Also those that the table lets import something."""
    named = {*ARROWS, *(name for allowed in ARROWS.values() for name in allowed.split())}

    assert {package_of(module) for module in MODULES} - {""} == set(ARROWS) == named


@pytest.mark.parametrize("package", ARROWS)
def test_a_package_imports_only_what_the_table_allows(package: str) -> None:
    """An arrow that is missing here is a decision to be made in the table, with its reason in the commit."""
    allowed = {package, "", "errors", *ARROWS[package].split()}

    assert [
        str(one) for one in OURS if package_of(one.importer) == package and package_of(one.name) not in allowed
    ] == []


def test_modules_import_each_other_without_a_cycle() -> None:
    """Every import counts, also inside functions and under TYPE_CHECKING."""
    edges: dict[str, set[str]] = {name: set() for name in MODULES}
    for one in OURS:
        if one.name in MODULES and one.name != one.importer:
            edges[one.importer].add(one.name)
    cycles: list[list[str]] = []
    state: dict[str, int] = {}

    def visit(name: str, path: list[str]) -> None:
        state[name] = 1
        for other in sorted(edges[name]):
            if state.get(other) == 1:
                cycles.append([*path[path.index(other) :], other])
            elif other not in state:
                visit(other, [*path, other])
        state[name] = 2

    for name in MODULES:
        if name not in state:
            visit(name, [name])

    assert cycles == []


def test_packages_import_each_other_without_a_cycle() -> None:
    """The table itself."""
    seen: list[str] = []
    while len(seen) < len(ARROWS):
        free = [name for name, allowed in ARROWS.items() if name not in seen and set(allowed.split()) <= set(seen)]
        assert free, f"a cycle among {sorted(set(ARROWS) - set(seen))}"
        seen += free


def test_one_step_module_does_not_import_another() -> None:
    """A step is a program of its own; options, the table of kinds and the compile server's name are shared."""
    shared = {f"etbuild.steps.{name}" for name in ("options", "command_line", "kinds", "server")}

    assert [
        str(one)
        for one in OURS
        if package_of(one.importer) == "steps"
        and one.importer not in shared
        and package_of(one.name) == "steps"
        and one.name not in shared
    ] == []


def test_only_doit_plugin_imports_doit() -> None:
    """Everything else is plain data and plain functions."""
    found = [one for one in ALL if one.name.split(".")[0] == "doit"]

    assert [str(one) for one in found if package_of(one.importer) != "doit_plugin"] == []


def test_heavy_packages_are_imported_inside_functions_only() -> None:
    """Listing and no-op builds never pay for them."""
    assert [str(one) for one in ALL if one.name.split(".")[0] in HEAVY and not one.deep] == []


@pytest.mark.parametrize("module", sorted(set(MODULES) - ENVIRONMENT))
def test_the_environment_is_read_in_one_module(module: str) -> None:
    """os.environ, os.getenv and their like."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv"}

    assert [
        f"{MODULES[module].relative_to(ROOT)}:{node.lineno}"
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Attribute) and node.attr in names
    ] == []


def test_only_docstrings_are_in_the_init_modules() -> None:
    """A package's __init__ is its paragraph of docs/architecture.md; importing it costs nothing."""
    inits = [name for name, path in MODULES.items() if path.name == "__init__.py" and name != "etbuild"]

    assert [name for name in inits if len(TREES[name].body) != 1 or not ast.get_docstring(TREES[name])] == []


def test_few_modules_are_outside_of_packages() -> None:
    """The rest has a room."""
    assert sorted(path.name for path in PACKAGE.glob("*.py")) == ["__init__.py", "errors.py", "tasks.py"]
