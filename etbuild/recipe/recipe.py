"""A recipe as data, validated and resolved; etbuild.recipe.load reads it from YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from etbuild.hardware.deploy_sections import Place
from etbuild.hardware.target import Target
from etbuild.recipe.data_sections import Data, Golden, Quantize, Vectors
from etbuild.recipe.model_sections import Export, Model
from etbuild.recipe.output_sections import Header, Pte
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
    export: Export = field(default_factory=Export)
    quantize: Quantize = field(default_factory=Quantize)
    vectors: Data = field(default_factory=Vectors)
    golden: Golden = field(default_factory=Golden)
    header: Header = field(default_factory=Header)
    pte: Pte = field(default_factory=Pte)
    runtime: Runtime | None = None
    run: Run = field(default_factory=Run)
    deploy: Place = field(default_factory=Place)
    env: tuple[tuple[str, str], ...] = ()

    @property
    def profiles(self) -> tuple[str, ...]:
        """The lowering profiles of its targets, each once, in order of first use."""
        return tuple(dict.fromkeys(target.profile for target in self.targets))
