"""Runs models on a whole data set: the float and the quantised one in PyTorch, the compiled program on the host.

Each process computes one sample at a time with one thread, so that the answers do not depend on how many cores there
are. A model that keeps state gets all samples in order, in one process. Nothing is compared here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.inputs import inputs_of
from etbuild.compile.simulated_integers import faster
from etbuild.compile.states import functional, states_of
from etbuild.system.processors import processors
from etbuild.verify.answers import AnswersFolder
from etbuild.verify.compare import QuantParams, dequantize, quantize
from etbuild.verify.sample_workers import for_each_sample

if TYPE_CHECKING:
    from etbuild.host.program import HostProgram
    from etbuild.verify.data_set import Dataset

Run = Callable[[Sequence[Any]], list[Any]]


def predict(programs: Mapping[str, Any], data: Dataset, folder: Path) -> None:
    """Run ExportedPrograms, by the names of their answers, on all samples. raises: StepError."""
    has_state = any(states_of(functional(program)) for program in programs.values())
    _answer({name: _in_pytorch(program) for name, program in programs.items()}, data, folder, has_state)


def execute(
    program: HostProgram, border: Mapping[str, Sequence[QuantParams | None]], source: Any, data: Dataset, folder: Path
) -> None:
    """Run a compiled program on all samples.

    border: quantisation parameters of its inputs and outputs, as partition.json has them.
    source: the ExportedProgram that it was made from.
    raises: StepError.
    """
    _answer({"executed": _on_host(program, border)}, data, folder, bool(states_of(functional(source))))


def _answer(models: Mapping[str, Run], data: Dataset, folder: Path, has_state: bool) -> None:
    answers, count = AnswersFolder(folder, data), len(data.names)

    def work(number: int) -> None:
        leaves = data.read(number)
        arrays = _arrays(leaves)
        answers.set_digest(number, arrays)
        for name, run in models.items():
            answers.set(name, number, arrays, run(leaves))

    # The first one here: its outputs say what the arrays are like.
    leaves = data.read(0)
    for name, run in models.items():
        found = run(leaves)
        answers.begin(name, _arrays(leaves), found)
        answers.set(name, 0, _arrays(leaves), found)
    answers.set_digest(0, _arrays(leaves))
    for_each_sample(range(1, count), work, 1 if has_state else processors(), " and ".join(models))
    answers.end()


def _arrays(leaves: Sequence[Any]) -> list[Any]:
    """The tensors among the leaves."""
    import torch

    return [leaf.numpy() for leaf in leaves if isinstance(leaf, torch.Tensor)]


def _in_pytorch(program: Any) -> Run:
    import torch
    from torch.utils import _pytree as pytree

    example = inputs_of(*program.example_inputs)
    module = faster(program.module(check_guards=False))

    def run(leaves: Sequence[Any]) -> list[Any]:
        with torch.inference_mode():
            found = pytree.tree_leaves(example.with_leaves(leaves).call(module))
            return [_array(value) for value in found]

    return run


def _array(value: Any) -> Any:
    """A copy: the next run may change what a tensor refers to."""
    import numpy as np
    import torch

    return value.detach().clone().contiguous().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _on_host(program: HostProgram, border: Mapping[str, Sequence[QuantParams | None]]) -> Run:
    def given(leaf: Any, index: int) -> Any:
        info, params = program.inputs[index], border["inputs"][index]
        if info.dtype == "none":
            return None
        array = _array(leaf)
        return quantize(array, params) if params and info.dtype[0] in "iu" and array.dtype.kind == "f" else array

    def run(leaves: Sequence[Any]) -> list[Any]:
        found = program.run(*(given(leaf, index) for index, leaf in enumerate(leaves)))
        both = zip(found, border["outputs"], strict=True)
        return [dequantize(array, params) if params and array.dtype.kind in "iu" else array for array, params in both]

    return run
