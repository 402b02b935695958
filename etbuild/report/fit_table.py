"""The table of boards printed after `doit fit:R`, from fit.json. It computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild.report.figures import aligned, milliseconds

if TYPE_CHECKING:
    from etbuild.report.figures import Json


def fit_table(found: Json) -> str:
    """One line per board, the reason below one that does not fit, and an explanation, without a final line end."""
    titles = ("", "fits", "NPU", "memory mode", ".pte bytes", "planned", "scratch", "Vela's estimate", "")
    rows = [_row(found["recipe"], one) for one in found["boards"]]
    lines = aligned(titles, rows)
    for one in found["boards"]:
        lines += _reasons(one)
    return "\n".join(
        (
            *lines,
            "fits: model, planned buffers, the NPU's scratch and the stack; code and test vectors come on top",
            "Vela's estimate: of one inference at the clock of its system config, not measured",
            "other: no target of the recipe; compiled for the board",
            f"all figures: build/{found['recipe']}/fit.json",
        )
    )


def _row(recipe: str, one: Json) -> tuple[str, ...]:
    name = f"{recipe} on {one['board']}"
    if one["target"] is None:
        return (name, "no", *[""] * 7)
    sizes, estimate = one["sizes"], one["inference"]
    scratch = sizes["scratch"] + sizes["fast_scratch"]
    return (
        name,
        "yes" if one["fits"] else "no",
        one["target"]["npu"],
        one["target"]["memory_mode"],
        f"{sizes['pte']:,}",
        f"{sum(sizes['planned']):,}",
        f"{scratch:,}" if scratch else "",
        milliseconds(estimate["value"]) if estimate else "",
        "" if one["variant"] else "other",
    )


def _reasons(one: Json) -> list[str]:
    if one["target"] is None:
        return [f"{one['board']}: {one['reason']}"]
    return [
        f"{one['board']}: {short['region']} has {short['bytes']:,} bytes, {short['missing']:,} too few for "
        + ", ".join(f"{name} {size:,}" for name, size in short["parts"].items())
        for short in one["shortages"]
    ]
