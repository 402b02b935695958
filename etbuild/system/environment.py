"""The environment variables of this process; no other module reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from etbuild.errors import UsageError

# Variables that change what compilers and native libraries write: removed from the environment of every step.
_REMOVED = frozenset(
    {
        *("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX"),
        *("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "SOURCE_DATE_EPOCH"),
    }
)

# The names that this process has read.
_READ: set[str] = set()


def variable(name: str) -> str | None:
    """An environment variable; None when it is unset or empty."""
    _READ.add(name)
    return os.environ.get(name) or None


def variables_read() -> dict[str, str | None]:
    """Every variable that this process has read, with its value."""
    return {name: variable(name) for name in sorted(_READ)}


def doit_settings() -> tuple[str | None, ...]:
    """The variables that choose which dodo.py doit loads."""
    return (variable("DOIT_FILE"), variable("DOIT_SEEK_FILE"))


def server_allowed() -> bool:
    """Whether the compile server may be used: not with ETBUILD_SERVER=off, nor on a system without pidfd_open."""
    return variable("ETBUILD_SERVER") != "off" and hasattr(os, "pidfd_open")


def scheduler() -> str | None:
    """The address of the Dask scheduler whose workers run steps; None for none."""
    return variable("ETBUILD_SCHEDULER")


def step_environment() -> dict[str, str]:
    """The environment of a step's process: the user's, without or with fixed values for what could change outputs."""
    return {
        **{name: value for name, value in os.environ.items() if name not in _REMOVED},
        "PYTHONHASHSEED": "0",
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }


def c_locale_environment() -> dict[str, str]:
    """This process's environment with untranslated messages, for programs that are asked for their version."""
    return {**os.environ, "LC_ALL": "C"}


def cache_folder() -> Path:
    """The folder of caches that all checkouts share; it can be deleted at any time and need not exist yet."""
    base = variable("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "etbuild"


class CacheSettings(NamedTuple):
    """Where the outputs of steps are cached.

    folder:    of the local store; None for no cache at all.
    remote:    a URL for fsspec; None for none.
    read_only: nothing is written to the remote.
    secret:    what records are signed with; empty for none.
    """

    folder: Path | None
    remote: str | None
    read_only: bool
    secret: bytes


def cache_settings() -> CacheSettings:
    """From ETBUILD_CACHE (off, or a folder) and ETBUILD_REMOTE_CACHE with its _MODE and _KEY.

    raises: UsageError for an unknown mode.
    """
    folder = variable("ETBUILD_CACHE")
    mode = variable("ETBUILD_REMOTE_CACHE_MODE") or "read-write"
    if mode not in ("read-only", "read-write"):
        raise UsageError(f'ETBUILD_REMOTE_CACHE_MODE: got "{mode}", wanted read-only or read-write')
    return CacheSettings(
        None if folder == "off" else Path(folder).expanduser().absolute() if folder else cache_folder() / "store",
        variable("ETBUILD_REMOTE_CACHE"),
        mode == "read-only",
        (variable("ETBUILD_REMOTE_CACHE_KEY") or "").encode(),
    )
