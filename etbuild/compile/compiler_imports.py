"""Imports PyTorch and ExecuTorch: fast, without log noise, with fixed seeds. It compiles nothing.

The imports happen when a function is called, never when this module is imported.
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
    """Import PyTorch with fixed seeds, one thread and the patches of `etbuild.compile.patches`.

    One thread, because the last bits of a sum depend on how it is split between threads.
    """
    import logging
    import random

    with garbage_collector_off():
        import numpy as np
        import torch
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    patches.install()
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)


def load_quantized_operators() -> None:
    """Import PyTorch and register the operators of quantised programs, which loading and running one needs."""
    load_torch()
    import torch.ao.quantization.fx._decomposed  # noqa: F401 - registers the operators


def load_executorch() -> None:
    """Import ExecuTorch's compiler with the Arm backend, its Cortex-M operators and the quantised kernels."""
    import logging

    load_torch()
    logging.getLogger("torchao").setLevel(logging.ERROR)
    with garbage_collector_off(), _libyaml_for_ruamel():
        import executorch.exir
    with garbage_collector_off():
        import executorch.backends.arm.ethosu
        import executorch.backends.cortex_m.passes.replace_quant_nodes_pass
        import executorch.kernels.quantized  # noqa: F401 - registers the out variants for emission


def load_all() -> None:
    """Import what any step imports, for the compile server, which forks a process per step."""
    load_executorch()
    load_quantized_operators()
    import ethosu.vela.vela  # noqa: F401 - imported for the forked steps, like the others
    import safetensors.torch  # noqa: F401
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401
    import tosa_reference_model  # noqa: F401


@contextmanager
def serializer() -> Iterator[ModuleType]:
    """Import executorch.exir._serialize._program, which serialises a Program to a .pte, without the compiler.

    The __init__ of the package executorch.exir imports the whole compiler, which takes seconds; the serializer needs a
    dozen small modules of it. Inside this context an empty package with the same path takes its place in sys.modules.
    A process that needs the compiler as well calls load_executorch first; the serializer then comes from that import.
    """
    import importlib
    import importlib.util

    placeholders = []
    if "executorch.exir" not in sys.modules:
        for name in ("executorch.exir", "executorch.exir._serialize"):
            spec = importlib.util.find_spec(name)
            assert spec, "the package is installed with its subpackages"
            # Not executed: its __init__ is what takes seconds.
            sys.modules[name] = importlib.util.module_from_spec(spec)
            placeholders.append(name)
    try:
        with garbage_collector_off():
            module = importlib.import_module("executorch.exir._serialize._program")
        yield module
    finally:
        for name in placeholders:
            del sys.modules[name]


@contextmanager
def garbage_collector_off() -> Iterator[None]:
    """Disable the cycle collector for what creates many objects and little garbage: a third of the time of imports.

    The objects are then frozen: later collections skip them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


class _LibYaml:
    """Replacement for ruamel's YAML(typ="safe"), which parses in pure Python, with PyYAML's loader in C."""

    def __init__(self, *, typ: str):
        assert typ == "safe", "only the safe loader gives the same objects"

    def load(self, text: str) -> Any:
        import yaml

        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@contextmanager
def _libyaml_for_ruamel() -> Iterator[None]:
    """Inside this context ExecuTorch's operator table edge.yaml is parsed by libyaml.

    Replaces: ruamel.yaml.YAML, for ExecuTorch's import.
    Saves:    nine tenths of the time of parsing edge.yaml.
    Result:   the same objects; tests/compile/test_compiler_imports.py compares them.
    Delete:   when ExecuTorch parses edge.yaml with a C loader, or no longer at import.
    """
    import importlib

    ruamel: Any = importlib.import_module("ruamel.yaml")
    original = ruamel.YAML
    ruamel.YAML = _LibYaml
    try:
        yield
    finally:
        ruamel.YAML = original
