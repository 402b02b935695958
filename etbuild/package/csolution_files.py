"""CMSIS csolution layers of a model, and the node `mlops` for the solution's target type. Text only; not built here.

csolution/<recipe>.clayer.yml             the model with etbuild's runtime, as sources
csolution/<recipe>.executorch.clayer.yml  the model with components of the pack PyTorch::ExecuTorch
csolution/<recipe>.mlops.yml              NPU and Vela settings, to be copied into the *.csolution.yml
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from etbuild.hardware.npus import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etbuild.package.content import Content

_RUNTIME = ("Runtime", "Kernel Utils", "Kernel Registration")
# By namespace of an operator: the category of its component.
_CATEGORIES = {
    "aten": "Portable",
    "dim_order_ops": "Portable",
    "quantized_decomposed": "Quantized",
    "cortex_m": "Cortex-M",
}


def texts(content: Content) -> dict[str, str]:
    """The files by path in the package."""
    name = content.spec.name
    files = {
        f"csolution/{name}.clayer.yml": _own_layer(content),
        f"csolution/{name}.executorch.clayer.yml": _executorch_layer(content),
    }
    return files | ({f"csolution/{name}.mlops.yml": _mlops(content)} if content.spec.npu else {})


def components(operators: Iterable[str]) -> list[str]:
    """The operator components of PyTorch::ExecuTorch for these operators, each once, sorted.

    One is named by the file of its kernel: quantized_decomposed::quantize_per_tensor.out is in `Quantized quantize`.
    """
    found = set()
    for operator in operators:
        namespace, _, rest = operator.partition("::")
        base = rest.partition(".")[0]
        if namespace == "quantized_decomposed":
            base = re.sub(r"_per_(tensor|channel|token|channel_group)$", "", base)
        elif namespace == "aten":
            base = base.lstrip("_")
        found.add(f"Machine Learning:ExecuTorch Operators:{_CATEGORIES.get(namespace, 'Portable')} {base}")
    return sorted(found)


def _own_layer(content: Content) -> str:
    spec = content.spec
    misc = ["    - for-compiler: GCC", "      CPP:", *(f"        - {flag}" for flag in ("-std=c++17", *content.flags))]
    return _layer(
        content,
        f"{spec.name} for {spec.npu or 'the CPU'}, with the runtime that it needs",
        [
            *_defines(content),
            "",
            "  add-path:",
            "    - ../src",
            "",
            "  misc:",
            *misc,
            "      ASM:",
            "        - -I../src",
            "",
            "  components:",
            "    - component: ARM::CMSIS:CORE",
            "",
            "  groups:",
            "    - group: Model",
            "      files:",
            "        - file: ../src/model.S",
            f"        - file: ../src/{content.ident}.h",
            "        - file: ../src/model.h",
            "    - group: Runtime",
            "      optimize: size",
            "      files:",
            *_sources(content),
        ],
    )


def _sources(content: Content) -> Iterable[str]:
    for source in (*content.sources["runtime"], "selection.cc"):
        yield f"        - file: ../src/{source}"
        own = content.own_flags.get(source, ())
        if own:
            yield from ("          misc:", "            - for-compiler: GCC", "              CPP:")
            yield from (f"                - {flag}" for flag in own)


def _executorch_layer(content: Content) -> str:
    backend = ("Backend EthosU",) if content.needs.family else ()
    rows = [
        *(f"    - component: Machine Learning:ExecuTorch:{one}" for one in (*_RUNTIME, *backend)),
        *(f"    - component: {one}" for one in components(content.needs.operators)),
    ]
    return _layer(
        content,
        f"{content.spec.name} for {content.spec.npu or 'the CPU'}, for ExecuTorch's runtime",
        [
            "  packs:",
            "    - pack: PyTorch::ExecuTorch",
            "",
            *_defines(content),
            "",
            "  add-path:",
            "    - ../src",
            "",
            "  misc:",
            "    - for-compiler: GCC",
            "      ASM:",
            "        - -I../src",
            "",
            "  components:",
            *rows,
            "",
            "  groups:",
            "    - group: Model",
            "      files:",
            "        - file: ../src/model.S",
            "        - file: ../src/model.h",
        ],
    )


def _layer(content: Content, description: str, rows: Iterable[str]) -> str:
    head = f"# model.pte with SHA-256 {content.digest}. Not built by etbuild: see docs/package.md.\n"
    return "\n".join([f"{head}layer:", "  type: AI", f"  description: {json.dumps(description)}", "", *rows]) + "\n"


def _defines(content: Content) -> list[str]:
    sizes = {f"{content.ident.upper()}_{part}_BYTES": str(size) for part, size in content.sizes.items()}
    ports = {name: value for name, value in content.definitions.items() if not value.startswith('"')}
    return ["  define:", *(f"    - {name}: {value}" for name, value in {**ports, **sizes}.items())]


def _mlops(content: Content) -> str:
    spec = content.spec
    npu = catalog().npus[spec.npu]
    return f"""\
# For a target type of the *.csolution.yml, beside board and device.
mlops:
  description: {json.dumps(f"{spec.name}, built by etbuild")}
  npu:
    type: {npu.family.title}
    macs: {npu.macs * npu.cores}
  vela:
    system: {spec.system_config}
    memory: {spec.memory_mode}
  model:
    clayer: {spec.name}.clayer.yml
    name: {spec.name}
"""
