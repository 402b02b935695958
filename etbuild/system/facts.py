"""What a step may depend on beyond the content of files, as names with values that can be looked up again.

    exists://PATH           "absent", "file" or "folder"
    names://FOLDER          digest of the names in it
    module://FOLDER#NAME    the entries of the folder that `import NAME` considers; "absent" for none
    installed://NAME        the same in the folders of installed packages, in the order of their search
    env://NAME              digest of an environment variable; "unset"
    package://NAME          version of an installed Python package, and digest of its list of files; "absent"

Any other name is the path of a file or folder, and its value is its digest; a path is normalised, so it has no "//"
behind its first character. Nothing is imported, and no value contains what a variable or file holds.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.system import environment, tools

if TYPE_CHECKING:
    from etbuild.system.digests import Digests

ABSENT = "absent"

_TITLES = {
    "exists": "whether there is ",
    "names": "names in ",
    "module": "what is imported from ",
    "installed": "installed module ",
    "env": "environment variable ",
    "package": "Python package ",
}


def is_fact(name: str) -> bool:
    """Whether a name is not the path of a file."""
    kind, separator, _ = name.partition("://")
    return bool(separator) and kind in _TITLES


def title(name: str) -> str:
    """The name as it is shown to the user."""
    kind, _, rest = name.partition("://")
    return f"{_TITLES[kind]}{rest}" if is_fact(name) else f"imported {name}"


class Facts:
    """The values of names, each looked up once a run. Safe to share between threads.

    digests: of the files; it notes the stat of everything that is examined here too.
    """

    def __init__(self, digests: Digests):
        self._digests = digests
        self._found: dict[str, str] = {}
        self._entries: dict[str, dict[str, list[str]]] = {}
        self._look: dict[str, Callable[[str], str]] = {
            "exists": self._exists,
            "names": self._names,
            "module": self._module,
            "installed": self._installed,
            "env": _variable,
            "package": self._package,
        }

    def of(self, name: Path | str) -> str | None:
        """The value of a name; None for the path of a file that does not exist."""
        # Thousands of names in every build: most are paths, and looked up before.
        text = name if type(name) is str else os.fspath(name)
        if "://" not in text or not is_fact(text):
            return self._digests.of(text)
        if text not in self._found:
            kind, _, rest = text.partition("://")
            self._found[text] = self._look[kind](rest)
        return self._found[text]

    def forget(self, name: str) -> None:
        """Look it up again the next time."""
        self._digests.forget(name)
        self._found.pop(name, None)
        self._entries.pop(name.partition("://")[2].rpartition("#")[0], None)

    def _exists(self, path: str) -> str:
        try:
            if self._digests.record_stat(path) is None:
                return ABSENT
        except (OSError, ValueError):
            return "unreadable"
        return "folder" if os.path.isdir(self._digests.full(path)) else "file"  # noqa: PTH112 - no Path for each

    def _names(self, folder: str) -> str:
        names = sorted(self._listed(folder))
        return hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest() if names else ABSENT

    def _listed(self, folder: str) -> list[str]:
        """The names in a folder but for bytecode; of the project's root without what is never a source."""
        try:
            self._digests.record_stat(folder)
            names = os.listdir(self._digests.full(folder))  # noqa: PTH208 - names alone
        except (OSError, ValueError):
            return []
        is_root = folder in ("", ".")
        return [name for name in names if name != "__pycache__" and not (is_root and name[0] == ".")]

    def _module(self, rest: str) -> str:
        folder, _, module = rest.rpartition("#")
        if folder not in self._entries:
            entries: dict[str, list[str]] = {}
            for entry in self._listed(folder):
                entries.setdefault(entry.partition(".")[0], []).append(entry)
            self._entries[folder] = entries
        found = []
        for entry in self._entries[folder].get(module, ()):
            if entry == module:
                inner = f"{folder}/{entry}"
                if os.path.isdir(self._digests.full(inner)):  # noqa: PTH112 - no Path for each
                    package = [name for name in self._listed(inner) if name.partition(".")[0] == "__init__"]
                    found += [f"{entry}/", *(f"{entry}/{name}" for name in package)]
            elif entry.removeprefix(module) in all_suffixes() and self._exists(f"{folder}/{entry}") != ABSENT:
                found.append(entry)  # And no link to what does not exist.
        return " ".join(sorted(found)) or ABSENT

    def _installed(self, module: str) -> str:
        folders = [folder for folder in sys.path if folder.startswith(f"{sys.prefix}/")]
        found = (self._module(f"{folder}#{module}") for folder in folders)
        return next((entries for entries in found if entries != ABSENT), ABSENT)

    def _package(self, package: str) -> str:
        version, record = tools.package_record(package) or ("", "")
        if not record:
            return ABSENT
        return f"{version} {(self._digests.of_lines(record, _is_installed_file) or ABSENT)[:16]}"


def package_versions(facts: Mapping[str, str]) -> dict[str, str]:
    """The version of each installed package among facts, by its name."""
    found = ((name.partition("package://")[2], value) for name, value in facts.items())
    return {name: value.split()[0] for name, value in found if name and value != ABSENT}


def _is_installed_file(line: bytes) -> bool:
    """Whether a line of a RECORD is the same wherever the package is installed: no script, no bytecode."""
    return not (line.startswith(b"../") or b"__pycache__/" in line or b".dist-info/" in line)


def _variable(name: str) -> str:
    value = environment.exact(name)
    return "unset" if value is None else hashlib.sha256(os.fsencode(value)).hexdigest()
