"""Refuses what ExecuTorch's quantiser cannot prepare with a recipe's settings, and says what it can prepare.

It changes no setting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from etbuild.compile.exported_program import source_line
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.recipe.data_sections import Quantize, Rule


def check(settings: Quantize, graph_module: Any, matches: Callable[[Rule, Any], bool]) -> None:
    """raises: StepError with the line of the model."""
    import torch

    for node in graph_module.graph.nodes:
        rule = next((one for one in settings.rules if matches(one, node)), None)
        scheme = rule.scheme if rule else settings.scheme
        line = source_line(node.meta.get("stack_trace"))
        where = f"{line}: " if line else ""
        if node.target is torch.ops.aten.conv_transpose2d.input and scheme == "a8w4" and settings.per_channel:
            raise StepError(
                f"{where}quantize.scheme: got a8w4 for a transposed convolution, wanted another scheme for it\n"
                "    ExecuTorch has no weights of 4 bits per channel there; add the rule "
                "{operator: conv_transpose2d, scheme: int8}, or write per_channel: false"
            )
        if settings.qat.source and node.target is torch.ops.higher_order.while_loop:
            raise StepError(
                f"{where}quantize.qat: got a model with while_loop, wanted one without a loop\n"
                "    torchao prepares no body of a loop for training; delete qat, or unroll the loop"
            )
