"""The findings of a lint.json as text for people. It computes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etbuild.report.figures import Json

_NAMES = {"sram_bytes": "SRAM", "flash_bytes": "flash", "pte_bytes": ".pte", "cycles": "cycles"}


def lint_text(data: Json) -> str:
    """A paragraph for each finding, and a last line with their number; without a final line end."""
    found, counts = data["findings"], data["counts"]
    lines = [line for number, one in enumerate(found, 1) for line in _paragraph(data["recipe"], number, one)]
    total = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items() if count)
    if not data["operators"]:
        total = "no target has an NPU: nothing to lint"
    return "\n".join((*lines, f"{data['recipe']}  lint: {total or 'nothing found'}; build/{data['recipe']}/lint.sarif"))


def effect_text(effect: Json) -> str:
    """One line: whether it is measured, and each figure before and after."""
    changed = [figure for figure in effect["figures"] if figure["before"] != figure["after"]]
    shown = "; ".join(map(_figure_text, changed)) or ("no figure changes" if effect["figures"] else "")
    variant = f" for {effect['variant']}" if effect["figures"] else ""
    note = f"; {effect['note']}" if effect["note"] else ""
    return f"{effect['how']}{variant}{': ' if shown else ''}{shown}{note}"


def _paragraph(recipe: str, number: int, one: Json) -> Iterator[str]:
    times = f" ({one['count']} times)" if one["count"] > 1 else ""
    yield f"{_place(one)}: {one['level']}: {one['what']}{times} [{one['rule']}]"
    yield f"    {one['why']}"
    yield f"    instead: {one['remedy']}"
    if one["patch"]:
        other = "" if one["patch"]["exact"] else "; the model then computes something else"
        yield f"    patch: build/{recipe}/lint/{number}.patch: {one['patch']['title']}{other}"
    if one["effect"]:
        yield f"    {effect_text(one['effect'])}"


def _place(one: Json) -> str:
    line, module = one["line"], one["module"]
    if line and module:
        return f"{line} (module {module})"
    return str(line or (f"module {module}" if module else "the model"))


def _figure_text(figure: Json) -> str:
    name, before, after = figure["name"], figure["before"], figure["after"]
    if name == "npu_share":
        return f"on NPU {before:.1%} -> {after:.1%}"
    if name == "sqnr_db":
        return f"SQNR {before:.1f} -> {after:.1f} dB"
    change = f" ({(after - before) / before:+.1%})" if before else ""
    kind = " by Vela's estimate" if figure["kind"] == "estimate" else ""
    return f"{_NAMES[name]} {before:,.0f} -> {after:,.0f}{' bytes' * (name != 'cycles')}{change}{kind}"
