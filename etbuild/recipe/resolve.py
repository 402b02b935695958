"""A checked tree to a Recipe: paths found, defaults filled in, targets resolved, and what no schema can say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import quoted, shown
from etbuild.config.section import Reading, View
from etbuild.hardware import npus
from etbuild.hardware.targets import IllegalTargetError, Target, TargetSpec, expand, flag_fault, named
from etbuild.recipe.recipe import (
    Data,
    DynamicDim,
    Export,
    Golden,
    Header,
    InputSpec,
    Model,
    Pte,
    Quantize,
    Recipe,
    Rule,
)
from etbuild.recipe.resolve_runtime import read_run, read_runtime

if TYPE_CHECKING:
    from etbuild.config.yaml_tree import MapNode

DATA_SUFFIXES = (".npy", ".npz", ".pt", ".pth")
_SOURCES = ("source", "builtin", "program")
_RANGES = {
    "bool": (0, 1),
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**53), 2**53),
}
# Reserved in C or C++: no array can have such a name.
_KEYWORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl concept const
    consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete do double
    dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable namespace
    new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires
    restrict return short signed sizeof static static_assert static_cast struct switch template this thread_local
    throw true try typedef typeid typename typeof union unsigned using virtual void volatile wchar_t while xor
    xor_eq
"""


def read_recipe(name: str, root: MapNode, files: tuple[Path, ...], reading: Reading) -> Recipe:
    """The recipe in `root`; it is of use only when no fault was added."""
    view = View(root, (), reading)
    model = _model(view.section("model")) if view.has("model") and ("model",) not in reading.bad else Model()
    targets, inis = _targets(view)
    quantize = _quantize(view.section("quantize"), targets)
    runtime = read_runtime(view.section("runtime"), targets) if view.has("runtime") else None
    boards = [runtime.board.file] if runtime and runtime.board.is_of_user else []
    return Recipe(
        name=name,
        files=tuple(dict.fromkeys([*files, *inis, *boards])),
        model=model,
        targets=targets,
        export=_export(view.section("export"), model, targets),
        quantize=quantize,
        vectors=_data(view.section("vectors")),
        golden=_golden(view, quantize),
        header=_header(view.section("header"), name),
        pte=_pte(view.section("pte")),
        runtime=runtime,
        run=read_run(view.section("run"), runtime, view.has("runtime"), targets),
        env=reading.paths.env,
    )


def _model(view: View) -> Model:
    given = [key for key in _SOURCES if view.has(key)]
    for key in given[1:]:
        other = view.place(given[0]).file
        remedy = f"{given[0]}: null drops what {other} says" if other != view.place(key).file else ""
        view.fault(key, f"{key} beside {given[0]}", f"exactly one of {', '.join(_SOURCES)}", remedy)
    entry = view.text("entry")
    if not given and not view.has("entry"):
        view.fault("", "nothing to take the model from", f"exactly one of {', '.join(_SOURCES)}, or entry alone")
    elif not given and entry and ":" not in entry:
        view.fault("entry", quoted(entry), "module:function", "a function alone needs model.source beside it")
    elif entry and given[:1] == ["source"] and ":" in entry:
        remedy = f"write entry: {entry.rpartition(':')[2]}"
        view.fault("entry", quoted(entry), "a function of model.source", remedy)
    elif given and given[0] != "source" and view.has("entry"):
        view.fault("entry", f"entry beside {given[0]}", "entry alone, or beside source")
    return Model(
        source=view.file("source", ".py"),
        entry=entry or None,
        builtin=view.text("builtin") or None,
        program=view.file("program", ".pt2"),
        weights=view.file("weights", ".safetensors", ".pt", ".pth"),
        inputs=tuple(_input(item) for item in view.each("inputs")),
    )


def _input(view: View) -> InputSpec:
    others = [key for key in ("shape", "dtype", "range", "seed") if view.has(key)]
    if view.has("file"):
        for key in others:
            view.fault(key, f"{key} beside file", "file alone, or shape with dtype, range and seed")
        return InputSpec(file=view.file("file", ".npy", ".pt", ".pth"))
    if not view.has("shape"):
        view.fault("shape", "nothing", "the shape of random values, or file in place of it")
    dtype = view.text("dtype", "float32")
    low, high = _range(view, dtype)
    shape = tuple(int(size) for size in view.numbers("shape"))
    return InputSpec(shape, dtype, low, high, view.integer("seed", 0))


def _range(view: View, dtype: str) -> tuple[float, float]:
    bounds = _RANGES.get(dtype)
    if not view.has("range"):
        if bounds and dtype != "bool":
            remedy = f"e.g. range: [{bounds[0]}, {bounds[1]}]" if dtype.endswith("8") else ""
            view.fault("range", f"nothing for {dtype}", "the lowest and highest value", remedy)
        return bounds if dtype == "bool" and bounds else (-1.0, 1.0)
    values = view.numbers("range")
    if len(values) != 2:
        return (-1.0, 1.0)
    low, high = values
    if bounds and (low != int(low) or high != int(high) or low < bounds[0] or high > bounds[1]):
        view.fault("range", f"[{low}, {high}]", f"integers from {bounds[0]} to {bounds[1]}, which {dtype} can hold")
    elif low > high:
        view.fault("range", f"[{low}, {high}]", "the lowest value first")
    return float(low), float(high)


def _export(view: View, model: Model, targets: Sequence[Target]) -> Export:
    dims: dict[tuple[int, int], DynamicDim] = {}
    for item in view.each("dynamic_shapes"):
        dim = _dynamic_dim(item, model)
        if dim and (dim.input, dim.axis) in dims:
            item.fault("", f"axis {dim.axis} of input {dim.input} again", "each axis once")
        elif dim:
            dims[dim.input, dim.axis] = dim
    on_npu = [target.npu for target in targets if target.npu != "none"]
    if dims and on_npu:
        got = f"a dynamic axis with target {on_npu[0]}"
        remedy = "Vela compiles one fixed shape into the NPU's commands; write a recipe for each shape, or npu: none"
        view.fault("dynamic_shapes", got, "fixed shapes", remedy)
    return Export(view.flag("strict", True), tuple(dims.values()))


def _dynamic_dim(view: View, model: Model) -> DynamicDim | None:
    values = view.numbers("range")
    if not view.reading.sound(view.path) or len(values) != 2 or not view.has("input") or not view.has("axis"):
        return None
    low, high = (int(value) for value in values)
    dim = DynamicDim(view.integer("input", 0), view.integer("axis", 0), view.text("name"), low, high)
    if low >= high:
        view.fault("range", f"[{low}, {high}]", "the smallest size first, and a larger one")
    if model.inputs and dim.input >= len(model.inputs):
        view.fault("input", str(dim.input), f"0 to {len(model.inputs) - 1}, the model's inputs")
    elif model.inputs and not model.inputs[dim.input].file:
        shape = model.inputs[dim.input].shape
        if dim.axis >= len(shape):
            view.fault("axis", str(dim.axis), f"0 to {len(shape) - 1}, the axes of {list(shape)}")
        elif not low <= shape[dim.axis] <= high:
            view.fault("range", f"[{low}, {high}]", f"a range with {shape[dim.axis]} in it, the input's size there")
    return dim


def _quantize(view: View, targets: Sequence[Target]) -> Quantize:
    scheme = view.text("scheme", "int8")
    rules = _rules(view)
    quantizes = any(rule.scheme != "none" for rule in rules) or not view.reading.sound((*view.path, "rules"))
    on_npu = [target.npu for target in targets if target.npu != "none"]
    if scheme == "none" and on_npu and not quantizes:
        remedy = f"{on_npu[0]} computes with integers only; quantise something by quantize.rules, or choose npu: none"
        view.fault("scheme", quoted(scheme), "int8 or int16x8", remedy)
    io = view.text("io", "float32")
    if scheme == "none" and not quantizes and io != "float32":
        view.fault("io", quoted(io), "float32", "without quantisation the model's inputs and outputs stay floats")
    return Quantize(scheme, view.flag("per_channel", True), _data(view.section("calibration")), rules, io)


def _rules(view: View) -> tuple[Rule, ...]:
    rules: dict[tuple[str, str], Rule] = {}
    for item in view.each("rules"):
        rule = _rule(item)
        if rule and (rule.kind, rule.match) in rules:
            item.fault(rule.kind, f"{quoted(rule.match)} again", "one rule for it", "the first of two rules counts")
        elif rule:
            rules[rule.kind, rule.match] = rule
    return tuple(rules.values())


def _rule(view: View) -> Rule | None:
    kinds = [key for key in ("module_name", "module_type", "operator") if view.has(key)]
    if len(kinds) != 1:
        got = " beside ".join(kinds) if kinds else "a rule for nothing"
        view.fault("", got, "exactly one of module_name, module_type, operator")
        return None
    match, scheme = view.text(kinds[0]), view.text("scheme")
    return Rule(kinds[0], match, scheme) if match and scheme else None


def _targets(view: View) -> tuple[tuple[Target, ...], list[Path]]:
    """The targets of all entries, and the Vela config files that were read for them."""
    targets: list[Target] = []
    entries: dict[Target, View] = {}
    inis: list[Path] = []
    for item in view.each("targets"):
        spec = _target_spec(item)
        if spec is None:
            continue
        if spec.ini:
            inis.append(spec.ini)
        try:
            found = expand(spec)
        except IllegalTargetError as illegal:
            _add_illegal(item, illegal)
            continue
        for target in found:
            if target in entries:
                first = entries[target].place()
                got = f"{target.variant} again, after line {first.line}"
                item.fault("", got, "targets that differ in some setting")
            entries[target] = item
            targets.append(target)
    return named(targets), inis


def _add_illegal(item: View, illegal: IllegalTargetError) -> None:
    section, _, key = illegal.key.rpartition(".")
    holder = item.section(section) if section else item
    place = holder.place(key) if holder.has(key) else item.place("npu")
    item.fault(illegal.key, illegal.got, illegal.wanted, illegal.remedy, place)


def _target_spec(item: View) -> TargetSpec | None:
    """None when some setting was reported already, for nothing can be said of the others then."""
    vela = item.section("vela")
    ini = vela.file("ini", ".ini")
    feeds = None
    if ini:
        try:
            feeds = npus.read_vela_ini(item.reading.paths.absolute(ini), str(ini))
        except ValueError as error:
            vela.fault("ini", f"a file that Vela cannot read: {shown(str(error), 300)}", "a Vela config file")
            return None
    flags = vela.alternatives("flags")
    for flag in flags:
        if fault := flag_fault(flag):
            vela.fault("flags", quoted(flag), "flags that the recipe does not set already", fault)
    keys = ("npu", "system_config", "memory_mode", "vela")
    if (
        not item.has("npu")
        or (vela.has("ini") and not ini)
        or any(not item.reading.sound((*item.path, k)) for k in keys)
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
        feeds=feeds,
    )


def _data(view: View) -> Data:
    data = view.file("data", *DATA_SUFFIXES, folder=True)
    samples = view.integer("samples", 0) or None
    if view.has("seed") and view.has("data") and not view.has("samples"):
        view.fault("seed", "seed without samples", "samples beside it: how many to choose at random")
    return Data(data, samples, view.integer("seed", 0) if view.has("seed") else None)


def _golden(root: View, quantize: Quantize) -> Golden:
    view = root.section("golden")
    if view.has("accuracy") and not root.section("vectors").has("data"):
        view.fault("accuracy", "accuracy without labels", "vectors.data with labels")
    schemes = {quantize.scheme, *(rule.scheme for rule in quantize.rules)}
    return Golden(
        lsb=view.integer("lsb", 1 if "int16x8" in schemes else 0),
        atol=view.number("atol", 0) if view.has("atol") else None,
        rtol=view.number("rtol", 0) if view.has("rtol") else None,
        accuracy=view.number("accuracy", 0) if view.has("accuracy") else None,
    )


def _header(view: View, name: str) -> Header:
    symbol = view.text("symbol")
    if symbol in _KEYWORDS.split():
        view.fault("symbol", quoted(symbol), "a C identifier", f"{symbol} is a word of C or C++")
    derived = re.sub(r"[^A-Za-z0-9_]", "_", f"{name}_pte")
    return Header(
        symbol=symbol or (f"model_{derived}" if derived[0].isdigit() else derived),
        alignment=view.integer("alignment", 16),
        section=view.text("section") or None,
        bytes_per_line=view.integer("bytes_per_line", 12),
    )


def _pte(view: View) -> Pte:
    return Pte(view.flag("bundled_io", False), view.flag("etrecord", False), view.flag("external_weights", False))
