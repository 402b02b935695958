"""Exported programs on disk, as bytes that depend on the program alone; and whence in the model a node comes.

torch.export.save keeps addresses of the process and absolute paths in the metadata of nodes. They are replaced
before saving: paths become relative to the project, or to the folder of packages that they lie in.
"""

from __future__ import annotations

import functools
import re
import sysconfig
from pathlib import Path
from typing import Any

from etbuild import PACKAGE
from etbuild.compile import patches
from etbuild.errors import StepError

_FRAME = re.compile(r'^  File "([^"]+)", line (\d+)')
# The machinery between the user's lines; a model may well live in executorch.examples, hence not "executorch".
_MACHINERY = ("torch/", "torchao/", "executorch/exir/", "executorch/backends/", "etbuild/", "python3.", "<")


def save_program(program: Any, path: Path) -> None:
    """Write an ExportedProgram as .pt2; equal programs give equal bytes, in any folder and process."""
    import torch

    make_portable(program)
    path.parent.mkdir(parents=True, exist_ok=True)
    with patches.saved_unchecked():
        torch.export.save(program, path)


def load_program(path: Path) -> Any:
    """Read an ExportedProgram; the operators that it calls must be loaded.

    raises: StepError when the file is none.
    """
    import torch

    if not path.is_file():
        raise StepError(f"{path}: got no such file, wanted a program saved by torch.export.save")
    patches.read_type_hints_once()
    try:
        return torch.export.load(path)
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise StepError(
            f"{path}: got {type(error).__name__}: {said}, wanted a program saved by torch.export.save\n"
            f"    export it again with PyTorch {torch.__version__}"
        ) from error


def portable_path(file: str) -> str:
    """A source file's path as seen from the project's root, or from the folder of packages that holds it."""
    path = Path(file)
    for base in _bases(Path.cwd()):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return path.name if path.is_absolute() else path.as_posix()


def source_line(stack_trace: str | None) -> str | None:
    """ "file:line" of the innermost frame of the model; None where the trace has none."""
    frames = [match for line in (stack_trace or "").splitlines() if (match := _FRAME.match(line))]
    return f"{frames[-1].group(1)}:{frames[-1].group(2)}" if frames else None


def portable_trace(stack_trace: str) -> str:
    """A stack trace without the compiler's own frames and with portable paths."""
    kept: list[str] = []
    wanted = True
    for line in stack_trace.splitlines():
        frame = _FRAME.match(line)
        if frame:
            path = portable_path(frame.group(1))
            wanted = not path.startswith(_MACHINERY)
            line = line.replace(frame.group(1), path, 1)
        if wanted:
            kept.append(line)
    return "\n".join(kept)


def make_portable(program: Any) -> None:
    """Take addresses and absolute paths out of the nodes' metadata, in place."""
    import torch

    module_keys: dict[str, str] = {}
    for module in program.graph_module.modules():
        if not isinstance(module, torch.fx.GraphModule):
            continue
        for node in module.graph.nodes:
            meta = node.meta
            # A chain of sources that grows with every export and names graphs by address; nobody reads it from a file.
            meta.pop("from_node", None)
            if meta.get("stack_trace"):
                meta["stack_trace"] = portable_trace(meta["stack_trace"])
            if meta.get("nn_module_stack"):
                meta["nn_module_stack"] = {
                    _portable_key(key, module_keys): value for key, value in meta["nn_module_stack"].items()
                }


def _portable_key(key: str, known: dict[str, str]) -> str:
    """A module's key is its address in the exporting process; its number in order of first use says as much.

    The second call of a module in one graph is "<address>@1", and so on.
    """
    address, at, call = key.partition("@")
    return known.setdefault(address, f"module_{len(known)}") + at + call if address.isdecimal() else key


@functools.cache
def _bases(here: Path) -> tuple[Path, ...]:
    """Folders at which paths are cut, innermost first: packages, the standard library, the project.

    A sandbox shows the project's entries as links, so the project has two roots: as shown and as it is.
    """
    links = [entry for entry in here.iterdir() if entry.is_symlink()]
    real = {entry.resolve().parent for entry in links if entry.resolve().name == entry.name}
    packages = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    packages |= {folder.resolve() for folder in packages}
    standard = Path(sysconfig.get_path("stdlib")).parent
    own = PACKAGE.resolve().parent
    bases = {here, here.resolve(), standard, own, *real, *packages}
    return tuple(sorted(bases, key=lambda folder: len(folder.parts), reverse=True))
