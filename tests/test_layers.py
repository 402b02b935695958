"""Who may import whom: the arrows of the design, held by reading every module's imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "etbuild"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if PACKAGE / "data" not in path.parents
}

# Seconds to import, or not there at all where only a listing or a no-op build is wanted.
HEAVY = {
    "torch",
    "torchao",
    "executorch",
    "ethosu",
    "tosa",
    "tosa_reference_model",
    "serializer",
    "numpy",
    "jsonschema",
    "safetensors",
    "sklearn",
}
# The only modules that know doit.
DOIT = {"etbuild.tasks", "etbuild.doit_plugin.reporter", "etbuild.doit_plugin.commands"}
# What stands above the steps and may be imported by nothing below.
ABOVE = {
    "etbuild.tasks",
    "etbuild.plan.plan",
    "etbuild.doit_plugin.reporter",
    "etbuild.doit_plugin.commands",
    "etbuild.cli.main",
}


class Import:
    """One import statement. deep: inside a function, so that it costs nothing before the function runs."""

    def __init__(self, name: str, line: int, deep: bool) -> None:
        self.name, self.line, self.deep = name, line, deep


def imports(path: Path) -> Iterator[Import]:
    def visit(node: ast.AST, deep: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, deep) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: relative import"
                assert child.module is not None
                # `from etbuild import tools` imports a module, `from etbuild.system.tools import version` a name of one.
                names = [f"{child.module}.{alias.name}" for alias in child.names]
                yield from (Import(name if name in MODULES else child.module, child.lineno, deep) for name in names)
            else:
                inside = deep or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from visit(child, inside)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), deep=False)


def wrong(name: str, path: Path, found: Import, reason: str) -> str:
    return f"{path.relative_to(ROOT)}:{found.line}: {name} imports {found.name}: {reason}"


def check(faults: list[str]) -> None:
    assert faults == []


def test_heavy_packages_are_imported_inside_functions_only() -> None:
    """Listing and no-op builds never pay for them."""
    check(
        [
            wrong(name, path, found, "heavy, import it in the function that needs it")
            for name, path in MODULES.items()
            for found in imports(path)
            if found.name.split(".")[0] in HEAVY and not found.deep
        ]
    )


def test_only_three_modules_know_doit() -> None:
    """tasks, reporter and commands; everything else is plain data and plain functions."""
    check(
        [
            wrong(name, path, found, "doit is for tasks, reporter and commands")
            for name, path in MODULES.items()
            for found in imports(path)
            if found.name.split(".")[0] == "doit" and name not in DOIT
        ]
    )


def test_steps_import_neither_each_other_nor_what_plans_them() -> None:
    """A step is one program of its own."""
    check(
        [
            wrong(name, path, found, "a step stands alone")
            for name, path in MODULES.items()
            for found in imports(path)
            if name.startswith("etbuild.steps.")
            and found.name != name
            and (found.name.startswith("etbuild.steps") or found.name in ABOVE)
        ]
    )


def test_nothing_below_the_plan_imports_what_is_above() -> None:
    """dodo -> tasks -> plan -> steps -> the rest; the command line tool beside them."""
    allowed = {
        "etbuild.plan.plan": {"etbuild.tasks", "etbuild.doit_plugin.commands", "etbuild.doit_plugin.reporter"},
        "etbuild.tasks": {"etbuild.doit_plugin.commands", "etbuild.doit_plugin.reporter"},
        "etbuild.doit_plugin.commands": {"etbuild.tasks"},
        "etbuild.doit_plugin.reporter": {"etbuild.tasks", "etbuild.doit_plugin.commands"},
        "etbuild.cli.main": set(),
    }
    check(
        [
            wrong(name, path, found, "an arrow upwards")
            for name, path in MODULES.items()
            for found in imports(path)
            if found.name in allowed
            and name != found.name
            and name not in allowed[found.name]
            and not name.startswith("etbuild.cli.main")
        ]
    )


def test_the_steps_are_imported_by_the_plan_and_the_reporter_alone() -> None:
    """Who else wants to run one starts `python -m etbuild.steps.X`; the compile server practises on them."""
    above = {"etbuild.plan.plan", "etbuild.doit_plugin.reporter", "etbuild.tasks", "etbuild.compile_server.warm_up"}
    check(
        [
            wrong(name, path, found, "steps are planned by plan.py")
            for name, path in MODULES.items()
            for found in imports(path)
            if found.name.startswith("etbuild.steps.") and name not in above and not name.startswith("etbuild.steps")
        ]
    )


def test_the_reader_of_programs_needs_nothing_but_errors() -> None:
    """etbuild.pte is of use outside of a build."""
    check(
        [
            wrong(name, path, found, "pte reads files, no more")
            for name, path in MODULES.items()
            for found in imports(path)
            if name.startswith("etbuild.pte")
            and found.name.startswith("etbuild")
            and not found.name.startswith(("etbuild.pte", "etbuild.errors"))
        ]
    )


def test_errors_import_nothing_of_ours() -> None:
    """The bottom."""
    check(
        [
            wrong("etbuild.errors", MODULES["etbuild.errors"], found, "errors is the bottom")
            for found in imports(MODULES["etbuild.errors"])
            if found.name.startswith("etbuild")
        ]
    )


# The compile server's child takes on the environment that its client sent.
ENVIRONMENT = {"etbuild.system.tools", "etbuild.build_engine.server.child"}


@pytest.mark.parametrize("name", sorted(set(MODULES) - ENVIRONMENT))
def test_the_environment_is_read_in_tools_alone(name: str) -> None:
    """os.environ, os.getenv and their like."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    found = [
        f"{MODULES[name].relative_to(ROOT)}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "getenvb", "putenv"}
    ]

    assert found == []
