"""What engine executorch reads of ExecuTorch's own source, to register the operators that a model calls and no others.

The source's code generation runs in this Python, which has PyTorch's; nothing of the source is compiled but what it
generates.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etbuild.errors import MissingTool

# By what it is: files and folders of the source that the result depends on.
CODE_GENERATION = {
    "cmake": "tools/cmake",
    "generator": "codegen",
    "portable": "kernels/portable/functions.yaml",
    "quantized": "kernels/quantized/quantized.yaml",
    "cortex_m": "backends/cortex_m/ops/operators.yaml",
}
# By namespace of an operator: its family. All others are portable; the runtime itself registers the last.
_FAMILIES = {"quantized_decomposed": "quantized", "cortex_m": "cortex_m", "executorch_prim": ""}


def find_source(source: Path) -> Path:
    """ExecuTorch's source, absolute.

    source: runtime.source of the recipe.
    raises: MissingTool with what it lacks.
    """
    missing = [name for name in CODE_GENERATION.values() if not (source / name).exists()]
    if missing:
        raise MissingTool(
            f"{source}: got no {missing[0]}, wanted ExecuTorch's source\n"
            "    set runtime.source to a checkout of the version that the prefix was built from"
        )
    return source.absolute()


def family_settings(operators: Sequence[str]) -> dict[str, str]:
    """CMake variables ETB_<FAMILY>_OPERATORS with the operators of each family that has some, separated by commas."""
    families: dict[str, list[str]] = {}
    for operator in operators:
        family = _FAMILIES.get(operator.partition("::")[0], "portable")
        if family:
            families.setdefault(family, []).append(operator)
    return {f"ETB_{family.upper()}_OPERATORS": ",".join(names) for family, names in sorted(families.items())}
