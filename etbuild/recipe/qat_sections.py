"""The section of a recipe about training in the quantised model: quantize.qat. It trains nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etbuild.config.setting import TEXT, section, setting


@section(
    "qat",
    "Quantisation-aware training: a function of yours trains the model, in which values are rounded as on the NPU.",
    examples=[{"source": "train.py", "entry": "train"}],
)
@dataclass(frozen=True)
class Qat:
    """Quantisation-aware training; source is None where a recipe has none."""

    source: Path | None = setting(
        "A Python file with the function; what it imports and opens counts as the step's inputs.",
        None,
        examples=["train.py"],
        required=True,
        wanted="the path of a .py file",
        suffixes=(".py",),
    )
    entry: str = setting(
        "The function: it gets the model and the calibration samples, and trains the model in place.",
        "train",
        examples=["train"],
        wanted="the name of a function",
        pattern=r"^[A-Za-z_]\w*$",
    )
    seed: int = setting(
        "Seeds PyTorch, NumPy and random before the function is called.",
        0,
        examples=[0],
        minimum=0,
        maximum=2**32 - 1,
    )
    reads: tuple[str, ...] = setting(
        "Files and folders that the function reads where etbuild cannot see it, as in a subprocess: a change of one is"
        " a reason to train again.",
        (),
        examples=[["data/training.bin"]],
        wanted="a list of paths",
        option="--read",
        minItems=1,
        items={"pattern": TEXT},
    )
