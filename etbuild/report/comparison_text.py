"""A comparison as text for a terminal, and as Markdown for a pull request that fits one screen. It computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etbuild.report.comparison import better
from etbuild.report.figures import Json, aligned, milliseconds, percent

# How many layers, operations and settings are shown; JSON has all.
MOST = 5
NOTABLE = 0.01
# From here on a growth is told by its factor.
MANY = 9
# The columns of Markdown's table of several variants.
SHORT = ("pte", "sram", "dram", "flash", "time", "accuracy")


def text(found: Json) -> str:
    """All pairs, one below the other."""
    parts = ["\n".join(_pair(pair)) for pair in found["pairs"]]
    if others := _others(found):
        parts.append("\n".join(others))
    if found["failed"]:
        parts.append("\n".join(f"fails: {line}" for line in failed_lines(found)))
    return "\n\n".join(parts) + "\n"


def _pair(pair: Json) -> Iterator[str]:
    yield f"A  {_name(pair['before'])}"
    yield f"B  {_name(pair['after'])}"
    if is_equal(pair):
        yield "no difference"
        return
    yield from (f"{row['name']}: {shown(row['before'])} -> {shown(row['after'])}" for row in settings_rows(pair))
    changed = [one for one in pair["figures"] if one["change"]]
    if changed:
        rows = [(one["name"], *values(one), change_text(one)) for one in changed]
        yield ""
        yield from aligned(("", "A", "B", "change"), rows)
    same = [one["name"] for one in pair["figures"] if not one["change"]]
    if same:
        yield f"equal: {', '.join(same)}"
    if any(one["kind"] == "estimate" for one in changed):
        yield "time, cycles: Vela's estimates, not measured"
    for row in pair["operators"]:
        yield f"on the CPU: {row['name']}: {row['before']} -> {row['after']} calls"
    for title, layers in sides(pair):
        if layers:
            yield ""
            yield f"layers that {title}, of {len(pair['layers'])} (cycles, Vela's estimate):"
            yield from _layer_lines(layers[:MOST])
            if len(layers) > MOST:
                yield f"    and {len(layers) - MOST} more"
    for stream in pair["streams"]:
        yield ""
        yield stream_summary(stream)
        yield from (f"    {line}" for line in stream_lines(stream, MOST))


def _layer_lines(layers: Sequence[Json]) -> Iterator[str]:
    rows = [(f"    {layer_name(one)}", one["operator"], *_cycles(one), layer_change(one)) for one in layers]
    yield from aligned(("", "", "A", "B", ""), rows)[1:]


def markdown(found: Json) -> str:
    """At most 40 lines for any number of variants; what needs more is folded or left to the other formats."""
    pairs = found["pairs"]
    lines = [f"### {_code(found['before'])} → {_code(found['after'])}", ""]
    lines += [f"**Fails:** {line}" for line in failed_lines(found)[:MOST]]
    lines += [""] if found["failed"] else []
    changed = [pair for pair in pairs if not is_equal(pair)]
    if not changed:
        lines.append("No difference.")
    elif len(pairs) == 1:
        lines += _one_pair(changed[0])
    else:
        lines += _many_pairs(changed, len(pairs) - len(changed))
    return "\n".join((*lines, *_others(found))) + "\n"


def _one_pair(pair: Json) -> Iterator[str]:
    rows = [one for one in pair["figures"] if one["change"]]
    if rows:
        yield from ("| | A | B | change |", "|---|--:|--:|--:|")
        yield from (f"| {one['name']} | {' | '.join(values(one))} | {change_text(one)}{_mark(one)} |" for one in rows)
        yield ""
    settings = settings_rows(pair)
    if settings:
        parts = [f"{row['name']} {shown(row['before'])} → {shown(row['after'])}" for row in settings[:MOST]]
        yield f"Changed: {'; '.join(parts)}{_more(len(settings))}"
        yield ""
    for title, layers in sides(pair):
        if layers:
            parts = [f"{_code(layer_name(one))} {layer_change(one)}" for one in layers[:MOST]]
            yield f"Layers that {title} (cycles, Vela's estimate): {', '.join(parts)}{_more(len(layers))}"
            yield ""
    for stream in pair["streams"]:
        yield f"<details><summary>{stream_summary(stream)}</summary>"
        yield ""
        yield from (f"- {line}" for line in stream_lines(stream, MOST))
        yield "</details>"


def _many_pairs(pairs: Sequence[Json], equal: int) -> Iterator[str]:
    tables = [{one["name"]: one for one in pair["figures"]} for pair in pairs]
    names = [name for name in SHORT if any(name in one and one[name]["change"] for one in tables)]
    yield f"| variant | {' | '.join(names)} |"
    yield f"|---|{'--:|' * len(names)}"
    for pair, figures in list(zip(pairs, tables, strict=True))[: 4 * MOST]:
        cells = [_cell(figures.get(name)) for name in names]
        yield f"| {pair['after']['variant']} | {' | '.join(cells)} |"
    yield ""
    if len(pairs) > 4 * MOST:
        yield f"And {len(pairs) - 4 * MOST} more variants."
    if equal:
        yield f"{equal} variants without a difference."


def _cell(figure: Json | None) -> str:
    if figure is None:
        return ""
    return f"{values(figure)[1]} ({change_text(figure)}){_mark(figure)}" if figure["change"] else values(figure)[1]


def _mark(figure: Json) -> str:
    """Of a change of at least 1 %."""
    if figure["relative"] is not None and abs(figure["relative"]) < NOTABLE:
        return ""
    return {1: " ✅", -1: " ⚠️", 0: ""}[better(figure["name"], figure["change"])]


def _more(count: int) -> str:
    return f" and {count - MOST} more" if count > MOST else ""


def _code(name: str) -> str:
    return f"`{name}`"


def _name(side: Json) -> str:
    label, variant = side["label"], side["variant"]
    return label if label.endswith(variant) else f"{label}  {variant}"


def _others(found: Json) -> list[str]:
    """Variants that one side has alone."""
    return [f"only in {side}: {', '.join(names)}" for side, names in found["only"].items() if names]


def is_equal(pair: Json) -> bool:
    """Whether nothing differs between two builds."""
    parts = ("settings", "origin", "operators", "streams")
    return not any(pair[name] for name in parts) and not any(
        one["change"] for one in (*pair["figures"], *(layer["cycles"] for layer in pair["layers"]))
    )


def settings_rows(pair: Json) -> list[Json]:
    """Settings, versions and inputs that differ."""
    return [*pair["settings"], *pair["origin"]]


def shown(value: object) -> str:
    """A value of a setting; a SHA-256 by its first digits."""
    one = "none" if value is None else str(value)
    return one[:12] if len(one) == 64 and " " not in one else one


def values(figure: Json) -> tuple[str, str]:
    """The values of a figure before and after."""
    return _value(figure["before"], figure["unit"]), _value(figure["after"], figure["unit"])


def _value(value: float, unit: str) -> str:
    if unit == "s":
        return milliseconds(value)
    if unit == "1":
        return percent(value)
    return f"{value:g} LSB" if unit == "LSB" else f"{value:,}"


def change_text(figure: Json) -> str:
    """The change as a share; of shares in percentage points, and from 0 as it is."""
    if figure["unit"] == "1":
        return f"{figure['change'] * 100:+.1f} points"
    if figure["relative"] is None or figure["unit"] == "LSB":
        return f"{figure['change']:+,}" if isinstance(figure["change"], int) else f"{figure['change']:+g}"
    return _share(figure["relative"], 1)


def _share(relative: float, decimals: int) -> str:
    return f"{relative + 1:,.0f} times" if relative >= MANY else f"{relative * 100:+.{decimals}f} %"


def sides(pair: Json) -> list[tuple[str, list[Json]]]:
    """The layers that became faster, and those that became slower, the largest change first."""
    gained = [one for one in pair["layers"] if one["cycles"]["change"] < 0]
    lost = [one for one in pair["layers"] if one["cycles"]["change"] > 0]
    gained.sort(key=lambda one: one["cycles"]["change"])
    lost.sort(key=lambda one: -one["cycles"]["change"])
    return [("gained", gained), ("lost", lost)]


def layer_name(layer: Json) -> str:
    """The tensor that a layer computes, after its module where that is known."""
    module = layer["module"]
    return f"{module} ({layer['name']})" if module else str(layer["name"])


def _cycles(layer: Json) -> tuple[str, str]:
    both = (layer["cycles"][side] for side in ("before", "after"))
    before, after = ("none" if one is None else f"{one:,}" for one in both)
    return before, after


def layer_change(layer: Json) -> str:
    """The change of a layer's cycles."""
    cycles = layer["cycles"]
    if cycles["before"] is None:
        return "new"
    if cycles["after"] is None:
        return "gone"
    share = f" ({_share(cycles['change'] / cycles['before'], 0)})" if cycles["before"] else ""
    return f"{cycles['change']:+,}{share}"


def stream_summary(stream: Json) -> str:
    """The differences of a command stream in one line."""
    count = {"changed": 0, "added": 0, "removed": 0, "moved": 0}
    for one in stream["changes"]:
        count[change_kind(one)] += 1
    parts = [f"{number} {name}" for name, number in count.items() if number]
    operations = f"{stream['operations']['before']} -> {stream['operations']['after']} operations"
    return f"command stream {stream['delegate']}: {operations}: {', '.join(parts)}"


def change_kind(change: Json) -> str:
    """changed, added, removed; moved where only addresses differ."""
    if change["before"] is None or change["after"] is None:
        return "added" if change["before"] is None else "removed"
    return "moved" if change["addresses"] else "changed"


def stream_lines(stream: Json, most: int) -> list[str]:
    """The changed operations, without those that only moved. most: how many."""
    rows = [one for one in stream["changes"] if change_kind(one) != "moved"]
    lines = [_change(one) for one in rows[:most]]
    return [*lines, f"and {len(rows) - most} more"] if len(rows) > most else lines


def _change(change: Json) -> str:
    where = " ".join(filter(None, (change["layer"], change["operation"].split(" weights")[0])))
    kind = change_kind(change)
    if kind != "changed":
        return f"{where}: {kind}"
    registers = (
        f"{one['register']} {one['before'] or 'unset'} -> {one['after'] or 'unset'}" for one in change["registers"]
    )
    return f"{where}: {', '.join(registers)}"


def failed_lines(found: Json) -> list[str]:
    """What --fail-if found."""
    return [
        f"{one['condition']}: {one['name']} of {one['variant']} {' -> '.join(values(one))} ({change_text(one)})"
        for one in found["failed"]
    ]
