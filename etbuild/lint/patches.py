"""Patches for findings: lines after the model's source that change its modules, and keys of the recipe.

A patch of modules keeps the names of all parameters, so that weights still fit. None is made where the text of the
file does not say for certain what it would do.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etbuild.lint.edits import at_end, edited
from etbuild.lint.finding import Edit, Patch

if TYPE_CHECKING:
    from etbuild.lint.graph import Subject
    from etbuild.lint.part import Part


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
    """A key of a section of the recipe's own file; None where the file is not plain enough to say where it goes.

    value: as YAML has it.
    """
    file, text = subject.recipe
    edit = _edit_of_recipe(file, text, section, f"{key}: {value}")
    before, after = _mapping(text), _mapping(edited(text, (edit,))) if edit else None
    if edit is None or before is None or after is None:
        return None
    import yaml

    wanted = {**before, section: {**(before.get(section) or {}), key: yaml.safe_load(value)}}
    return Patch(title, exact, (edit,)) if after == wanted and key not in (before.get(section) or {}) else None


def of_rewriting(subject: Subject, rule: str) -> Patch | None:
    """A rule of step rewrite, in a recipe that has none: those of a recipe that it extends would be left out."""
    title = f"the rule {rule} of step rewrite"
    return None if subject.rules else of_recipe(subject, "rewrite", "rules", f"[{rule}]", title, exact=True)


def of_memory_mode(subject: Subject, part: Part) -> Patch | None:
    """The memory mode with a larger region for the scratch; None where not just one target of the recipe's own file
    has this NPU."""
    if part.larger is None:
        return None
    file, text = subject.recipe
    one, before = part.larger, _mapping(text)
    named = list(re.finditer(rf"\bmemory_mode\s*:\s*({one.mode})\b", text))
    by_npu = list(re.finditer(rf"\bnpu\s*:\s*{part.npu}(?![\w-])", text))
    if len(named) == 1:
        begin, end, new = *named[0].span(1), one.other_mode
    elif not named and len(by_npu) == 1:
        begin = end = by_npu[0].end()
        column = by_npu[0].start() - text.rfind("\n", 0, begin) - 1
        in_braces = text[begin : begin + 1] in ("}", ",")
        new = f", memory_mode: {one.other_mode}" if in_braces else f"\n{' ' * column}memory_mode: {one.other_mode}"
    else:
        return None
    edit = Edit(file, *_place(text, begin), *_place(text, end), new)
    after = _mapping(edited(text, (edit,)))
    if before is None or after is None or not _is_same_but_mode(before, after, part):
        return None
    title = f"memory mode {one.other_mode}: the scratch is in {one.region}, which has {one.bytes:,} bytes"
    return Patch(title, True, (edit,))


def _is_same_but_mode(before: dict[str, Any], after: dict[str, Any], part: Part) -> bool:
    """Whether the texts differ in the memory mode of the one target for this NPU, and in nothing else."""
    assert part.larger is not None
    targets = before.get("targets")
    if not isinstance(targets, list):
        return False
    wanted = [
        {**one, "memory_mode": part.larger.other_mode} if isinstance(one, dict) and one.get("npu") == part.npu else one
        for one in targets
    ]
    return (
        wanted.count(None) == 0
        and sum(a != b for a, b in zip(targets, wanted, strict=True)) == 1
        and (after == {**before, "targets": wanted})
    )


def _place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _mapping(text: str) -> dict[str, Any] | None:
    """A recipe's text as a mapping; None for text that is none."""
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return found if isinstance(found, dict) else None


def _edit_of_recipe(file: str, text: str, section: str, entry: str) -> Edit | None:
    """The entry, "key: value", as the first one of the section."""
    lines = text.splitlines()
    found = [number for number, line in enumerate(lines, 1) if re.match(rf"{section}\s*:", line)]
    if not found:
        return at_end(file, text, f"{section}: {{{entry}}}\n")
    number = found[0]
    rest = lines[number - 1].partition(":")[2].partition(" #")[0].strip()
    if rest.startswith("{"):
        column = lines[number - 1].index("{") + 2
        return Edit(file, number, column, number, column, f"{entry}, ")
    body = [line for line in lines[number:] if line.strip() and not line.lstrip().startswith("#")]
    indent = re.match(r" *", body[0]) if body and not rest else None
    return Edit(file, number + 1, 1, number + 1, 1, f"{indent[0]}{entry}\n") if indent and indent[0] else None


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
