"""Reads and writes exported programs (.pt2) as reproducible bytes, and finds the model's source line of a node.

torch.export.save writes addresses of the process and absolute paths from the metadata of nodes. They are replaced
before saving: paths become relative to the project, or to the folder of packages that contains them.
"""

from __future__ import annotations

import functools
import re
import sysconfig
from itertools import pairwise
from pathlib import Path
from typing import Any

from etbuild import PACKAGE
from etbuild.compile import patches, schema_patches, untrusted_program
from etbuild.errors import StepError

_FRAME = re.compile(r'^  File "([^"]+)", line (\d+)')
# Code of the compiler between the model's frames. Not all of "executorch/": its examples contain models.
_COMPILER = ("torch/", "torchao/", "executorch/exir/", "executorch/backends/", "etbuild/", "python3.", "<")


def save_program(program: Any, path: Path) -> None:
    """Write an ExportedProgram as .pt2; equal programs give equal bytes, in any folder and process.

    program: its metadata becomes portable, in place.
    """
    import torch

    make_portable(program)
    path.parent.mkdir(parents=True, exist_ok=True)
    with patches.save_without_canonicalizing():
        torch.export.save(program, path)


def load_program(path: Path) -> Any:
    """Read an ExportedProgram from a .pt2; the operators that it calls must be registered.

    The file may come from anybody: nothing in it is run.

    raises: StepError when there is no such file, it is not one of this PyTorch version, or it needs code to load.
    """
    import torch

    if not path.is_file():
        raise StepError(f"{path}: got no such file, wanted a program saved by torch.export.save")
    try:
        with schema_patches.fields_by_type():
            return untrusted_program.load(str(path))
    except untrusted_program.UnsafeProgramError as refused:
        raise StepError(
            f"{path}: got a program with {refused}, wanted one that is loaded without running code from the file\n"
            "    export it again from its model, with tensors alone as weights, constants and example inputs, "
            "or name the model: model.source"
        ) from refused
    except untrusted_program.UnregisteredOperatorError as missing:
        raise StepError(
            f"{path}: got a call of {missing}, wanted operators that are registered with PyTorch\n"
            "    name the file that registers it: operators: [{source: FILE.py}]; each step is a process of its own"
        ) from missing
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise StepError(
            f"{path}: got {type(error).__name__}: {first_line}, wanted a program saved by torch.export.save\n"
            f"    export it again with PyTorch {torch.__version__}"
        ) from error


def portable_path(file: str) -> str:
    """A source file's path relative to the project's root, or to the folder of packages that contains it."""
    path = Path(file)
    for base in _bases(Path.cwd()):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return path.name if path.is_absolute() else path.as_posix()


def source_line(stack_trace: str | None) -> str | None:
    """ "file:line" of the innermost frame of the model, its path portable; None where the trace has none."""
    frames = [match for line in portable_trace(stack_trace or "").splitlines() if (match := _FRAME.match(line))]
    return f"{frames[-1].group(1)}:{frames[-1].group(2)}" if frames else None


def source_text(stack_trace: str | None) -> str | None:
    """The text of the line that `source_line` names, as it was when the model was traced; None where it is unknown."""
    lines = [*portable_trace(stack_trace or "").splitlines(), ""]
    after = [text for place, text in pairwise(lines) if _FRAME.match(place)]
    return (after[-1].strip() or None) if after and not _FRAME.match(after[-1]) else None


def source_node(node: Any) -> str | None:
    """The name that a node, or the one that it was made from, had in the program that was lowered; None where PyTorch
    has not traced it."""
    sources = node.meta.get("from_node")
    while sources:
        name, sources = sources[-1].name, sources[-1].from_node
        if not sources:
            return str(name)
    return None


def module_path(path: str) -> str:
    """A path in nn_module_stack as the model has it: without the name of the root."""
    return path.removeprefix("L['self'].").removeprefix("L__self__.")


def portable_trace(stack_trace: str) -> str:
    """A stack trace without the compiler's own frames and with portable paths."""
    lines: list[str] = []
    is_models = True
    for line in stack_trace.splitlines():
        frame = _FRAME.match(line)
        if frame:
            path = portable_path(frame.group(1))
            is_models = not path.startswith(_COMPILER)
            line = line.replace(frame.group(1), path, 1)
        if is_models:
            lines.append(line)
    return "\n".join(lines)


def make_portable(program: Any) -> None:
    """Remove addresses and absolute paths from the nodes' metadata, in place."""
    import torch

    module_keys: dict[str, str] = {}
    for module in program.graph_module.modules():
        if not isinstance(module, torch.fx.GraphModule):
            continue
        for node in module.graph.nodes:
            meta = node.meta
            # A chain of sources that grows with every export and has addresses of graphs; nothing reads it from a file.
            meta.pop("from_node", None)
            if meta.get("stack_trace"):
                meta["stack_trace"] = portable_trace(meta["stack_trace"])
            if meta.get("nn_module_stack"):
                meta["nn_module_stack"] = {
                    _portable_key(key, module_keys): value for key, value in meta["nn_module_stack"].items()
                }


def _portable_key(key: str, known: dict[str, str]) -> str:
    """The key of a module: its address in the exporting process is replaced by its number in order of first use.

    The second call of a module in one graph has the key "<address>@1", and so on.
    """
    address, at, call = key.partition("@")
    return known.setdefault(address, f"module_{len(known)}") + at + call if address.isdecimal() else key


@functools.cache
def _bases(here: Path) -> tuple[Path, ...]:
    """Folders that portable paths are relative to, innermost first: packages, the standard library, the project.

    In a sandbox the project's entries are links, so the project has two roots: the sandbox and the real one.
    """
    links = [entry for entry in here.iterdir() if entry.is_symlink()]
    real = {entry.resolve().parent for entry in links if entry.resolve().name == entry.name}
    packages = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    packages |= {folder.resolve() for folder in packages}
    standard = Path(sysconfig.get_path("stdlib")).parent
    own = PACKAGE.resolve().parent
    bases = {here, here.resolve(), standard, own, *real, *packages}
    return tuple(sorted(bases, key=lambda folder: len(folder.parts), reverse=True))
