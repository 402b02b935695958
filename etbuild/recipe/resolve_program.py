"""Resolves the keys `passes`, `partition` and `memory_planning` of a recipe. It opens none of the files they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import quoted
from etbuild.config.setting import read
from etbuild.recipe.program_sections import Exclude, MemoryPlanning, Partition, Pass

if TYPE_CHECKING:
    from etbuild.config.section import Section
    from etbuild.hardware.target import Target

_KINDS = ("operator", "module_name", "module_type", "node")


def read_passes(root: Section) -> tuple[Pass, ...]:
    """The passes of a recipe; those that were reported are left out."""
    found = [read(item, Pass, source=item.file("source", ".py")) for item in root.each("passes")]
    return tuple(one for one in found if one.at and one.source and one.entry)


def read_partition(section: Section, targets: Sequence[Target]) -> Partition:
    """The section `partition`."""
    found: dict[tuple[str, str], Exclude] = {}
    for item in section.each("exclude"):
        one = _exclude(item)
        if one and (one.kind, one.match) in found:
            item.report(one.kind, f"{quoted(one.match)} again", "each once")
        elif one:
            found[one.kind, one.match] = one
    if section.has("exclude") and targets and all(target.npu == "none" for target in targets):
        section.report("exclude", "exclude without an NPU", "a target with one", "without it all is on the CPU")
    return Partition(tuple(found.values()))


def read_memory_planning(root: Section) -> MemoryPlanning:
    """The key `memory_planning`: the name of an algorithm, or a section."""
    section = root.section("memory_planning")
    name = root.text("memory_planning")
    if name:
        return MemoryPlanning(name)
    for key, other in (("source", "entry"), ("entry", "source")):
        if section.has(key) and not section.has(other):
            section.report(other, "nothing", f"{other}, with {key}")
    if section.has("source") and section.has("algorithm"):
        section.report("algorithm", "algorithm with source", "one of them", "a planner of your own has its algorithm")
    return read(section, MemoryPlanning)


def _exclude(section: Section) -> Exclude | None:
    kinds = [key for key in _KINDS if section.has(key)]
    if len(kinds) != 1:
        got = " with ".join(kinds) if kinds else "an exclusion of nothing"
        section.report("", got, f"exactly one of {', '.join(_KINDS)}")
        return None
    text = section.text(kinds[0])
    return Exclude(**{kinds[0]: text}) if text else None
