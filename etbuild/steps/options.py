"""Parts of a recipe as words of a step's command line, and back: what `write` makes, `read` takes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etbuild.errors import StepError
from etbuild.recipe.recipe import Data, DynamicDim, InputSpec, Rule


def option(name: str, value: object | None) -> list[str]:
    """The option and its value; nothing when there is no value."""
    return [] if value is None else [name, str(value)]


def write_input(spec: InputSpec) -> str:
    if spec.file:
        return f"file={spec.file}"
    shape = "x".join(str(size) for size in spec.shape)
    return f"shape={shape},dtype={spec.dtype},low={spec.low!r},high={spec.high!r},seed={spec.seed}"


def read_input(text: str) -> InputSpec:
    if text.startswith("file="):
        return InputSpec(file=Path(text.removeprefix("file=")))
    words = dict(word.split("=", 1) for word in text.split(","))
    try:
        return InputSpec(
            shape=tuple(int(size) for size in words["shape"].split("x") if size),
            dtype=words["dtype"],
            low=float(words["low"]),
            high=float(words["high"]),
            seed=int(words["seed"]),
        )
    except KeyError as missing:
        raise ValueError(f"no {missing.args[0]}= in {text}") from missing


def write_dim(dim: DynamicDim) -> str:
    return f"{dim.input}:{dim.axis}:{dim.name}:{dim.low}:{dim.high}"


def read_dim(text: str) -> DynamicDim:
    index, axis, name, low, high = text.split(":")
    return DynamicDim(int(index), int(axis), name, int(low), int(high))


def write_rule(rule: Rule) -> str:
    return f"{rule.kind}:{rule.match}:{rule.scheme}"


def read_rule(text: str) -> Rule:
    kind, rest = text.split(":", 1)
    match, scheme = rest.rsplit(":", 1)
    return Rule(kind, match, scheme)


def data_options(name: str, data: Data) -> list[str]:
    """--NAME FILE --NAME-samples N --NAME-seed S, as far as they are set."""
    return [
        *option(f"--{name}", data.data),
        *option(f"--{name}-samples", data.samples),
        *option(f"--{name}-seed", data.seed),
    ]


def add_data_options(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    parser.add_argument(f"--{name}", type=Path, help=f"{what}: .npy, .npz, .pt or a folder of them")
    parser.add_argument(f"--{name}-samples", type=int, help="how many to take")
    parser.add_argument(f"--{name}-seed", type=int, help="take a random choice by this seed")


def read_data(options: argparse.Namespace, name: str) -> Data:
    return Data(getattr(options, name), getattr(options, f"{name}_samples"), getattr(options, f"{name}_seed"))


def dynamic_shapes(inputs: Sequence[Any], dims: Sequence[DynamicDim]) -> tuple[dict[int, Any], ...] | None:
    """What torch.export takes as dynamic_shapes; None when every axis is fixed."""
    if not dims:
        return None
    import torch

    shapes: list[dict[int, Any]] = [{} for _ in inputs]
    names = {dim.name: torch.export.Dim(dim.name, min=dim.low, max=dim.high) for dim in dims}
    for dim in dims:
        if dim.input >= len(inputs) or dim.axis >= inputs[dim.input].dim():
            raise StepError(
                f"export.dynamic_shapes: got axis {dim.axis} of input {dim.input}, wanted one of the model's: "
                + ", ".join(f"input {index} {list(value.shape)}" for index, value in enumerate(inputs))
            )
        shapes[dim.input][dim.axis] = names[dim.name]
    return tuple(shapes)
