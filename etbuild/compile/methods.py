"""The methods of a model that has several: their programs, one file each in a folder, and their samples.

A step's path is that folder in place of the file that a model with one method has. Nothing is exported or run here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.recipe.data_sections import Data

T = TypeVar("T")


def names_in(path: Path) -> tuple[str, ...]:
    """The methods in a folder of programs, in their order in a .pte; () for the file of a model with one method."""
    return tuple(sorted(file.stem for file in path.glob("*.pt2"))) if path.is_dir() else ()


def file_of(folder: Path, method: str) -> Path:
    """The file of a method's program."""
    return folder / f"{method}.pt2"


def new_folder(folder: Path) -> None:
    """An empty folder, for one file a method."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def samples_of(data: Data, method: str) -> Data:
    """The section with the samples of one method; random ones where it names none."""
    for one in data.methods:
        if one.name == method:
            return replace(data, data=one.data, samples=one.samples, seed=one.seed, methods=())
    return replace(data, methods=())


def for_each(names: Sequence[str], work: Callable[[str], T]) -> dict[str, T]:
    """What the work for each method returns. raises: its StepError, which names the method."""
    found = {}
    for name in names:
        try:
            found[name] = work(name)
        except StepError as error:
            raise StepError(f"method {name}: {error}") from error
    return found


def require_own_state(source: str, modules: Mapping[str, Any], programs: Mapping[str, Any]) -> None:
    """Each method has memory of its own, in which another does not see what it keeps.

    raises: StepError for a buffer of two methods that one of them changes.
    """
    changed = list(_changed(modules, programs))
    for method, state, memory in changed:
        for other, module in modules.items():
            names = [name for name, buffer in module.named_buffers() if _memory(buffer) == memory]
            if other != method and names:
                raise StepError(
                    f"{source}: methods {method} and {other}: got the buffer {state} in both, which {method} changes, "
                    "wanted state of one method alone\n    methods share no memory at run time: let one return it, and "
                    "the other take it as an input"
                )


def _changed(modules: Mapping[str, Any], programs: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Method, name and memory of each buffer that a method changes."""
    from etbuild.compile.states import functional, states_of

    for method, program in programs.items():
        for state in states_of(functional(program)):
            yield method, state.name, _memory(modules[method].get_buffer(state.name))


def _memory(buffer: Any) -> int:
    return int(buffer.untyped_storage().data_ptr())
