"""Whether a changed TOSA graph computes what the graph before it computed, to the last bit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from etbuild.errors import StepError
from etbuild.verify.tosa_reference import TensorSpec, TosaGraph

_SAMPLES = 4


class GraphBefore:
    """The graph before a change, and what the TOSA reference model computes with it: for the smallest and the largest
    numbers of the inputs' types, and for random ones.

    path: of the .tosa file.
    """

    def __init__(self, path: Path):
        self._graph = TosaGraph(path)

    def difference(self, content: bytes) -> str:
        """How the results of a changed graph differ, in words; empty when they are equal in every sample.

        raises: StepError when the reference model cannot compute the graph before the change.
        """
        import numpy as np

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "changed.tosa"
            path.write_bytes(content)
            changed = TosaGraph(path)
            for number, (inputs, wanted) in enumerate(self._samples):
                try:
                    outputs = changed.run(inputs)
                except StepError as error:
                    return f"sample {number}: {error}"
                for output, (got, right) in enumerate(zip(outputs, wanted, strict=True)):
                    differing = int(np.count_nonzero(got != right))
                    if got.shape != right.shape or differing:
                        return f"sample {number}: {differing} of {right.size} elements of output {output} differ"
        return ""

    @cached_property
    def _samples(self) -> list[tuple[list[Any], list[Any]]]:
        return [(inputs, self._graph.run(inputs)) for inputs in _inputs(self._graph.specs[0])]


def difference_on_random_inputs(before: Path, after: Path, seed: int, count: int) -> str:
    """How two graphs differ for some random inputs, in words; empty when their results are equal.

    before, after: .tosa files.
    """
    import numpy as np

    graphs = TosaGraph(before), TosaGraph(after)
    random = np.random.default_rng(seed)
    for number in range(count):
        inputs = [_random(random, spec) for spec in graphs[0].specs[0]]
        for output, (right, got) in enumerate(zip(*(graph.run(inputs) for graph in graphs), strict=True)):
            if got.shape != right.shape or (got != right).any():
                return f"seed {seed}, sample {number}: output {output} differs"
    return ""


def _inputs(specs: tuple[TensorSpec, ...]) -> Iterator[list[Any]]:
    import numpy as np

    random = np.random.default_rng(0)
    for edge in (0, 1):
        yield [np.full(spec.shape, _limits(spec.dtype)[edge], spec.dtype) for spec in specs]
    for _ in range(_SAMPLES):
        yield [_random(random, spec) for spec in specs]


def _random(random: Any, spec: TensorSpec) -> Any:
    if spec.dtype == "float32":
        return random.standard_normal(spec.shape, "float32")
    low, high = _limits(spec.dtype)
    return random.integers(low, high + 1, spec.shape).astype(spec.dtype)


def _limits(dtype: str) -> tuple[int, int]:
    """Of int32 a small range: such inputs are indices, or sums that must not overflow."""
    return {"int8": (-128, 127), "int16": (-32768, 32767)}.get(dtype, (0, 1))
