"""Sets up ExecuTorch's quantiser from a recipe, and reports what it quantised. It does not calibrate."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from etbuild.compile import scheme_limits
from etbuild.compile.exported_program import source_line
from etbuild.compile.modules_of_nodes import is_of_module, module_names
from etbuild.compile.profiles import reference_spec
from etbuild.compile.schemes import config, io_config
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.recipe.data_sections import Quantize, Rule

_DEQUANTIZE = "quantized_decomposed.dequantize_per_"


def make_quantizer(settings: Quantize, profile: str, graph_module: Any) -> Any:
    """ExecuTorch's Ethos-U quantiser with the recipe's settings.

    graph_module: of the exported model.
    raises:       UnmatchedRuleError for a rule that matches none of its nodes.
    """
    from executorch.backends.arm.quantizer import EthosUQuantizer

    scheme_limits.check(settings, graph_module, _matches)
    quantizer = EthosUQuantizer(reference_spec(profile))
    quantizer.set_global(config(settings))
    # The last finder set has precedence; of several rules that match a node the first must count.
    for rule in reversed(settings.rules):
        _require_match(rule, graph_module)
        quantizer.quantizer.set_node_finder(config(settings, rule), _finder(rule))
    if settings.io == "uint8":
        quantizer.set_io(io_config(settings))
    return quantizer


def scheme_of(settings: Quantize, node: Any) -> tuple[str, bool]:
    """What a node of an exported graph is quantised to, and whether its weights have a scale for each channel."""
    rule = next((one for one in settings.rules if _matches(one, node)), None)
    if rule is None:
        return settings.scheme, settings.per_channel
    return rule.scheme, settings.per_channel if rule.per_channel is None else rule.per_channel


def describe(quantizer: Any, graph_module: Any) -> dict[str, Any]:
    """quantization.json: the patterns that the quantiser accepted and rejected, and each quantised tensor.

    quantizer:    from `make_quantizer`, here or in `cortex_m`, after it was used.
    graph_module: the converted model.
    """
    accepted: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    for part in getattr(quantizer, "quantizer", quantizer).quantizers:
        report = part.reporter.quantizers.get(part) if getattr(part, "reporter", None) else None
        if report is None:
            continue
        by = report.quantizer_info.targeted_nodes_description
        accepted += [
            {
                "nodes": [node.name for node in pattern.nodes],
                "by": by,
                "inputs": [line for node in pattern.nodes for line in node.qspec_input_map_lines],
                "output": pattern.nodes[-1].qspec_output,
            }
            for pattern in report.accepted_patterns
            if pattern.nodes
        ]
        rejected += [
            {"nodes": list(pattern.node_names), "by": by, "reason": pattern.rejection_reason}
            for pattern in report.rejected_patterns
        ]
    return {"tensors": list(tensors(graph_module)), "accepted": accepted, "rejected": rejected}


def _matches(rule: Rule, node: Any) -> bool:
    """Whether a rule applies to a node of an exported graph.

    By the rule's kind it matches:
    module_name: nodes of the module at that path, or inside it.
    module_type: nodes of modules of that class, with or without its package.
    operator:    "aten.conv2d.default", "aten.conv2d" or "conv2d".
    """
    if rule.kind == "operator":
        target = str(node.target)
        return node.op == "call_function" and rule.match in (target, target.rpartition(".")[0], *target.split(".")[1:2])
    return is_of_module(node, rule.kind, rule.match)


def _finder(rule: Rule) -> Any:
    from executorch.backends.arm.quantizer.arm_quantizer_utils import NodeFinder

    class RuleFinder(NodeFinder):  # type: ignore[misc]  # ExecuTorch's classes are untyped
        def find_nodes(self, model: Any) -> Iterator[Any]:
            return (node for node in model.graph.nodes if _matches(rule, node))

        def __repr__(self) -> str:
            return f"rule {rule.kind} {rule.match}: {rule.scheme}"

    return RuleFinder()


class UnmatchedRuleError(StepError):
    """A rule matches nothing in the model."""

    def __init__(self, rule: Rule, names: Sequence[str]):
        self.rule = rule
        super().__init__(
            f"quantize.rules: {rule.kind}: got {rule.match}, which matches nothing in the model, "
            f"wanted one of {', '.join(names) or 'none: the model has no such names'}"
        )


def _require_match(rule: Rule, graph_module: Any) -> None:
    """raises: UnmatchedRuleError, with the names in the model, when no node matches."""
    nodes = list(graph_module.graph.nodes)
    if any(_matches(rule, node) for node in nodes):
        return
    raise UnmatchedRuleError(rule, _names(rule.kind, nodes))


def _names(kind: str, nodes: Sequence[Any]) -> list[str]:
    if kind == "operator":
        return sorted({str(node.target) for node in nodes if node.op == "call_function"})
    return module_names(nodes, kind)


def tensors(graph_module: Any) -> Iterator[dict[str, Any]]:
    """Each quantised tensor once, in graph order: its name and kind, the model's line, its quantisation parameters."""
    seen = set()
    for node in graph_module.graph.nodes:
        if not str(node.target).startswith(_DEQUANTIZE) or node.args[0] in seen:
            continue
        source = node.args[0]
        seen.add(source)
        quantized = str(source.target).startswith("quantized_decomposed.quantize_per_")
        maker = source.args[0] if quantized else next(iter(node.users), node)
        name, kind = maker.name, "input" if maker.op == "placeholder" else "activation"
        if not quantized:
            kind = "bias" if "int32" in str(node.args[-1]) else "weight"
            name = f"{name}.{kind}"
        yield {"name": name, "kind": kind, "line": source_line(maker.meta.get("stack_trace")), **_quant_params(node)}


def _quant_params(node: Any) -> dict[str, Any]:
    """Quantisation parameters of a dequantize node: per tensor, or per channel with all scales."""
    if "per_channel" in str(node.target):
        _, scales, zero_points, axis, low, high, dtype = node.args[:7]
        return {
            "scheme": "per_channel",
            "dtype": str(dtype).removeprefix("torch."),
            "axis": axis,
            "scale": [float(scale) for scale in _constant(scales)],
            "zero_point": sorted({int(point) for point in _constant(zero_points)}),
            "range": [low, high],
        }
    _, scale, zero_point, low, high, dtype = node.args[:6]
    return {
        "scheme": "per_tensor",
        "dtype": str(dtype).removeprefix("torch."),
        "scale": float(scale),
        "zero_point": int(zero_point),
        "range": [low, high],
    }


def _constant(node: Any) -> Any:
    """The tensor that a node gives; in a program that was exported again an operator copies or converts it."""
    if node.op == "get_attr":
        return operator.attrgetter(node.target)(node.graph.owning_module)
    if node.op == "call_function":
        arguments = [_constant(one) if hasattr(one, "target") else one for one in node.args]
        return node.target(*arguments, **node.kwargs)
    return ()
