"""Resolves the section `targets` of a recipe: expands each entry to its legal targets, and names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import printable, quoted
from etbuild.hardware import npus
from etbuild.hardware.targets import IllegalTargetError, TargetSpec, expand, flag_problem, named

if TYPE_CHECKING:
    from etbuild.config.section import Section
    from etbuild.hardware.target import Target


def read_targets(section: Section) -> tuple[tuple[Target, ...], list[Path]]:
    """The targets of all entries, and the user's Vela config files that were read for them."""
    targets: list[Target] = []
    entries: dict[Target, Section] = {}
    inis: list[Path] = []
    for item in section.each("targets"):
        spec = _target_spec(item)
        if spec is None:
            continue
        if spec.ini:
            inis.append(spec.ini)
        try:
            found = expand(spec)
        except IllegalTargetError as illegal:
            _report_illegal(item, illegal)
            continue
        for target in found:
            if target in entries:
                first = entries[target].location()
                got = f"{target.variant} again, after line {first.line}"
                item.report("", got, "targets that differ in some setting")
            entries[target] = item
            targets.append(target)
    return named(targets), inis


def _report_illegal(item: Section, illegal: IllegalTargetError) -> None:
    """At the setting that is wrong, or at the NPU when the recipe does not have that setting."""
    section, _, key = illegal.key.rpartition(".")
    holder = item.section(section) if section else item
    location = holder.location(key) if holder.has(key) else item.location("npu")
    item.report(illegal.key, illegal.got, illegal.wanted, illegal.remedy, location)


def _target_spec(item: Section) -> TargetSpec | None:
    """One entry; None when a setting was reported already: the others cannot be checked without it."""
    vela = item.section("vela")
    ini = vela.file("ini", ".ini")
    own_file = None
    if ini:
        try:
            own_file = npus.read_vela_ini(item.reading.paths.absolute(ini), str(ini))
        except ValueError as error:
            vela.report("ini", f"a file that Vela cannot read: {printable(str(error), 300)}", "a Vela config file")
            return None
    flags = vela.alternatives("flags")
    for flag in flags:
        if problem := flag_problem(flag):
            vela.report("flags", quoted(flag), "flags that the recipe does not set already", problem)
    keys = ("npu", "cpu", "fallback", "system_config", "memory_mode", "vela")
    if (
        not item.has("npu")
        or (vela.has("ini") and not ini)
        or any(not item.reading.is_valid((*item.path, key)) for key in keys)
    ):
        return None
    matrix = any(item.is_list(key) for key in keys) or any(map(vela.is_list, ("optimise", "arena_cache_size")))
    return TargetSpec(
        npu=item.alternatives("npu"),
        system_config=item.alternatives("system_config"),
        memory_mode=item.alternatives("memory_mode"),
        optimise=vela.alternatives("optimise"),
        arena_cache_size=tuple(int(float(size)) for size in vela.alternatives("arena_cache_size")),
        ini=ini,
        flags=flags,
        matrix=matrix,
        own_file=own_file,
        cpu=item.alternatives("cpu"),
        fallback=item.text("fallback"),
    )
