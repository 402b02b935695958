"""Imports Python files that a recipe names, and reports errors of their code with the user's source lines.

What they read is recorded in etbuild.compile.depfile. It knows no model and no step.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from etbuild.compile.exported_program import portable_path
from etbuild.compile.inputs import described
from etbuild.compile.source_imports import SourceLoader
from etbuild.errors import MissingTool, StepError

# A frame of the user's code in the message of an error of torch.export.
_MESSAGE_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+), in (\S+)')


@contextmanager
def import_path() -> Iterator[None]:
    """Restores sys.path afterwards: importing a model adds folders to it."""
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before


def load_function(source: Path, entry: str, key: str, wanted: str) -> Callable[..., Any]:
    """A function or class of a file of the user.

    source: relative to the project.
    key:    of the recipe, that names it, for messages.
    wanted: what it does, for messages, as in "one that trains the model".
    raises: StepError, with the user's source lines when the file cannot be imported.
    """
    with users_code(f"{source}: import"):
        namespace = import_source(source, wanted)
    function: Callable[..., Any] | None = getattr(namespace, entry, None)
    if not callable(function):
        raise StepError(f"{source}: {key}: got no function {entry}, wanted {wanted}")
    return function


def import_source(source: Path, wanted: str) -> Any:
    """Import a file, with its folder and the project's root on sys.path, as for a script run there.

    wanted: what the file is, for messages.
    """
    root = Path.cwd()
    path = root / source
    if not path.is_file():
        raise StepError(f"{source}: got no such file, wanted {wanted}")
    name = _module_name(path)
    sys.path[:0] = [str(path.parent), str(root)]
    spec = importlib.util.spec_from_file_location(name, path, loader=SourceLoader(name, str(path)))
    assert spec and spec.loader, "a .py has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # As an import statement does: nothing asks a module that is none what it imports.
        raise
    return module


@contextmanager
def users_code(doing: str) -> Iterator[None]:
    """Turns any error raised inside into a StepError with the error's message and the user's source lines.

    doing: what is being executed, the beginning of the message.
    """
    try:
        yield
    except (StepError, MissingTool):
        raise
    except (Exception, SystemExit) as error:
        raise StepError(f"{doing}: got {described(error)}\n{_users_frames(error)}".rstrip()) from error


def _module_name(path: Path) -> str:
    """The file's name, with a prefix when an installed package has that name.

    Folders of the project on sys.path are not searched.
    """
    name = re.sub(r"\W", "_", path.stem)
    root = Path.cwd()
    projects = [
        entry for entry in sys.path if Path(entry).is_relative_to(root) and not Path(entry).is_relative_to(sys.prefix)
    ]
    packages = [entry for entry in sys.path if entry and entry not in projects]
    is_used = name in sys.builtin_module_names or importlib.machinery.PathFinder.find_spec(name, packages)
    return name if name.isidentifier() and not is_used else f"model_{name}"


def _users_frames(error: BaseException) -> str:
    """The source lines of the user's files that led to the error, outermost first, then PyTorch's hints."""
    stack = traceback.extract_tb(error.__traceback__)
    frames = [(frame.filename, frame.lineno, frame.name, frame.line or "") for frame in stack]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno, "<module>", (error.text or "").strip()))
    message = str(error).splitlines()
    for line, code in zip(message, [*message[1:], ""], strict=True):
        if match := _MESSAGE_FRAME.match(line):
            frames.append((match.group(1), int(match.group(2)), match.group(3), code.strip()))
    here = Path.cwd()
    lines = []
    for file, number, function, code in frames:
        path = portable_path(file)
        if (here / path).is_file() and not path.startswith("etbuild/"):
            lines.append(f"    {path}:{number} in {function}: {code}")
    lines += [
        f"    {line.strip()}" for line in message if line.lstrip().startswith(("Explanation:", "Hint:", "- You marked"))
    ]
    return "\n".join(dict.fromkeys(lines))
