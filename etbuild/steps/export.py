"""The model as an exported program: build/<recipe>/export/exported.pt2. It quantises and lowers nothing.

The float program, captured once for all targets, with a list of the project's files that the model read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etbuild.build_engine.step import Step
from etbuild.errors import exit_code_of
from etbuild.recipe.recipe import DynamicDim, Model, Recipe
from etbuild.steps.options import dynamic_shapes, option, read_dim, read_input, write_dim, write_input


def step(recipe: Recipe) -> Step:
    folder = Path("build") / recipe.name / "export"
    model = recipe.model
    inputs = [path for path in (model.source, model.program, model.weights) if path]
    inputs += [spec.file for spec in model.inputs if spec.file]
    argv = [
        *option("--source", model.source),
        *option("--entry", model.entry),
        *option("--builtin", model.builtin),
        *option("--program", model.program),
        *option("--weights", model.weights),
        *(word for spec in model.inputs for word in ("--input", write_input(spec))),
        *([] if recipe.export.strict else ["--no-strict"]),
        *(word for dim in recipe.export.dynamic_shapes for word in ("--dynamic", write_dim(dim))),
        "--output",
        str(folder / "exported.pt2"),
        "--depfile",
        str(folder / "deps.json"),
    ]
    return Step(
        name=f"export:{recipe.name}",
        argv=tuple(argv),
        inputs=tuple(dict.fromkeys(inputs)),
        outputs=(folder / "exported.pt2", folder / "deps.json"),
        tools=("python", "torch", "safetensors", *(("executorch",) if model.builtin else ())),
        depfile=folder / "deps.json",
    )


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    model = Model(
        options.source, options.entry, options.builtin, options.program, options.weights, tuple(options.input)
    )
    from etbuild.compile import compiler_imports
    from etbuild.compile.depfile import Reads, write_depfile
    from etbuild.compile.exported_program import save_program
    from etbuild.compile.model import import_path

    if model.builtin:
        compiler_imports.load_executorch()
    compiler_imports.load_quantized_operators()
    reads = Reads()
    with reads.traced(), import_path():
        program = export(model, options.strict, tuple(options.dynamic))
    save_program(program, options.output)
    declared = {model.source, model.program, model.weights, *(spec.file for spec in model.inputs)}
    write_depfile(options.depfile, reads.files(), declared)
    return 0


def export(model: Model, strict: bool, dynamic: Sequence[DynamicDim]) -> Any:
    """The exported program of a recipe's model; what the user's code raises is told by the user's lines."""
    import torch

    from etbuild.compile.model import load_model, users_code

    place = str(model.source or model.entry or model.program or model.builtin)
    module, inputs = load_model(model)
    is_program = isinstance(module, torch.export.ExportedProgram)
    module = module.module(check_guards=False) if is_program else module.eval()
    module.requires_grad_(False)
    with users_code(f"{place}: forward, called with its example inputs"), torch.no_grad():
        module(*inputs)
    with users_code(f"{place}: torch.export"):
        return torch.export.export(module, inputs, dynamic_shapes=dynamic_shapes(inputs, dynamic), strict=strict)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.steps.export", description=__doc__, allow_abbrev=False)
    parser.add_argument("--source", type=Path, help="a .py that defines ModelUnderTest and ModelInputs")
    parser.add_argument("--entry", help="function in the source, or module:function; it returns (module, inputs)")
    parser.add_argument("--builtin", help="a name of executorch.examples.models")
    parser.add_argument("--program", type=Path, help="an exported .pt2")
    parser.add_argument("--weights", type=Path, help=".safetensors, or a .pt state_dict")
    parser.add_argument("--input", type=read_input, action="append", default=[], help="file=F, or shape=1x3,dtype=...")
    parser.add_argument("--no-strict", dest="strict", action="store_false", help="export by tracing Python")
    parser.add_argument("--dynamic", type=read_dim, action="append", default=[], help="input:axis:name:low:high")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--depfile", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
