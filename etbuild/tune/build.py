"""Builds candidates in this process, from the exported program to a run of the .pte on the host: cycles and bytes are
Vela's, the error is that of the command stream on an emulated NPU. It writes nothing that a build keeps.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.compile.compiler_imports import serializer
from etbuild.compile.exported_program import load_program
from etbuild.compile.inputs import inputs_of
from etbuild.compile.lowering import lower_program
from etbuild.compile.pte_writer import assemble
from etbuild.compile.quantizing import quantize
from etbuild.compile.samples import read_samples
from etbuild.compile.vela import compile_delegate, estimate, total
from etbuild.errors import StepError, first_line
from etbuild.host.program import HostProgram
from etbuild.rewrite.rewriter import Cost, Rewriter
from etbuild.tune.candidate import rewrite_rules, target_of
from etbuild.verify.compare import accuracy, against_float
from etbuild.verify.golden import RANDOM_VECTORS
from etbuild.verify.program_values import values_of

if TYPE_CHECKING:
    from etbuild.compile.lowering import Lowering
    from etbuild.compile.samples import Samples
    from etbuild.hardware.target import Target
    from etbuild.recipe.data_sections import Data, Quantize
    from etbuild.recipe.model_sections import Export
    from etbuild.tune.candidate import Candidate

FIGURES = ("cycles", "pte_bytes", "sram_bytes", "sqnr_db")


@dataclass(frozen=True)
class Subject:
    """What candidates are built from.

    worst: modules of the model's layers, those that cost most by their values first.
    narrow: modules that cannot be in int16x8.
    rules: of the recipe, that change delegates' graphs.
    """

    exported: Path
    target: Target
    quantize: Quantize
    export: Export
    vectors: Data
    worst: tuple[tuple[str, ...], ...]
    narrow: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


class _Built(NamedTuple):
    """A compiled candidate. rows: of vela.json. outputs: of the .pte on the vectors, by number, [samples, ...] each."""

    rows: list[dict[str, Any]]
    pte_bytes: int
    outputs: list[Any]


class Builder:
    """Builds for one subject; what all candidates share is computed once."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        program = load_program(subject.exported)
        self._samples: Samples = read_samples(subject.vectors, inputs_of(*program.example_inputs), RANDOM_VECTORS)
        names = [node.name for node in program.graph.output_node().all_input_nodes]
        found = values_of(program, names, self._samples.inputs)
        self._wanted = [[values[name] for name in names] for values in found]

    def build(self, some: Sequence[Candidate]) -> list[dict[str, Any]]:
        """The figures of candidates of which `lowered` is the same; {"why": ...} for one that cannot be built."""
        try:
            with _quiet():
                lowered = self._lowered(some[0])
                plain = self._compiled(lowered, some[0].lowered)
        except StepError as error:
            return [_why(error)] * len(some)
        return [self._figures(lowered, plain, one) for one in some]

    def _lowered(self, candidate: Candidate) -> Lowering:
        one = self._subject
        settings = candidate.quantize(one.quantize, one.worst, one.narrow)
        quantized, _ = quantize(load_program(one.exported), settings, one.target.profile, one.export)
        return lower_program(quantized, one.target.profile, "float32", one.exported)

    def _figures(self, lowered: Lowering, plain: _Built, candidate: Candidate) -> dict[str, Any]:
        """plain: as built without what is behind lowering. A rule that changed a result would be no better setting."""
        import numpy as np

        try:
            with _quiet():
                built = plain if candidate == candidate.lowered else self._compiled(lowered, candidate)
        except StepError as error:
            return _why(error)
        if not all(map(np.array_equal, built.outputs, plain.outputs)):
            return {"why": "a rule of rewrite changes the results"}
        sums = total(built.rows)
        return {
            "cycles": sums["cycles"]["total"],
            "pte_bytes": built.pte_bytes,
            "sram_bytes": sums["memory_bytes"]["sram"],
            "on_cpu": lowered.partition["compute"] - lowered.partition["compute_on_npu"],
            **self._quality(built.outputs),
        }

    def _compiled(self, lowered: Lowering, candidate: Candidate) -> _Built:
        rules = rewrite_rules(candidate, self._subject.rules)
        target = target_of(candidate, self._subject.target)
        with tempfile.TemporaryDirectory() as folder:
            rows, streams = _compiled(lowered.graphs, target, rules, Path(folder))
        with serializer() as made:
            pte = assemble(made, lowered.lowered, streams, target, False)
        return _Built(rows, len(pte), self._run(HostProgram(pte)))

    def _run(self, program: HostProgram) -> list[Any]:
        """The outputs, by number, [samples, ...] each."""
        import numpy as np

        rows = [program.run(*(leaf.numpy() for leaf in sample)) for sample in self._samples.inputs]
        return [np.stack(column) for column in zip(*rows, strict=True)]

    def _quality(self, outputs: Sequence[Any]) -> dict[str, Any]:
        import numpy as np

        wanted = [np.stack(column) for column in zip(*self._wanted, strict=True)]
        errors = [against_float(got, right)["sqnr_db"] for got, right in zip(outputs, wanted, strict=True)]
        known = [error for error in errors if error is not None]
        labels = self._samples.labels
        return {
            "sqnr_db": round(min(known), 3) if known else None,
            "accuracy": accuracy(outputs[0], labels) if labels is not None else None,
        }


def builds_for(subject: Subject) -> Callable[[Sequence[Candidate]], list[dict[str, Any]]]:
    """What a process for candidates answers: as `Builder.build`; {"lost": why} for errors that nobody has foreseen."""
    import torch

    torch.set_num_threads(1)
    builder = Builder(subject)

    def answer(group: Sequence[Candidate]) -> list[dict[str, Any]]:
        try:
            return builder.build(group)
        except Exception as error:  # Compilers raise what they like; another candidate may be built.
            return [{"lost": first_line(error)}] * len(group)

    return answer


def _compiled(
    graphs: Sequence[bytes], target: Target, rules: Sequence[str], folder: Path
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Rows of vela.json, and command streams. folder: an empty one."""
    rows, streams = [], []

    def cost(content: bytes) -> Cost:
        return Cost.of_row(estimate(content, target))

    for number, content in enumerate(graphs):
        graph, output = folder / f"{number}.tosa", folder / f"vela{number}"
        graph.write_bytes(content)
        if rules:
            # Step rewrite compares each rule with the TOSA reference model, which takes most of its time.
            rewriter = Rewriter(str(graph), cost, lambda _: "")
            graph.write_bytes(rewriter.rewrite(content, rules))
        output.mkdir()
        rows.append(compile_delegate(graph, target, output))
        streams.append((output / f"{number}.bin").read_bytes())
    return rows, streams


def _why(error: StepError) -> dict[str, Any]:
    return {"why": str(error).splitlines()[0]}


@contextlib.contextmanager
def _quiet() -> Any:
    """Without what compilers print: a search runs them often."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
