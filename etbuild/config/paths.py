"""Resolves paths as recipes write them: `~`, `$NAME`, relative to the file that contains them.

It records the environment variables that the paths use.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from etbuild.config.diagnostics import did_you_mean, printable, quoted
from etbuild.errors import EtbuildError
from etbuild.system.files import kind_of


class BadPathError(EtbuildError):
    """A path that cannot be used: no such file, a wrong suffix, a variable that is not set."""

    exit_code = 2

    def __init__(self, got: str, wanted: str, remedy: str = "") -> None:
        self.got, self.wanted, self.remedy = got, wanted, remedy
        super().__init__(f"got {got}, wanted {wanted}")


class ProjectPaths:
    """The paths of one recipe.

    root:     the project's folder.
    variable: returns the value of an environment variable, None when it is not set.
    """

    def __init__(self, root: Path, variable: Callable[[str], str | None]) -> None:
        self.root = Path(os.path.normpath(Path.cwd() / root))
        self._variable = variable
        self._used: dict[str, str] = {}

    @property
    def env(self) -> tuple[tuple[str, str], ...]:
        """The environment variables that the paths use, with their values, sorted by name."""
        return tuple(sorted(self._used.items()))

    def depend_on(self, name: str) -> None:
        """Count an environment variable among those that the paths use, set or not."""
        self._used[name] = self._variable(name) or ""

    def relative(self, path: Path) -> Path:
        """The path relative to the project when inside it, else absolute; without `..` and `.`."""
        whole = Path(os.path.normpath(self.root / path))
        return whole.relative_to(self.root) if whole.is_relative_to(self.root) else whole

    def absolute(self, path: Path) -> Path:
        """The absolute path of one that `relative` returned."""
        return self.root / path

    def find(self, text: str, base: Path, suffixes: tuple[str, ...], folder: bool = False) -> Path:
        """The existing file that a recipe names, as `relative` returns it.

        base:     the file that contains the text, as `relative` returns it.
        suffixes: the allowed suffixes of the file.
        folder:   whether it may be a folder instead.
        raises:   BadPathError; also for a file without read permission.
        """
        path = self.relative(base.parent / self._expanded(text))
        ends = " or ".join(filter(None, [", ".join(suffixes[:-1]), suffixes[-1]]))
        wanted = f"a file that ends in {ends}" + (", or a folder" if folder else "")
        kind = kind_of(self.absolute(path))
        if kind == "folder" and folder:
            return path
        if kind == "missing":
            remedy = self._similar(path) or f"looked for {printable(str(path), 200)}"
            raise BadPathError(f"{quoted(text)}, which does not exist", wanted, remedy)
        if kind != "file":
            raise BadPathError(f"{quoted(text)}, which is a {kind}", wanted)
        if path.suffix not in suffixes:
            raise BadPathError(quoted(text), wanted)
        return path

    def named(self, text: str, base: Path) -> Path:
        """The path that a recipe names, which need not exist; see `find`."""
        return self.relative(base.parent / self._expanded(text))

    def _similar(self, path: Path) -> str:
        """A remedy that names a file of the same folder with a similar name, or ""."""
        try:
            names = [entry.name for entry in self.absolute(path).parent.iterdir()]
        except (OSError, ValueError):
            return ""
        return did_you_mean(path.name, names[:1000])

    def _expanded(self, text: str) -> str:
        """`text` with `~`, `$NAME` and `${NAME}` replaced; `$$` is a dollar sign."""
        if text == "~" or text.startswith("~/"):
            text = "${HOME}" + text[1:]

        def value(match: re.Match[str]) -> str:
            if match[0] == "$$":
                return "$"
            name = match["plain"] or match["braced"]
            if not name:
                raise BadPathError(quoted(text), "$NAME or ${NAME}", "a dollar sign itself is $$")
            found = self._variable(name)
            if found is None:
                raise BadPathError(f"${name}, which is not set", "a variable of the environment")
            self._used[name] = found
            return found

        return re.sub(r"\$(?:\$|(?P<plain>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\}|)", value, text)
