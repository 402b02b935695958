"""Reads what a build has written about a variant's layers, for their comparison. It runs nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.exported_program import load_program
from etbuild.compile.inputs import inputs_of
from etbuild.compile.samples import read_samples
from etbuild.host.recording import RecordedProgram
from etbuild.npu.debug_database import read_layers
from etbuild.verify.executed_values import Built
from etbuild.verify.golden import RANDOM_VECTORS
from etbuild.verify.host_run import own_kernels
from etbuild.verify.layer_numbers import Compared
from etbuild.verify.tosa_reference import TosaGraph

if TYPE_CHECKING:
    from etbuild.recipe.data_sections import Data


@dataclass(frozen=True, kw_only=True)
class LayerFiles:
    """What is read.

    ptd:       of a .pte whose weights are outside of it.
    nodes:     operators.json.
    delegates: folder with 0.tosa, 1.tosa...
    vela:      folder with Vela's debug databases; None without an NPU.
    kernels:   of the user, for the host.
    """

    pte: Path
    ptd: Path | None
    exported: Path
    quantized: Path
    nodes: Path
    golden: Path
    delegates: Path
    vela: Path | None
    vectors: Data
    memory_limit: int
    kernels: tuple[Path, ...]


def compared(files: LayerFiles) -> Compared:
    """The programs, their samples and what is known of the build. raises: StepError for a file that cannot be used."""
    import numpy as np

    exported, quantized = load_program(files.exported), load_program(files.quantized)
    samples = read_samples(files.vectors, inputs_of(*exported.example_inputs), RANDOM_VECTORS)
    with np.load(files.golden) as file:
        golden = dict(file)
    kernels = own_kernels(files.kernels)
    program = RecordedProgram(files.pte, files.ptd, memory_limit=files.memory_limit, kernels=kernels)
    return Compared(quantized, exported, samples, program, golden, _built(files))


def _built(files: LayerFiles) -> Built:
    known: dict[str, Any] = json.loads(files.nodes.read_text())
    every = range(len(known["delegates"]))
    databases = [files.vela / f"{number}_debug.xml" for number in every] if files.vela else []
    graphs = [TosaGraph(files.delegates / f"{number}.tosa") for number in every]
    return Built(known["delegates"], known["instructions"], [read_layers(path) for path in databases], graphs)
