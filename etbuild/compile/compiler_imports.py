"""How PyTorch and ExecuTorch come into a process: fast, quiet, repeatable. It compiles nothing.

Everything here imports on call, never when this module is imported.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from etbuild.compile import patches


def load_torch() -> None:
    """PyTorch, seeded, with one thread: how sums are split between threads shows in their last bits."""
    import logging
    import random

    with _collector_off():
        import numpy as np
        import torch
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    patches.tune()
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)


def load_quantized_operators() -> None:
    """The operators that a quantised exported program calls, so that it can be read and run."""
    load_torch()
    import torch.ao.quantization.fx._decomposed  # noqa: F401 - registers them


def load_executorch() -> None:
    """ExecuTorch's compiler with the Arm backend, its Cortex-M operators and quantised kernels."""
    import logging

    load_torch()
    logging.getLogger("torchao").setLevel(logging.ERROR)
    with _collector_off(), _yaml_by_libyaml():
        import executorch.exir
    with _collector_off():
        import executorch.backends.arm.ethosu
        import executorch.backends.cortex_m.passes.replace_quant_nodes_pass
        import executorch.kernels.quantized  # noqa: F401 - registers the out variants that emission asks for


def load_all() -> None:
    """All that any step imports, for a process that forks steps."""
    load_executorch()
    load_quantized_operators()
    import ethosu.vela.vela  # noqa: F401 - imported to be there, as are the others
    import safetensors.torch  # noqa: F401
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401
    import tosa_reference_model  # noqa: F401


@contextmanager
def serializer() -> Iterator[ModuleType]:
    """ExecuTorch's module that turns a Program into the bytes of a .pte, without the compiler around it.

    The package executorch.exir imports the whole compiler (seconds) when any of its modules is imported first;
    the serializer needs a dozen small ones. While this lasts they are found below a bare package of that name.
    A process that needs both calls load_executorch first; then there is nothing to be spared.
    """
    import importlib
    import importlib.util

    bare = []
    if "executorch.exir" not in sys.modules:
        for name in ("executorch.exir", "executorch.exir._serialize"):
            spec = importlib.util.find_spec(name)
            assert spec, "the package is installed with its subpackages"
            # Made and not executed: its __init__ is what takes the time.
            sys.modules[name] = importlib.util.module_from_spec(spec)
            bare.append(name)
    try:
        with _collector_off():
            module = importlib.import_module("executorch.exir._serialize._program")
        yield module
    finally:
        for name in bare:
            del sys.modules[name]


@contextmanager
def _collector_off() -> Iterator[None]:
    """Imports make many objects and no garbage: the cycle collector only costs, a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


class _LibYaml:
    """Stands for ruamel's YAML(typ="safe"), which parses ExecuTorch's table of operators in pure Python."""

    def __init__(self, *, typ: str):
        assert typ == "safe", "only the safe loader gives the same objects"

    def load(self, text: str) -> Any:
        import yaml

        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@contextmanager
def _yaml_by_libyaml() -> Iterator[None]:
    """While it lasts, `ruamel.yaml.YAML` is libyaml: the same objects from edge.yaml in a tenth of the time."""
    import importlib

    ruamel: Any = importlib.import_module("ruamel.yaml")
    own = ruamel.YAML
    ruamel.YAML = _LibYaml
    try:
        yield
    finally:
        ruamel.YAML = own
