"""Every error message of etbuild, collected from its source and from the bad recipes of the tests. It runs no code.

A message is what one of our errors is raised with. One that a function is given by its callers is collected at these.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from website import ROOT
from website.templates import Hole, Module, Template, modules, parameters, templates

# The position of `got` among the arguments of what makes a problem of an input file; wanted and remedy follow.
_PROBLEMS = {"Problem": 2, "IllegalTargetError": 1, "BadPathError": 0, "BadPte": 3, "report": 1, "add": 2}
# In place of an error: what is printed as a message without one.
PRINTED = "print"
_METHODS = {"report", "add"}
_BASE = "EtbuildError"
BAD_RECIPES = ROOT / "tests" / "recipe" / "bad"


@dataclass(frozen=True)
class Message:
    """One message. error: the class that is raised; module: where, dotted; line: of the first place."""

    template: Template
    error: str
    module: str
    line: int

    @property
    def text(self) -> str:
        """For people, with placeholders in capitals."""
        return "".join(part if isinstance(part, str) else part.name.upper() for part in self.template).lstrip()

    @property
    def has_words(self) -> bool:
        """Whether it says something itself, beyond passing on what others say."""
        words = {word for part in self.constants for word in re.findall("[a-z]+", part)}
        names = {part.name for part in self.template if isinstance(part, Hole)}
        return bool(words) and not ({"got", "wanted"} <= names and words <= {"got", "wanted"})

    @property
    def constants(self) -> list[str]:
        """The parts that are the same in each message."""
        return [part for part in self.template if isinstance(part, str)]


@dataclass(frozen=True)
class BadRecipe:
    """A recipe with one mistake, and its message."""

    name: str
    recipe: str
    message: str


def bad_recipes() -> list[BadRecipe]:
    """Those that tests/recipe/test_recipe_messages.py loads."""
    found = []
    for file in sorted(BAD_RECIPES.glob("[!_]*.txt")):
        recipe = file.with_suffix(".yaml").read_bytes().decode("utf-8", "backslashreplace")
        found.append(BadRecipe(file.stem, recipe, file.read_text(encoding="utf-8").rstrip("\n")))
    return found


@cache
def exit_codes(root: Path = ROOT) -> dict[str, int]:
    """The exit code of each class of our errors."""
    codes: dict[str, int] = {}
    bases: dict[str, str] = {}
    for module in modules(root, "etbuild").values():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and node.bases and isinstance(node.bases[0], ast.Name):
                bases[node.name] = node.bases[0].id
                for value in _exit_code(node):
                    codes[node.name] = value
    ours = {_BASE: 1}
    for _ in bases:
        ours |= {name: codes.get(name, ours[base]) for name, base in bases.items() if base in ours}
    return ours


def _exit_code(node: ast.ClassDef) -> Iterator[int]:
    for one in node.body:
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "exit_code":
            yield ast.literal_eval(one.value)


@cache
def messages(root: Path = ROOT) -> tuple[Message, ...]:
    """Every message with words of its own, by module and line, each once in a module."""
    errors = set(exit_codes(root))
    found: dict[tuple[str, str], Message] = {}
    for module in modules(root, "etbuild").values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and (name := _made(node, errors)):
                for template in _of_call(node, name, module):
                    message = Message(template, name, module.name, node.lineno)
                    if message.has_words:
                        found.setdefault((module.name, message.text), message)
    return tuple(sorted(found.values(), key=lambda one: (one.module, one.line)))


def _made(node: ast.Call, errors: set[str]) -> str:
    """The name of the error or problem that a call makes, or ""."""
    if isinstance(node.func, ast.Name) and (node.func.id in errors or node.func.id == "Problem"):
        return node.func.id
    if isinstance(node.func, ast.Name) and node.func.id == "print":
        return PRINTED if any(ast.unparse(one) == "file=sys.stderr" for one in node.keywords) else ""
    if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
        receiver = ast.unparse(node.func.value)
        is_ours = node.func.attr == "report" or receiver.endswith("diagnostics")
        return node.func.attr if is_ours and len(node.args) > _PROBLEMS[node.func.attr] + 1 else ""
    return ""


def _of_call(node: ast.Call, name: str, module: Module) -> Iterator[Template]:
    if not node.args:
        return
    if name not in _PROBLEMS:
        yield from _at_callers(templates(node.args[0], module), node, module)
        return
    at = _PROBLEMS[name]
    if len(node.args) < at + 2:
        return
    remedies = [keyword.value for keyword in node.keywords if keyword.arg == "remedy"] or node.args[at + 2 : at + 3]
    got, wanted = (templates(one, module) for one in node.args[at : at + 2])
    key = _key(node.args[at - 1]) if at else ""
    remedy = templates(remedies[0], module) if remedies else [()]
    made = []
    for one, other, last in itertools.product(got, wanted, remedy):
        tail: Template = ("\n    ", *last) if last else ()
        made.append((f"{key}got ", *one, ", wanted ", *other, *tail))
    yield from _at_callers(made, node, module)


def _key(node: ast.expr) -> str:
    """The key that a problem names, with a colon, where it is a constant: the last part of a path."""
    last = node.elts[-1] if isinstance(node, ast.Tuple) and node.elts else node
    text = last.value if isinstance(last, ast.Constant) and isinstance(last.value, str) else ""
    return f"{text}: " if text else ""


def _at_callers(found: list[Template], node: ast.Call, module: Module) -> Iterator[Template]:
    """With the parameters of the function replaced by what it is called with, where that has words of its own."""
    function = module.function_of.get(node)
    names = parameters(function) if function else []
    for template in found:
        used = {part.name for part in template if isinstance(part, Hole) and part.name in names}
        replaced = list(_calls(function.name, names, used, module)) if function and used else []
        if not replaced:
            yield template
        for given in replaced:
            choices = [given.get(part.name, [(part,)]) if isinstance(part, Hole) else [(part,)] for part in template]
            for parts in itertools.islice(itertools.product(*choices), 8):
                yield tuple(itertools.chain.from_iterable(parts))


def _calls(name: str, names: list[str], used: set[str], module: Module) -> Iterator[dict[str, list[Template]]]:
    """What the parameters are in each call of a function in its module; without those that are placeholders there."""
    for node in module.calls.get(name, ()):
        given = dict(zip(names, node.args, strict=False)) | {word.arg: word.value for word in node.keywords if word.arg}
        yield {key: templates(value, module) for key, value in given.items() if key in used}
