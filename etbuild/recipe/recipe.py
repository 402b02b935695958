"""A recipe as data, validated and resolved; etbuild.recipe.load reads it from YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from etbuild.hardware.deploy_sections import Place
from etbuild.hardware.target import Target
from etbuild.recipe.data_sections import Data, Golden, Quantize, Vectors
from etbuild.recipe.evaluate_sections import Evaluate
from etbuild.recipe.model_sections import Export, Model
from etbuild.recipe.operator_sections import Operators
from etbuild.recipe.output_sections import Header, Pte, Report
from etbuild.recipe.program_sections import MemoryPlanning, Partition, Pass
from etbuild.recipe.rewrite_sections import Rewrite
from etbuild.recipe.runtime_sections import Run, Runtime


@dataclass(frozen=True)
class Recipe:
    """One recipe with every default filled in.

    name:    the file's name without .yaml.
    files:   the files that it was read from: its own, those it extends, the user's Vela config files and board.
    env:     the environment variables that its paths use, with their values.
    """

    name: str
    files: tuple[Path, ...]
    model: Model
    targets: tuple[Target, ...]
    operators: tuple[Operators, ...] = ()
    export: Export = field(default_factory=Export)
    quantize: Quantize = field(default_factory=Quantize)
    passes: tuple[Pass, ...] = ()
    partition: Partition = field(default_factory=Partition)
    memory_planning: MemoryPlanning = field(default_factory=MemoryPlanning)
    rewrite: Rewrite = field(default_factory=Rewrite)
    vectors: Data = field(default_factory=Vectors)
    golden: Golden = field(default_factory=Golden)
    evaluate: Evaluate = field(default_factory=Evaluate)
    header: Header = field(default_factory=Header)
    pte: Pte = field(default_factory=Pte)
    runtime: Runtime | None = None
    run: Run = field(default_factory=Run)
    report: Report = field(default_factory=Report)
    deploy: Place = field(default_factory=Place)
    env: tuple[tuple[str, str], ...] = ()

    @property
    def profiles(self) -> tuple[str, ...]:
        """The lowering profiles of its targets, each once, in order of first use."""
        return tuple(dict.fromkeys(target.profile for target in self.targets))

    @property
    def runs_our_runtime(self) -> bool:
        """Whether the program runs in etbuild's runtime, on the host or in a firmware."""
        in_firmware = self.runtime is not None and self.runtime.engine == "etbuild"
        return in_firmware or self.run.on in ("host", "auto")

    @property
    def operator_files(self) -> tuple[Path, ...]:
        """The files that register the user's operators."""
        return tuple(one.registers for one in self.operators)

    @property
    def kernels(self) -> tuple[Path, ...]:
        """The C++ files with the user's kernels, and their headers."""
        return tuple(dict.fromkeys(Path(text) for one in self.operators for text in one.kernels))
