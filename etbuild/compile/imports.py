"""Notes what a model's imports depend on: where a module is searched, and which packages it comes from. It imports
nothing."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild import PACKAGE
from etbuild.compile.callers import is_users, is_users_call, is_users_import
from etbuild.compile.project_names import is_input
from etbuild.compile.source_imports import SourceLoader, imported_names
from etbuild.system import tools
from etbuild.system.files import sha256

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from etbuild.compile.project_names import Project

# The name at the beginning of a requirement.
_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")


class Imports:
    """The imports of one model; its facts go into the project's.

    origins: the top-level modules that a model without a source file in the project comes from.
    """

    def __init__(self, project: Project, origins: Iterable[str]):
        self._project = project
        self._origins = frozenset(origins)

    def looked_up(self, module: str, folders: Sequence[str] | None, spec: ModuleSpec | None) -> None:
        """A module was searched: a new file in one of the folders up to where it was found would be found instead."""
        places = [spec.origin] if spec and spec.origin else (spec and spec.submodule_search_locations) or ()
        found_users = any(is_users(place) for place in places)
        # Of modules that exist, some are loaded already: in a compile server more, and those are not looked up.
        if found_users or is_users_call() or (spec is None and is_users_import()):
            self._search(module.rpartition(".")[2], folders, spec)

    def _search(self, name: str, folders: Sequence[str] | None, spec: ModuleSpec | None) -> None:
        """folders: None for sys.path, which contains those of installed packages."""
        if folders is None and spec is None:
            self._project.note(f"installed://{name}")
        origin = spec.origin if spec else None
        for folder in sys.path if folders is None else folders:
            if is_searched(folder or "."):
                self._project.note(f"module://{self._project.name(os.path.abspath(folder))}#{name}")  # noqa: PTH100 - as above
            if origin and os.path.dirname(origin.removesuffix("/__init__.py")) == folder:  # noqa: PTH120
                return

    def record(self, names: Iterable[str]) -> dict[str, str]:
        """Note what the user's modules among these import. Returns the digests of the modules' files, by name."""
        files: dict[str, str] = {}
        imported, own = set[str](), set[str]()
        for name in sorted(names):
            module = sys.modules[name]
            loader = getattr(getattr(module, "__spec__", None), "loader", None)
            file = getattr(module, "__file__", None)
            if isinstance(loader, SourceLoader):
                files[self._project.name(loader.path)] = hashlib.sha256(loader.source).hexdigest()
                imported |= imported_names(loader.source)
            elif file and is_users(file) and is_input(self._project.name(file)) and Path(file).is_file():
                files[self._project.name(file)] = sha256(Path(file))
            if file and (own_file := self._project.name(file)) in files and not own_file.startswith("/"):
                own.add(name.partition(".")[0])
        self._project.note("env://PYTHONPATH")
        for name in sorted(imported):
            self._search(name, None, getattr(sys.modules.get(name), "__spec__", None))
        # Not the modules that were loaded: a warm compile server has already loaded many.
        # Nor the project's own: which package has a module is asked of all packages, for half a second.
        for package in installed_packages((imported | self._origins) - own):
            self._project.note(f"package://{package}")
        return files


def installed_packages(modules: Iterable[str]) -> set[str]:
    """The packages that these top-level modules belong to, and all that those require, also what is not installed."""
    from importlib.metadata import packages_distributions, requires

    packages_by_module: Mapping[str, list[str]] = {}
    found: set[str] = set()
    for module in set(modules) - sys.stdlib_module_names:
        if not tools.package_version(module) and module in sys.modules:
            packages_by_module = packages_by_module or packages_distributions()
        found |= {module} if tools.package_version(module) else set(packages_by_module.get(module, ()))
    waiting = {tools.normalised(name) for name in found}
    found = set()
    while waiting:
        package = waiting.pop()
        found.add(package)
        lines = (requires(package) or ()) if tools.package_version(package) else ()
        needed = [line for line in lines if "extra ==" not in line]
        names = {tools.normalised(match[0]) for line in needed if (match := _REQUIREMENT.match(line))}
        waiting |= names - found
    return found


def is_searched(folder: str) -> bool:
    """Whether a folder of sys.path, or of a package, belongs to the user: what is new in it may be imported."""
    own = str(PACKAGE.resolve().parent)
    return is_users(folder) and not folder.endswith(".zip") and (folder != own or own == str(Path.cwd()))
