"""Stands in for PyTorch and for etbuild's modules that call it: a program is the text that the model has made.

One file for several modules: torch, safetensors, and those of etbuild that stand_in_site.py names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import stand_in_orders

Tensor = str


class nn:  # noqa: N801 - as PyTorch names it
    Module = object


def load_torch() -> None:
    """compiler_imports: there is nothing to import."""


load_quantized_operators = load_executorch = load_all = warm_up = load_torch


def safe_open(*arguments: Any, **options: Any) -> Any:
    raise NotImplementedError


def export(model: Any, settings: Any) -> Any:
    """exporting: the model as etbuild loads it."""
    from etbuild.compile.model import load_model
    from etbuild.errors import StepError

    stand_in_orders.note("export")
    codes = [stand_in_orders.obey("export", "begin")]
    module, _ = load_model(model)
    codes.append(stand_in_orders.obey("export", "middle"))
    if any(codes):
        raise StepError("told to fail")
    return module


export_methods = export


def save_program(program: Any, path: Path) -> None:
    """exported_program: what the model has seen, as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(program))
    stand_in_orders.obey("export", "end", (path,))


def load_program(path: Path) -> Any:
    return path.read_text()


def portable_path(file: str) -> str:
    return file
