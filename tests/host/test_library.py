"""The host library: what is in its key, and that neither the shell's variables nor damage change what is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from etbuild.errors import StepError
from etbuild.host.library import _digest, libraries_cache, library
from etbuild.system import programs


def wrapper(folder: Path, name: str, flags: str) -> Path:
    """A compiler that adds flags; its version is that of c++."""
    script = folder / name
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f'#!/bin/sh\nexec c++ {flags} "$@"\n')
    script.chmod(0o755)
    return script


# The build takes a third of the time.
FAST = ("CMAKE_CXX_FLAGS_RELEASE=-O0",)


@pytest.fixture(autouse=True)
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.delenv("CXX", raising=False)


def test_compilers_of_one_version_have_libraries_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CXX may be a script that adds flags."""
    keys = [_digest(())]
    for name, flags in (("one/c++", "-O1"), ("two/c++", "-ffast-math")):
        monkeypatch.setenv("CXX", str(wrapper(tmp_path, name, flags)))
        keys.append(_digest(()))

    assert len(set(keys)) == 3


@pytest.mark.parametrize("name", ["CPATH", "CPLUS_INCLUDE_PATH"])
def test_variables_of_the_shell_do_not_reach_a_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A header that only they lead to is not found."""
    (tmp_path / "of_the_shell.h").write_text("")
    (tmp_path / "a.cc").write_text("#include <of_the_shell.h>\n")
    monkeypatch.setenv(name, str(tmp_path))

    with pytest.raises(StepError, match=r"of_the_shell\.h: No such file"):
        programs.run(["c++", "-fsyntax-only", str(tmp_path / "a.cc")])


@pytest.mark.e2e
def test_flags_of_the_shell_do_not_change_the_host_library_and_a_damaged_one_is_built_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CXXFLAGS and the like name a file that does not exist: a compiler that saw them would fail."""
    for name in ("CXXFLAGS", "CPPFLAGS", "CFLAGS"):
        monkeypatch.setenv(name, "-ffast-math -include /does/not/exist.h")
    monkeypatch.setenv("LDFLAGS", "/does/not/exist.o")
    monkeypatch.setenv("CMAKE_GENERATOR", "none such")
    built = library(FAST)
    right = built.read_bytes()
    built.write_bytes(b"")

    again = library(FAST)

    assert (again, again.read_bytes()) == (built, right)
    assert [entry.key for entry in libraries_cache().entries()] == [built.parent.name]
