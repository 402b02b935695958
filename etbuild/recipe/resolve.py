"""Resolves a validated tree to a Recipe: paths, defaults, and the checks that a schema cannot express."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from etbuild.config.diagnostics import quoted
from etbuild.config.paths import BadPathError
from etbuild.config.section import Reading, Section
from etbuild.config.setting import read
from etbuild.hardware.target import planned_for
from etbuild.recipe.data_sections import Calibration, Data, Golden, Quantize, Rule, Vectors
from etbuild.recipe.model_sections import DynamicDim, Export, InputSpec, Model
from etbuild.recipe.output_sections import Header, Pte
from etbuild.recipe.recipe import Recipe
from etbuild.recipe.resolve_evaluate import read_evaluate
from etbuild.recipe.resolve_methods import check_methods, read_methods
from etbuild.recipe.resolve_operators import read_operators
from etbuild.recipe.resolve_program import read_memory_planning, read_partition, read_passes
from etbuild.recipe.resolve_qat import check_observers, read_qat
from etbuild.recipe.resolve_report import read_report
from etbuild.recipe.resolve_rewrite import read_rewrite
from etbuild.recipe.resolve_runtime import read_deploy, read_run, read_runtime
from etbuild.recipe.resolve_targets import read_targets
from etbuild.recipe.resolve_weights import read_weights
from etbuild.system.files import kind_of

if TYPE_CHECKING:
    from etbuild.config.yaml_tree import MapNode
    from etbuild.hardware.target import Target

D = TypeVar("D", bound=Data)

_REQUIRED = {
    "model": "a mapping that says where the model comes from",
    "targets": "a target or a list of targets",
}
_SOURCES = ("source", "builtin", "module", "program")
_RANGES = {
    "bool": (0, 1),
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**53), 2**53),
}
# Reserved words of C and C++, which cannot be the name of an array.
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
    """The recipe in `root`. The result is valid only when no diagnostic was added."""
    section = Section(root, (), reading)
    _check_required(section)
    model = _model(section.section("model")) if section.has("model") and ("model",) not in reading.bad else Model()
    targets, inis = read_targets(section)
    check_methods(section, model.methods, targets)
    quantize = _quantize(section.section("quantize"), targets)
    runtime = read_runtime(section.section("runtime"), targets) if section.has("runtime") else None
    boards = runtime.board.user_files if runtime else ()
    if runtime:
        targets = tuple(planned_for(target, runtime.board.cpu.core) for target in targets)
    return Recipe(
        name=name,
        files=tuple(dict.fromkeys([*files, *inis, *boards])),
        model=model,
        targets=targets,
        operators=read_operators(section, runtime),
        export=_export(section.section("export"), model, targets),
        quantize=quantize,
        passes=read_passes(section),
        partition=read_partition(section.section("partition"), targets),
        memory_planning=read_memory_planning(section),
        rewrite=read_rewrite(section.section("rewrite"), targets),
        vectors=_data(section.section("vectors"), Vectors),
        golden=_golden(section),
        evaluate=read_evaluate(section, model),
        header=_header(section.section("header"), name),
        pte=_pte(section, targets),
        runtime=runtime,
        run=read_run(section.section("run"), runtime, section.has("runtime"), targets),
        report=read_report(section, model, targets),
        deploy=read_deploy(section.section("deploy"), runtime, section.has("deploy")),
        env=reading.paths.env,
    )


def _check_required(root: Section) -> None:
    """A recipe needs a model and targets. With `extends` in it, merging failed and was reported."""
    for key, wanted in _REQUIRED.items():
        if not root.has(key) and not root.has("extends"):
            root.report(key, "nothing", wanted)


def _model(section: Section) -> Model:
    given = [key for key in _SOURCES if section.has(key)]
    for key in given[1:]:
        other = section.location(given[0]).file
        remedy = f"{given[0]}: null drops what {other} says" if other != section.location(key).file else ""
        section.report(key, f"{key} with {given[0]}", f"exactly one of {', '.join(_SOURCES)}", remedy)
    entry = section.text("entry")
    if not given and not section.has("entry") and not section.has("methods"):
        section.report("", "nothing to take the model from", f"exactly one of {', '.join(_SOURCES)}, or entry alone")
    elif not given and entry and ":" not in entry:
        section.report("entry", quoted(entry), "module:function", "a function name alone needs model.source")
    elif entry and given[:1] == ["source"] and ":" in entry:
        remedy = f"write entry: {entry.rpartition(':')[2]}"
        section.report("entry", quoted(entry), "a function of model.source", remedy)
    elif given and given[0] != "source" and section.has("entry"):
        section.report("entry", f"entry with {given[0]}", "entry alone, or with source")
    inputs = tuple(_input(item) for item in section.each("inputs"))
    if section.has("module") and not section.has("inputs"):
        section.report("inputs", "nothing with module", "example inputs", "a module saved by torch.save has none")
    return read(section, Model, inputs=inputs, methods=read_methods(section), reads=_reads(section))


def _reads(section: Section) -> tuple[str, ...]:
    """Existing files and folders, relative to the project, or absolute if outside it."""
    paths, found = section.reading.paths, []
    for text in section.alternatives("reads"):
        try:
            path = paths.named(text, section.location("reads").file)
        except BadPathError as bad:
            section.report("reads", bad.got, bad.wanted, bad.remedy)
            continue
        if path.parts[:1] in ((), ("build",)):
            section.report("reads", quoted(text), "files and folders that no step writes", "name those that it reads")
        elif kind_of(paths.absolute(path)) not in ("file", "folder"):
            wanted, remedy = "existing files and folders", f"looked for {path}"
            section.report("reads", f"{quoted(text)}, which does not exist", wanted, remedy)
        else:
            found.append(path.as_posix())
    return tuple(found)


def _input(section: Section) -> InputSpec:
    others = [key for key in ("shape", "dtype", "range", "seed") if section.has(key)]
    if section.has("file"):
        for key in others:
            section.report(key, f"{key} with file", "file alone, or shape with dtype, range and seed")
        return InputSpec(file=read(section, InputSpec).file)
    if not section.has("shape"):
        section.report("shape", "nothing", "the shape of random values, or file in place of it")
    spec = read(section, InputSpec)
    return replace(spec, shape=tuple(map(int, spec.shape)), range=_range(section, spec.dtype))


def _range(section: Section, dtype: str) -> tuple[float, float]:
    bounds = _RANGES.get(dtype)
    if not section.has("range"):
        if bounds and dtype != "bool":
            remedy = f"e.g. range: [{bounds[0]}, {bounds[1]}]" if dtype.endswith("8") else ""
            section.report("range", f"nothing for {dtype}", "the lowest and highest value", remedy)
        return bounds if dtype == "bool" and bounds else (-1.0, 1.0)
    values = section.numbers("range")
    if len(values) != 2:
        return (-1.0, 1.0)
    low, high = values
    if bounds and (low != int(low) or high != int(high) or low < bounds[0] or high > bounds[1]):
        section.report("range", f"[{low}, {high}]", f"integers from {bounds[0]} to {bounds[1]}, which {dtype} can hold")
    elif low > high:
        section.report("range", f"[{low}, {high}]", "the lowest value first")
    return float(low), float(high)


def _export(section: Section, model: Model, targets: Sequence[Target]) -> Export:
    dims: dict[tuple[int, int], DynamicDim] = {}
    for item in section.each("dynamic_shapes"):
        dim = _dynamic_dim(item, model)
        if dim and (dim.input, dim.axis) in dims:
            item.report("", f"axis {dim.axis} of input {dim.input} again", "each axis once")
        elif dim:
            dims[dim.input, dim.axis] = dim
    on_npu = [target.npu for target in targets if target.npu != "none"]
    fixed = [target.cpu for target in targets if target.cpu]
    if dims and fixed:
        remedy = "ExecuTorch's Cortex-M backend plans buffers for one shape; write a recipe for each, or delete cpu"
        section.report("dynamic_shapes", f"a dynamic axis with cpu: {fixed[0]}", "fixed shapes", remedy)
    if dims and on_npu:
        got = f"a dynamic axis with target {on_npu[0]}"
        remedy = "Vela compiles one fixed shape into the NPU's commands; write a recipe for each shape, or npu: none"
        section.report("dynamic_shapes", got, "fixed shapes", remedy)
    return read(section, Export, dynamic_shapes=tuple(dims.values()))


def _dynamic_dim(section: Section, model: Model) -> DynamicDim | None:
    values = section.numbers("range")
    if (
        not section.reading.is_valid(section.path)
        or len(values) != 2
        or not section.has("input")
        or not section.has("axis")
    ):
        return None
    low, high = (int(value) for value in values)
    dim = read(section, DynamicDim, range=(low, high))
    if low >= high:
        section.report("range", f"[{low}, {high}]", "the smallest size first, and a larger one")
    if model.inputs and dim.input >= len(model.inputs):
        section.report("input", str(dim.input), f"0 to {len(model.inputs) - 1}, the model's inputs")
    elif model.inputs and not model.inputs[dim.input].file:
        shape = model.inputs[dim.input].shape
        if dim.axis >= len(shape):
            section.report("axis", str(dim.axis), f"0 to {len(shape) - 1}, the axes of {list(shape)}")
        elif not low <= shape[dim.axis] <= high:
            section.report("range", f"[{low}, {high}]", f"a range with {shape[dim.axis]} in it, the input's size there")
    return dim


def _quantize(section: Section, targets: Sequence[Target]) -> Quantize:
    scheme = section.text("scheme", "int8")
    rules = _rules(section)
    quantizes = any(rule.scheme != "none" for rule in rules) or not section.reading.is_valid((*section.path, "rules"))
    on_npu = [target.npu for target in targets if target.npu != "none"]
    if scheme == "none" and on_npu and not quantizes:
        remedy = f"{on_npu[0]} computes with integers only; quantise something by quantize.rules, or choose npu: none"
        section.report("scheme", quoted(scheme), "int8 or int16x8", remedy)
    io = section.text("io", "float32")
    _check_cpu_settings(section, targets)
    if scheme == "none" and not quantizes and io != "float32":
        section.report("io", quoted(io), "float32", "without quantisation the model's inputs and outputs stay floats")
    check_observers(section, targets)
    qat = read_qat(section, scheme != "none" or quantizes, targets, _reads)
    calibration = _data(section.section("calibration"), Calibration)
    weights = read_weights(section, scheme != "none" or quantizes)
    return read(section, Quantize, calibration=calibration, rules=rules, qat=qat, weights=weights)


def _check_cpu_settings(section: Section, targets: Sequence[Target]) -> None:
    """Reports what ExecuTorch's Cortex-M quantiser has no setting for."""
    on_cpu = [target.cpu for target in targets if target.cpu]
    if not on_cpu:
        return
    remedy = f"cpu: {on_cpu[0]} computes in int8, with the settings of ExecuTorch's Cortex-M quantiser; or delete cpu"
    for key, wanted in {"scheme": "int8", "io": "float32 or int8"}.items():
        got = section.text(key)
        if got and got not in wanted.split(" or "):
            section.report(key, quoted(got), wanted, remedy)
    if section.alternatives("per_channel") == ("False",):
        section.report("per_channel", "false", "true", remedy)
    if section.has("rules"):
        section.report("rules", "rules", "no rules", remedy)


def _rules(section: Section) -> tuple[Rule, ...]:
    rules: dict[tuple[str, str], Rule] = {}
    for item in section.each("rules"):
        rule = _rule(item)
        if rule and (rule.kind, rule.match) in rules:
            item.report(rule.kind, f"{quoted(rule.match)} again", "one rule for it", "the first of two rules counts")
        elif rule:
            rules[rule.kind, rule.match] = rule
    return tuple(rules.values())


def _rule(section: Section) -> Rule | None:
    kinds = [key for key in ("module_name", "module_type", "operator") if section.has(key)]
    if len(kinds) != 1:
        got = " with ".join(kinds) if kinds else "a rule for nothing"
        section.report("", got, "exactly one of module_name, module_type, operator")
        return None
    rule = read(section, Rule)
    return rule if rule.match and rule.scheme else None


def _data(section: Section, cls: type[D]) -> D:
    if section.has("seed") and section.has("data") and not section.has("samples"):
        section.report("seed", "seed without samples", "samples too: how many to choose at random")
    return read(section, cls)


def _golden(root: Section) -> Golden:
    section = root.section("golden")
    if section.has("accuracy") and not root.section("vectors").has("data"):
        section.report("accuracy", "accuracy without labels", "vectors.data with labels")
    return read(section, Golden)


def _pte(root: Section, targets: Sequence[Target]) -> Pte:
    section = root.section("pte")
    pte = read(section, Pte)
    if pte.external_weights and root.has("runtime") and any(target.npu != "none" for target in targets):
        remedy = "a firmware has model.pte alone, and cannot read model.ptd; delete the key, or the section runtime"
        section.report("external_weights", "true with runtime", "false", remedy)
    return pte


def _header(section: Section, name: str) -> Header:
    symbol = section.text("symbol")
    if symbol in _KEYWORDS.split():
        section.report("symbol", quoted(symbol), "a C identifier", f"{symbol} is a word of C or C++")
    derived = re.sub(r"[^A-Za-z0-9_]", "_", f"{name}_pte")
    default = f"model_{derived}" if derived[0].isdigit() else derived
    return read(section, Header, symbol=symbol or default)
