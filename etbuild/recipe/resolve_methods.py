"""Resolves the key `model.methods` of a recipe, and reports what a program with several methods cannot have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import quoted
from etbuild.recipe.method_sections import Method

if TYPE_CHECKING:
    from etbuild.config.section import Section
    from etbuild.hardware.target import Target

# Keys of `model` that say where one module, or the inputs of one, come from.
_OF_ONE = ("entry", "builtin", "module", "program", "weights", "inputs")
# Further keys that are about one method: their sections, and what a recipe with methods may have.
_OTHER_KEYS = {
    ("export", "dynamic_shapes"): "fixed shapes",
    ("quantize", "qat"): "calibration alone",
    ("partition", "exclude"): "no exclusions",
    ("pte", "bundled_io"): "bundled_io: false",
    ("pte", "etrecord"): "etrecord: false",
    ("run", "etdump"): "etdump: false",
    ("quantize", "io"): "io: float32",
    ("memory_planning", "source"): "an algorithm of ExecuTorch",
}
_HARMLESS = ("False", "float32")


def read_methods(section: Section) -> tuple[Method, ...]:
    """The methods in the section `model`, in the order of a program's: by name."""
    given = section.section("methods").node.entries
    names = [name for name in given if not (name.isidentifier() and name.isascii())]
    for name in names:
        section.report("methods", f"the name {quoted(name)}", "identifiers: letters, digits and _")
    if not section.has("methods"):
        return ()
    others = [key for key in _OF_ONE if section.has(key)]
    if others:
        remedy = "each factory returns its module, with weights, and its inputs"
        section.report("methods", f"methods with {others[0]}", "methods with source alone", remedy)
    elif not section.has("source"):
        section.report("methods", "methods without source", "source, the file with their factories")
    elif len(given) == 1:
        section.report("methods", "one method", "at least two", "the factory of a model with one is model.entry")
    factories = section.mapping("methods")
    return tuple(Method(name, str(factories[name])) for name in sorted(factories) if name not in names)


def check_methods(root: Section, methods: Sequence[Method], targets: Sequence[Target]) -> None:
    """Reports samples for methods that there are not, and keys that no recipe with several methods has."""
    names = [method.name for method in methods]
    if root.section("model").has("methods") and not methods:
        return  # They were reported.
    for section in (root.section("vectors"), root.section("quantize").section("calibration")):
        _check_samples(section, names)
    if not methods:
        return
    for key, wanted in _OTHER_KEYS.items():
        section = root.section(key[0])
        if section.has(key[1]) and (section.alternatives(key[1]) or ("",))[0] not in _HARMLESS:
            section.report(key[1], f"{key[1]} with model.methods", wanted, _ONE_METHOD)
    for one in root.each("passes"):
        if one.text("at") == "executorch":
            one.report("at", "at: executorch with model.methods", "aten, quantized, edge or backend", _ONE_METHOD)
    runtime = root.section("runtime")
    if runtime.text("engine") == "executorch":
        runtime.report("engine", "engine executorch with model.methods", "engine: etbuild", _ONE_METHOD)
    for name in _on_cortex_m(targets):
        root.report("targets", f"{name} with model.methods", "an NPU alone, or npu: none", _ONE_METHOD)


_ONE_METHOD = "it works with a program of one method; write a recipe for each method"


def _check_samples(section: Section, names: Sequence[str]) -> None:
    if names and section.has("data"):
        section.report("data", "data with model.methods", "methods, with data for each")
    for name, inner in section.mappings("methods"):
        if name not in names:
            wanted = f"one of {', '.join(names)}" if names else "samples without methods"
            remedy = "" if names else "model.methods names none"
            inner.report("", f"samples for {quoted(name)}", wanted, remedy)


def _on_cortex_m(targets: Sequence[Target]) -> Iterator[str]:
    for target in targets:
        if target.cpu:
            yield f"cpu: {target.cpu}"
        elif target.fallback == "cortex_m":
            yield "fallback: cortex_m"
