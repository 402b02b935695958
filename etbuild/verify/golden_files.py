"""Writes the expected outputs of a program, or of each of its methods, as golden.npz, and checks their limits.

What is expected, `golden.compute` says. It writes no report: step golden does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.compile import methods
from etbuild.compile.calibration import require_order
from etbuild.compile.exported_program import load_program
from etbuild.compile.inputs import inputs_of
from etbuild.compile.samples import read_samples
from etbuild.verify import golden
from etbuild.verify.cpu_operators import Compared, set_lines
from etbuild.verify.tosa_reference import TosaGraph

if TYPE_CHECKING:
    from etbuild.compile.lowered import Lowered
    from etbuild.recipe.data_sections import Data, Golden
    from etbuild.verify.golden import Expected


@dataclass(frozen=True)
class GoldenFiles:
    """What is read and written.

    exported, quantized, output: exported.pt2, quantized.pt2 and golden.npz; of a program with several methods folders
                                 with one a method.
    delegates:                   folder with 0.tosa, 1.tosa...
    """

    exported: Path
    quantized: Path
    delegates: Path
    output: Path
    vectors: Data


class _Part(NamedTuple):
    """What is expected of the program, or of one method.

    report: of golden.json.
    params: of quantisation, for each output.
    """

    expected: Expected
    report: dict[str, Any]
    params: list[Any]


class WrittenGolden(NamedTuple):
    """What was written. parts: by method; by "" for a program with one."""

    parts: Mapping[str, _Part]

    @property
    def report(self) -> dict[str, Any]:
        """golden.json: of several methods the lists one after the other, each entry with its method."""
        return _joined({name: part.report for name, part in self.parts.items()})

    @property
    def cpu_operators(self) -> Iterator[Compared]:
        """How PyTorch's results differ from ExecuTorch's."""
        for part in self.parts.values():
            yield from part.expected.cpu_operators

    def check_limits(self, limits: Golden) -> None:
        """raises: StepError for an output beyond a limit of the recipe; it names the method."""

        def check(name: str) -> None:
            part = self.parts[name]
            golden.check_limits(part.expected.outputs, part.params, limits, part.report)

        if "" in self.parts:
            check("")
        else:
            methods.for_each(list(self.parts), check)


def write_golden(files: GoldenFiles, lowered: Lowered, partition: Mapping[str, Any]) -> WrittenGolden:
    """Compute and write what is expected. partition: the content of partition.json.

    raises: StepError; it names the method.
    """
    if not methods.names_in(files.exported):
        return WrittenGolden({"": _write(files, lowered, partition["operators"], partition["border"])})
    methods.new_folder(files.output)
    programs = lowered.methods

    def write(name: str) -> _Part:
        operators = [one for one in partition["operators"] if one["method"] == name]
        return _write(_of_method(files, name), programs[name], operators, partition["border"][name])

    return WrittenGolden(methods.for_each(list(programs), write))


def _of_method(files: GoldenFiles, name: str) -> GoldenFiles:
    exported, quantized = (methods.file_of(folder, name) for folder in (files.exported, files.quantized))
    output, vectors = files.output / f"{name}.npz", methods.samples_of(files.vectors, name)
    return replace(files, exported=exported, quantized=quantized, output=output, vectors=vectors)


def _write(files: GoldenFiles, lowered: Lowered, operators: list[dict[str, Any]], border: dict[str, Any]) -> _Part:
    """operators: of partition.json. border: quantisation parameters of inputs and outputs."""
    import numpy as np

    exported, quantized = load_program(files.exported), load_program(files.quantized)
    require_order("vectors", files.vectors, exported)
    samples = read_samples(files.vectors, inputs_of(*exported.example_inputs), golden.RANDOM_VECTORS)
    graphs = [TosaGraph(files.delegates / f"{number}.tosa") for number in lowered.own_delegates]
    expected = golden.compute(lowered, graphs, (quantized, exported), samples, border["inputs"])
    set_lines(expected.cpu_operators, operators)
    np.savez(files.output, **expected.arrays(samples))
    return _Part(expected, golden.describe(expected, samples, border["outputs"]), border["outputs"])


def _joined(reports: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if "" in reports:
        return reports[""]
    joined: dict[str, Any] = {"vectors": 0, "outputs": [], "accuracy": None, "delegates": [], "cpu_operators": []}
    for name, report in reports.items():
        joined["vectors"] += report["vectors"]
        for delegate in report["delegates"]:
            joined["delegates"].append({"method": name, **delegate, "delegate": len(joined["delegates"])})
        for key in ("outputs", "cpu_operators"):
            joined[key] += [{"method": name, **entry} for entry in report[key]]
    return joined
