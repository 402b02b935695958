"""Patches for findings: lines after the model's source that change its modules, and keys of the recipe.

A patch of modules keeps the names of all parameters, so that weights still fit. None is made where the text of the
file does not say for certain what it would do.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etbuild.lint.edits import at_end
from etbuild.lint.finding import Edit, Patch

if TYPE_CHECKING:
    from etbuild.lint.graph import Subject


def of_modules(subject: Subject, title: str, exact: bool, statements: Sequence[str]) -> Patch | None:
    """Lines at the end of the model's source. statements: on `model` and `nn` (torch.nn); None without a source."""
    if subject.source is None:
        return None
    file, text = subject.source
    if subject.entry:
        own = f"_{subject.entry}_before_{re.sub(r'[^a-z]', '_', title.lower())[:24].strip('_')}"
        lines = [
            *("", "", f"{own} = {subject.entry}"),
            *("", "", f"def {subject.entry}():  # {title}"),
            "    from torch import nn",
            "",
            f"    model, *inputs = {own}()",
            *(f"    {statement}" for statement in statements),
            "    return (model, *inputs)",
        ]
    else:
        known = "nn" in _names(text)
        changed = [statement.replace("model.", "ModelUnderTest.", 1) for statement in statements]
        lines = ["", f"# {title}", *([] if known else ["from torch import nn  # noqa: E402", ""]), *changed]
    return Patch(title, exact, (at_end(file, text, "\n".join(lines) + "\n"),))


def of_expression(subject: Subject, line: str | None, title: str, exact: bool) -> Patch | None:
    """`x.mean((2, 3))` on a line of the model's source as an average pooling; None where the line has no such call."""
    if subject.source is None or line is None or line.rpartition(":")[0] != subject.source[0]:
        return None
    file, text = subject.source
    number = int(line.rpartition(":")[2])
    calls = [call for call in ast.walk(ast.parse(text)) if _is_mean(call) and getattr(call, "lineno", 0) == number]
    if len(calls) != 1 or "nn" not in _names(text):
        return None
    call = calls[0]
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    keeps = any(word.arg == "keepdim" for word in call.keywords)
    value = ast.get_source_segment(text, call.func.value)
    lines = text.splitlines()
    if value is None or call.end_lineno != number or not lines[number - 1].isascii():
        return None
    new = f"nn.AdaptiveAvgPool2d(1)({value}){'' if keeps else '.flatten(1)'}"
    return Patch(title, exact, (Edit(file, number, call.col_offset + 1, number, (call.end_col_offset or 0) + 1, new),))


def of_recipe(subject: Subject, section: str, key: str, value: str, title: str, exact: bool) -> Patch | None:
    """A key of a section of the recipe's own file; None where it has the section in a form that is not plain."""
    file, text = subject.recipe
    lines = text.splitlines()
    found = [number for number, line in enumerate(lines, 1) if re.match(rf"{section}\s*:", line)]
    if not found:
        return Patch(title, exact, (at_end(file, text, f"{section}: {{{key}: {value}}}\n"),))
    number = found[0]
    rest = lines[number - 1].partition(":")[2].partition(" #")[0].strip()
    if rest.startswith("{"):
        column = lines[number - 1].index("{") + 2
        return Patch(title, exact, (Edit(file, number, column, number, column, f"{key}: {value}, "),))
    if rest:
        return None
    own = range(number + 1, len(lines) + 1)
    body = [one for one in own if lines[one - 1].strip() and not lines[one - 1].lstrip().startswith("#")]
    indent = re.match(r" *", lines[body[0] - 1]) if body else None
    if indent is None or not indent[0]:
        return None
    if any(re.match(rf"{indent[0]}{key}\s*:", lines[one - 1]) for one in body):
        return None
    return Patch(title, exact, (Edit(file, number + 1, 1, number + 1, 1, f"{indent[0]}{key}: {value}\n"),))


def _names(text: str) -> set[str]:
    """The names that imports at the top of a file bind."""
    found: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return found


def _is_mean(node: ast.AST) -> bool:
    """x.mean((2, 3)), also with -2 and -1, in either order, as a list, with keepdim=True."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "mean"):
        return False
    words = {word.arg: word.value for word in node.keywords}
    dims = node.args[0] if len(node.args) == 1 else words.pop("dim", None)
    keep = words.pop("keepdim", None)
    if words or dims is None or (keep is not None and ast.unparse(keep) != "True"):
        return False
    try:
        values = ast.literal_eval(dims)
    except ValueError:
        return False
    return isinstance(values, tuple | list) and {value % 4 for value in values} == {2, 3}
