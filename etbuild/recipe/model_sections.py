"""The sections of a recipe about the model and its export: model, input, export, dynamic_axis.

Each key is one field, with its description and limits. From these fields come schemas/recipe.schema.json, the reader,
and the options of the steps' command lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etbuild.config.setting import TEXT, section, setting
from etbuild.recipe.method_sections import Method

LARGEST = 2**31 - 1
DTYPES = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")


@section(
    "input",
    "One example input: random values of a shape, or an array from a file.",
    examples=[{"shape": [1, 1, 28, 28], "dtype": "float32", "range": [0.0, 1.0]}],
)
@dataclass(frozen=True)
class InputSpec:
    """One input of the model: random values, or an array from a file.

    shape: with the batch axis; () when the input comes from a file.
    dtype: a torch name: float32, int8, int32, int64, bool...
    range: lowest and highest of the uniform random values, in the unit of the input; () for the default.
    """

    shape: tuple[int, ...] = setting(
        "Its shape, batch included; [] is a single value.",
        (),
        examples=[[1, 1, 28, 28]],
        unit="elements",
        wanted="a list of sizes",
        maxItems=8,
        items={"minimum": 1, "maximum": LARGEST},
    )
    dtype: str = setting("Its element type, as torch names it.", "float32", examples=["float32"], enum=list(DTYPES))
    range: tuple[float, ...] = setting(
        "Lowest and highest random value; integers may take both. Floats default to [-1, 1]; integers have no default,"
        " for what they mean is the model's affair (an index must stay inside its table).",
        (),
        examples=[[-1.0, 1.0], [0, 255]],
        unit="the input's own",
        wanted="[lowest, highest]",
        minItems=2,
        maxItems=2,
    )
    seed: int = setting("Seed of the random values.", 0, examples=[0], minimum=0, maximum=2**32 - 1)
    file: Path | None = setting(
        "An array saved as .npy, or a tensor saved as .pt, with its batch axis. A .pt may have all inputs, in a tuple"
        " or dict.",
        None,
        examples=["data/x.npy"],
        wanted="the path of a .npy, .pt or .pth file",
        suffixes=(".npy", ".pt", ".pth"),
    )

    def to_argument(self) -> str:
        """The input as one command-line argument of a step; `parse` reads it back."""
        if self.file:
            return f"file={self.file}"
        shape = "x".join(str(size) for size in self.shape)
        low, high = self.range or (-1.0, 1.0)
        return f"shape={shape},dtype={self.dtype},low={low!r},high={high!r},seed={self.seed}"

    @classmethod
    def parse(cls, text: str) -> InputSpec:
        """raises: ValueError."""
        if text.startswith("file="):
            return cls(file=Path(text.removeprefix("file=")))
        parts = dict(part.split("=", 1) for part in text.split(","))
        try:
            shape = tuple(int(size) for size in parts["shape"].split("x") if size)
            limits = (float(parts["low"]), float(parts["high"]))
            return cls(shape, parts["dtype"], limits, int(parts["seed"]))
        except KeyError as missing:
            raise ValueError(f"no {missing.args[0]}= in {text}") from missing


@section(
    "model",
    "Where the model comes from: exactly one of source, entry alone, builtin, module and program.",
    examples=[{"source": "models/mnist.py", "weights": "models/mnist.safetensors"}, {"builtin": "add"}],
    **{"x-wanted": "a mapping that says where the model comes from"},
)
@dataclass(frozen=True)
class Model:
    """Where the model comes from: exactly one of source, builtin, module and program, or entry alone."""

    source: Path | None = setting(
        "A .py that defines ModelUnderTest (a torch.nn.Module) and ModelInputs (a tuple, or a dict of keyword inputs;"
        " with ModelKeywordInputs both), or the factory that `entry` names.",
        None,
        examples=["models/mnist.py"],
        wanted="the path of a .py file",
        suffixes=(".py",),
    )
    entry: str | None = setting(
        "A factory without arguments that returns (module, inputs) or (module, inputs, keyword inputs): a function of"
        " `source`, or `module:function` that can be imported from the project.",
        None,
        examples=["make_model", "models.mnist:make_model"],
        wanted="function or module:function",
        pattern=r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*:)?[A-Za-z_]\w*$",
    )
    builtin: str | None = setting(
        "The name of a model of executorch.examples.models. Some need a further package: mv2, mv3, resnet18 and others"
        " need torchvision.",
        None,
        examples=["add", "linear"],
        wanted="the name of a model of executorch.examples.models",
        pattern="^[A-Za-z0-9_.-]+$",
    )
    module: Path | None = setting(
        "A torch.nn.Module saved whole by torch.save; its example inputs are in `inputs`. Loading it runs code that the"
        " file names: use files of your own only.",
        None,
        examples=["models/mnist.pt"],
        wanted="the path of a .pt or .pth file",
        suffixes=(".pt", ".pth"),
    )
    program: Path | None = setting(
        "A program saved by torch.export.save, with its weights and example inputs.",
        None,
        examples=["models/mnist.pt2"],
        wanted="the path of a .pt2 file",
        suffixes=(".pt2",),
    )
    weights: Path | None = setting(
        "Weights to load into the model: safetensors, or a state_dict saved by torch.save.",
        None,
        examples=["models/mnist.safetensors"],
        wanted="the path of a .safetensors, .pt or .pth file",
        suffixes=(".safetensors", ".pt", ".pth"),
    )
    methods: tuple[Method, ...] = setting(
        "The methods of a program that has several, by name, each with the factory of `source` that returns its"
        " (module, inputs).",
        (),
        examples=[{"encode": "make_encoder", "decode": "make_decoder"}],
        wanted="a mapping of method names to functions of source",
        option="--method",
        by_name=True,
        minProperties=1,
        items={"type": "string", "pattern": r"^[A-Za-z_]\w*$", "x-wanted": "the name of a function of source"},
    )
    inputs: tuple[InputSpec, ...] = setting(
        "Example inputs in place of the model's own, one entry for each tensor of these; or one .pt file with all"
        " inputs in their structure.",
        (),
        examples=[[{"shape": [1, 1, 28, 28]}], [{"file": "data/x.npy"}]],
        wanted="a list with one entry for each input",
        option="--input",
        minItems=1,
    )
    reads: tuple[str, ...] = setting(
        "Files and folders that the model reads where etbuild cannot see it, as in a subprocess: a change of one is a"
        " reason to export again.",
        (),
        examples=[["data/table.bin", "tools/make_weights"]],
        wanted="a list of paths",
        option="--read",
        minItems=1,
        items={"pattern": TEXT},
    )


@section(
    "dynamic_axis",
    "One axis whose size is not fixed.",
    examples=[{"input": 0, "axis": 0, "name": "batch", "range": [1, 8]}],
)
@dataclass(frozen=True)
class DynamicDim:
    """One dynamic axis of one input. range: smallest and largest size, inclusive."""

    input: int = setting(
        "Position of the input, from 0; in nested inputs each tensor, number and None counts.",
        examples=[0],
        required=True,
        minimum=0,
        maximum=255,
    )
    axis: int = setting("Position of the axis, from 0.", examples=[0], required=True, minimum=0, maximum=7)
    name: str = setting(
        "Its name; axes of one name have one size.",
        examples=["batch"],
        required=True,
        wanted="an identifier",
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
    )
    range: tuple[int, ...] = setting(
        "Smallest and largest size.",
        examples=[[1, 8]],
        required=True,
        unit="elements",
        wanted="[smallest, largest]",
        minItems=2,
        maxItems=2,
        items={"minimum": 1, "maximum": LARGEST},
    )

    def to_argument(self) -> str:
        """The axis as one command-line argument of a step; `parse` reads it back."""
        return f"{self.input}:{self.axis}:{self.name}:{self.range[0]}:{self.range[1]}"

    @classmethod
    def parse(cls, text: str) -> DynamicDim:
        """raises: ValueError."""
        index, axis, name, low, high = text.split(":")
        return cls(int(index), int(axis), name, (int(low), int(high)))


@section("export", "How torch.export captures the model.", examples=[{"strict": False}])
@dataclass(frozen=True)
class Export:
    """How torch.export captures the model."""

    strict: bool = setting(
        "Trace with TorchDynamo, which understands more Python; false runs the Python code itself.",
        True,
        examples=[True],
        off="--no-strict",
    )
    dynamic_shapes: tuple[DynamicDim, ...] = setting(
        "Axes whose size is not fixed. Only without an NPU: Vela compiles one fixed shape. The example inputs need a"
        " size of at least 2 on each: torch.export takes size 1 as fixed.",
        (),
        examples=[[{"input": 0, "axis": 0, "name": "batch", "range": [1, 8]}]],
        wanted="a list of axes",
        option="--dynamic",
    )
