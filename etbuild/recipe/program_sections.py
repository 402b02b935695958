"""The sections of a recipe about what happens to a program between export and emission: pass, exclude, partition,
memory_planning.

Each key is one field: see model_sections.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etbuild.config.setting import TEXT, section, setting
from etbuild.recipe.data_sections import OfModules

# Where a pass runs, in the order of the chain; the first two in step quantize, the others in step lower.
POINTS = ("aten", "quantized", "edge", "backend", "executorch")
POINTS_OF_QUANTIZE = POINTS[:2]
ALGORITHMS = ("greedy", "naive")
_NAME = "^[A-Za-z_][A-Za-z0-9_]*$"


@section(
    "pass",
    "One pass: where it runs, and the class or function that it is.",
    examples=[{"at": "edge", "source": "models/passes.py", "entry": "FoldMultiplications"}],
)
@dataclass(frozen=True)
class Pass:
    """A pass of the user over the program. at: of POINTS."""

    at: str = setting(
        "aten: the exported program, before quantisation; quantized: the quantised one, still in the ATen dialect;"
        " edge: in the edge dialect, before it is partitioned; backend: in the backend dialect, after that;"
        " executorch: the program's last form, before its memory is planned.",
        examples=["edge"],
        enum=list(POINTS),
    )
    source: Path = setting(
        "The .py that defines it.",
        examples=["models/passes.py"],
        wanted="the path of a .py file",
        suffixes=(".py",),
    )
    entry: str = setting(
        "A class without arguments (an ExportPass, or one whose objects take a GraphModule and return a PassResult), or"
        " a function that takes a GraphModule and returns a PassResult.",
        examples=["FoldMultiplications"],
        wanted="the name of a class or function",
        pattern=_NAME,
    )

    @property
    def title(self) -> str:
        """The pass for messages."""
        return f"{self.source}: pass {self.entry} at {self.at}"

    def to_argument(self) -> str:
        """The pass as one command-line argument of a step; `parse` reads it back."""
        return f"{self.at}:{self.source}:{self.entry}"

    @classmethod
    def parse(cls, text: str) -> Pass:
        """raises: ValueError."""
        at, rest = text.split(":", 1)
        source, entry = rest.rsplit(":", 1)
        if at not in POINTS:
            raise ValueError(f"{at} is no point of the chain")
        return cls(at, Path(source), entry)


@section(
    "exclude",
    "What stays on the CPU: exactly one of operator, module_name, module_type and node.",
    examples=[{"module_name": "classifier"}],
)
@dataclass(frozen=True)
class Exclude(OfModules):
    """Operators that no partitioner may take. Exactly one of the fields is set."""

    operator: str | None = setting(
        "Every call of an operator, by its name in partition.json: aten.convolution.default, or convolution for all"
        " its overloads.",
        None,
        examples=["convolution", "aten.add.Tensor"],
        wanted="the name of an operator",
        pattern=TEXT,
    )
    node: str | None = setting(
        "One node of the edge program, by its name in partition.json.",
        None,
        examples=["aten_add_tensor"],
        wanted="the name of a node",
        pattern=TEXT,
    )

    @property
    def kind(self) -> str:
        """Which of the fields is set."""
        return next(kind for kind, value in vars(self).items() if value is not None)

    @property
    def match(self) -> str:
        """The value of that field."""
        return str(getattr(self, self.kind))

    def to_argument(self) -> str:
        """The exclusion as one command-line argument of a step; `parse` reads it back."""
        return f"{self.kind}:{self.match}"

    @classmethod
    def parse(cls, text: str) -> Exclude:
        """raises: ValueError."""
        kind, match = text.split(":", 1)
        if kind not in cls.__dataclass_fields__:
            raise ValueError(f"{kind} is nothing to exclude by")
        return cls(**{kind: match})


@section(
    "partition",
    "Which operators the NPU may not take.",
    examples=[{"exclude": [{"module_name": "classifier"}, {"operator": "softmax"}]}],
)
@dataclass(frozen=True)
class Partition:
    """What limits ExecuTorch's partitioner."""

    exclude: tuple[Exclude, ...] = setting(
        "Operators that stay on the CPU although the NPU could run them.",
        (),
        examples=[[{"module_name": "classifier"}]],
        wanted="a list of what stays on the CPU",
        option="--exclude",
    )


@section(
    "memory_planning",
    "Where ExecuTorch puts tensors in memory: an algorithm of its own by name, or one of yours.",
    examples=[{"algorithm": "naive"}, {"source": "models/planner.py", "entry": "FastActivations"}],
)
@dataclass(frozen=True)
class MemoryPlanning:
    """How the memory of tensors is planned. Without source one of ExecuTorch's own algorithms."""

    algorithm: str = setting(
        "greedy: tensors that do not live at the same time share memory; naive: each has its own.",
        "greedy",
        examples=["naive"],
        enum=list(ALGORITHMS),
    )
    source: Path | None = setting(
        "The .py of a planner of your own.",
        None,
        examples=["models/planner.py"],
        wanted="the path of a .py file",
        suffixes=(".py",),
    )
    entry: str | None = setting(
        "A MemoryPlanningPass (a class), or an algorithm: a function with the parameters of those in"
        " executorch.exir.memory_planning.",
        None,
        examples=["FastActivations"],
        wanted="the name of a class or function",
        pattern=_NAME,
    )
    alloc_graph_input: bool = setting(
        "Whether the model's inputs have planned memory, which the caller's values are copied into; false: they are"
        " read where the caller has them.",
        True,
        examples=[False],
        off="--no-planned-input",
    )
    alloc_graph_output: bool = setting(
        "Whether the model's outputs have planned memory; false: they are written where the caller wants them.",
        True,
        examples=[False],
        off="--no-planned-output",
    )


PASSES: dict[str, Any] = {
    "description": "Passes of your own over the program, in this order at each point.",
    "type": "array",
    "items": {"$ref": "#/$defs/pass"},
    "x-wanted": "a list of passes",
    "examples": [[{"at": "edge", "source": "models/passes.py", "entry": "FoldMultiplications"}]],
}
PLANNING: dict[str, Any] = {
    "description": "Where tensors are in memory: the name of an algorithm of ExecuTorch, or a mapping.",
    "anyOf": [{"enum": list(ALGORITHMS)}, {"$ref": "#/$defs/memory_planning"}],
    "x-wanted": "greedy, naive, or a mapping with source and entry",
    "examples": ["naive", {"source": "models/planner.py", "entry": "FastActivations"}],
}
