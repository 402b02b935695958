"""The environment of this process, and what etbuild takes from it; the only module that reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from etbuild.errors import UsageError

# Read by compilers and native libraries, and able to change what they make: no step sees them.
_UNSEEN = frozenset(
    {
        *("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX"),
        *("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "SOURCE_DATE_EPOCH"),
    }
)

# A process has one environment, and one list of what it wanted of it.
_ASKED: set[str] = set()


def variable(name: str) -> str | None:
    """An environment variable; None when it is unset or empty."""
    _ASKED.add(name)
    return os.environ.get(name) or None


def asked() -> dict[str, str | None]:
    """What `variable` was asked for in this process, and what it says."""
    return {name: variable(name) for name in sorted(_ASKED)}


def doit_settings() -> tuple[str | None, ...]:
    """What of the environment says which dodo.py doit takes."""
    return (variable("DOIT_FILE"), variable("DOIT_SEEK_FILE"))


def server_allowed() -> bool:
    """Whether the warm compile server may be used: not with ETBUILD_SERVER=off, nor where its means are missing."""
    return variable("ETBUILD_SERVER") != "off" and hasattr(os, "pidfd_open")


def scheduler() -> str | None:
    """The address of the Dask scheduler whose workers do steps; None for none."""
    return variable("ETBUILD_SCHEDULER")


def step_environment() -> dict[str, str]:
    """What a step's process sees: the user's environment, with all that could change bytes held fixed."""
    return {
        **{name: value for name, value in os.environ.items() if name not in _UNSEEN},
        "PYTHONHASHSEED": "0",
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }


def cache_folder() -> Path:
    """Where etbuild keeps what may be thrown away, shared by all checkouts; it need not exist yet."""
    base = variable("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "etbuild"


class CacheSettings(NamedTuple):
    """Where results of steps are kept for the next time.

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

    raises: UsageError for a mode that there is not.
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
