"""`etbuild weights`: the weights of a TensorFlow Lite file, as those of a recipe's model. It builds nothing."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.errors import UsageError

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tflite", metavar="MODEL.tflite", type=Path)
    parser.add_argument("--recipe", metavar="NAME", required=True, help="the recipe whose model has this network")
    parser.add_argument("--output", metavar="FILE", type=Path, help=".safetensors; beside the model by default")
    parser.add_argument("--force", action="store_true", help="replace the file")


def run(arguments: argparse.Namespace) -> int:
    """raises: UsageError for what is no such network, and for a file that exists."""
    recipe = _recipe(arguments.recipe)
    output = arguments.output or _beside(recipe)
    if output.suffix != ".safetensors":
        raise UsageError(f"--output: got {output}, wanted a file that ends in .safetensors")
    if output.exists() and not arguments.force:
        raise UsageError(
            f"{output}: got an existing file, wanted none\n    --force replaces it; --output names another"
        )
    from etbuild.compile import compiler_imports
    from etbuild.compile.tflite_file import read_tflite

    read_tflite(arguments.tflite)
    compiler_imports.load_torch()
    from etbuild.compile.tflite_weights import weights_from

    taken = weights_from(arguments.tflite, _program(recipe), str(recipe.model.source or recipe.model.entry))
    _write(output, taken.state)
    integers = sum(one.quantized for one, _ in taken.pairs)
    kinds = f"; {integers} were integers and are dequantised, so they are no finer than those" if integers else ""
    norms = sum(layer.norm is not None for _, layer in taken.pairs)
    folded = f"; {norms} batch normalisations are the identity now" if norms else ""
    print(f"{output}: {len(taken.pairs)} layers of {arguments.tflite.name}{kinds}{folded}")
    if recipe.model.weights is None:
        print(f"    name it in {recipe.files[0]}: model: {{weights: {_from_recipe(output, recipe)}}}")
    return 0


def _recipe(name: str) -> Recipe:
    from etbuild.errors import RecipeError
    from etbuild.recipe.load import load_each

    found = load_each(Path.cwd())
    if name in found.broken:
        raise RecipeError(found.problems)
    named = {one.name: one for one in found.recipes}
    if name not in named:
        known = ", ".join(named) or "those of a project, which has recipes/*.yaml"
        raise UsageError(f"--recipe: got {name}, wanted one of {known}")
    return named[name]


def _beside(recipe: Recipe) -> Path:
    if recipe.model.source is None:
        raise UsageError("--output: got nothing, wanted a file: the recipe's model has no source to write it beside")
    return recipe.model.source.with_suffix(".safetensors")


def _program(recipe: Recipe) -> Any:
    """The model as it is exported, with whatever weights it has."""
    from dataclasses import replace

    from etbuild.compile.exporting import export

    if recipe.model.methods:
        raise UsageError(f"{recipe.name}: got a model with methods, wanted a model with one")
    return export(replace(recipe.model, weights=None), recipe.export)


def _write(output: Path, state: dict[str, Any]) -> None:
    from safetensors.torch import save

    partial = output.with_name(f"{output.name}.partial")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(save(state))
        partial.replace(output)
    except OSError as error:
        raise UsageError(f"--output: got {output}: {error.strerror}, wanted a file that can be written") from error


def _from_recipe(output: Path, recipe: Recipe) -> str:
    return Path(os.path.relpath(output, recipe.files[0].parent)).as_posix()
