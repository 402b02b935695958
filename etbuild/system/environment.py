"""The environment variables of this process; no other module reads them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from etbuild.errors import UsageError

# Not for a model's code, and never written to a file.
_PRIVATE_KEY = "ETBUILD_REMOTE_CACHE_PRIVATE_KEY"

# Variables that change what compilers and native libraries write: removed from the environment of every step.
_REMOVED = frozenset(
    {
        *("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX"),
        *("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "SOURCE_DATE_EPOCH"),
        _PRIVATE_KEY,
    }
)

# What a compiler, linker or CMake is started with: where programs, their libraries and their own caches are. No other
# variable reaches it, because any could change what it writes (CXXFLAGS, CPATH, CMAKE_..., LD_RUN_PATH).
_OF_COMPILERS = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")

# The names that this process has read.
_READ: set[str] = set()


def variable(name: str) -> str | None:
    """An environment variable; None when it is unset or empty."""
    _READ.add(name)
    return os.environ.get(name) or None


def exact(name: str) -> str | None:
    """An environment variable; None when it is unset."""
    _READ.add(name)
    return os.environ.get(name)


def variables_read() -> dict[str, str | None]:
    """Every variable that this process has read, with its value; None for one that is unset."""
    return {name: exact(name) for name in sorted(_READ)}


@contextmanager
def reads_recorded(record: Callable[[str], None], all_read: Callable[[], None]) -> Iterator[None]:
    """Inside this context `record` is called with each name that is read from os.environ, `all_read` when its names
    are listed."""
    kind: Any = type(os.environ)

    class Recorded(kind):  # type: ignore[misc]
        def __getitem__(self, name: str) -> str:
            record(name)
            return super().__getitem__(name)  # type: ignore[no-any-return]

        def __iter__(self) -> Iterator[str]:
            all_read()
            return super().__iter__()  # type: ignore[no-any-return]

    variables: Any = os.environ
    variables.__class__ = Recorded
    try:
        yield
    finally:
        variables.__class__ = kind


def doit_settings() -> tuple[str | None, ...]:
    """The variables that choose which dodo.py doit loads."""
    return (variable("DOIT_FILE"), variable("DOIT_SEEK_FILE"))


def board_variables() -> dict[str, str]:
    """Where the board is, by the environment: host, serial, probe, gdb, key; password where one is set."""
    names = ("host", "serial", "probe", "gdb", "key", "password")
    found = {name: variable(f"ETBUILD_BOARD_{name.upper()}") for name in names}
    return {name: value for name, value in found.items() if value}


def config_folder() -> Path:
    """The user's folder of settings; XDG_CONFIG_HOME moves it."""
    folder = variable("XDG_CONFIG_HOME")
    return (Path(folder) if folder else Path.home() / ".config") / "etbuild"


def server_allowed() -> bool:
    """Whether the compile server may be used: not with ETBUILD_SERVER=off, nor on a system without pidfd_open."""
    return variable("ETBUILD_SERVER") != "off" and hasattr(os, "pidfd_open")


def scheduler() -> str | None:
    """The address of the Dask scheduler whose workers run steps; None for none."""
    return variable("ETBUILD_SCHEDULER")


@contextmanager
def scheduler_chosen(address: str) -> Iterator[None]:
    """Inside this context this is the scheduler, here and in steps, which may give work to it. "": nothing changes."""
    before = scheduler()
    if address:
        os.environ["ETBUILD_SCHEDULER"] = address
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("ETBUILD_SCHEDULER", None)
        else:
            os.environ["ETBUILD_SCHEDULER"] = before


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


def compiler_environment() -> dict[str, str]:
    """The environment of every compiler call, equal in every shell but for where programs are."""
    own = {name: os.environ[name] for name in _OF_COMPILERS if name in os.environ}
    return {**own, "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def c_locale_environment() -> dict[str, str]:
    """This process's environment with untranslated messages, for programs that are asked for their version."""
    return {**os.environ, "LC_ALL": "C"}


def with_variables(**changed: str) -> dict[str, str]:
    """This process's environment with other values, for a doit of another folder."""
    return {**os.environ, **changed}


def cache_folder() -> Path:
    """The folder of caches that all checkouts share; it can be deleted at any time and need not exist yet."""
    base = variable("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "etbuild"


class CacheSettings(NamedTuple):
    """Where the outputs of steps are cached.

    folder:      of the local store; None for no cache at all.
    remote:      a URL for fsspec; None for none.
    read_only:   nothing is written to the remote.
    private_key: signs what is written to the remote: text or path of a PEM file; "" for none.
    public_key:  whose records are read from the remote; "" for the one of private_key.
    unsigned:    records of the remote are read without a signature.
    """

    folder: Path | None
    remote: str | None
    read_only: bool
    private_key: str
    public_key: str
    unsigned: bool


def cache_settings() -> CacheSettings:
    """From ETBUILD_CACHE (off, or a folder) and ETBUILD_REMOTE_CACHE with its _MODE, _TRUST and keys.

    raises: UsageError for an unknown mode, and for a remote without a key or ETBUILD_REMOTE_CACHE_TRUST=unsigned.
    """
    folder = variable("ETBUILD_CACHE")
    mode = variable("ETBUILD_REMOTE_CACHE_MODE") or "read-write"
    if mode not in ("read-only", "read-write"):
        raise UsageError(f'ETBUILD_REMOTE_CACHE_MODE: got "{mode}", wanted read-only or read-write')
    private_key, public_key, unsigned = _remote_trust()
    return CacheSettings(
        None if folder == "off" else Path(folder).expanduser().absolute() if folder else cache_folder() / "store",
        variable("ETBUILD_REMOTE_CACHE"),
        mode == "read-only",
        private_key,
        public_key,
        unsigned,
    )


def _remote_trust() -> tuple[str, str, bool]:
    """The private key, the public key, and whether unsigned records are read."""
    private_key = os.environ.get(_PRIVATE_KEY) or ""  # Not `variable`: the no-op cache saves what that has read.
    public_key = variable("ETBUILD_REMOTE_CACHE_PUBLIC_KEY") or ""
    trust = variable("ETBUILD_REMOTE_CACHE_TRUST") or "signed"
    keys = bool(private_key or public_key)
    if variable("ETBUILD_REMOTE_CACHE_KEY"):
        raise UsageError(
            "ETBUILD_REMOTE_CACHE_KEY: got a shared secret, wanted a pair of keys\n"
            "    unset it, and see docs/cache.md for ETBUILD_REMOTE_CACHE_PRIVATE_KEY and _PUBLIC_KEY"
        )
    if trust not in ("signed", "unsigned"):
        raise UsageError(f'ETBUILD_REMOTE_CACHE_TRUST: got "{trust}", wanted signed or unsigned')
    if trust == "unsigned" and keys:
        raise UsageError(
            "ETBUILD_REMOTE_CACHE_TRUST: got unsigned and a key, wanted one of the two\n"
            "    unset it to read only what was signed, or unset the keys"
        )
    if trust == "signed" and variable("ETBUILD_REMOTE_CACHE") and not keys:
        raise UsageError(
            "ETBUILD_REMOTE_CACHE_PUBLIC_KEY: got none, wanted the key that the records of ETBUILD_REMOTE_CACHE are "
            "signed with\n"
            "    set it, or ETBUILD_REMOTE_CACHE_TRUST=unsigned if all who can write there may run code on this machine"
        )
    return private_key, public_key, trust == "unsigned"
