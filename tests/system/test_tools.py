"""Versions are found fast, without importing the tool, and a missing one says how to get it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from etbuild.errors import MissingTool
from etbuild.system import environment, tools


@pytest.fixture(autouse=True)
def own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH and a cache of the test's own; versions that earlier tests found are forgotten."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FVP_PATH", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    tools._program_version.cache_clear()
    tools._script_digest.cache_clear()
    tools._packages.cache_clear()
    return programs


def fake(folder: Path, name: str, line: str, code: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho asked >> {folder}/log\necho '{line}'\nexit {code}\n")
    file.chmod(0o755)
    return file


def test_a_package_version_comes_from_the_first_dist_info_on_sys_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that import would take decides, whatever the spelling of the name."""
    (tmp_path / "a" / "Some_Tool-1.2+cpu.dist-info").mkdir(parents=True)
    (tmp_path / "b" / "some_tool-9.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "a"), str(tmp_path / "absent"), str(tmp_path / "b")])

    assert tools.version("some-tool") == "1.2+cpu"


def test_asking_for_a_package_does_not_import_it() -> None:
    """torch alone would cost seconds."""
    before = set(sys.modules)

    tools.version("torch")

    assert "torch" in before or "torch" not in sys.modules


def test_a_missing_package_says_how_to_get_it() -> None:
    """Exit code 3, one message."""
    with pytest.raises(MissingTool) as caught:
        tools.version("no-such-package")

    assert str(caught.value) == (
        f"no-such-package: got no such Python package in {sys.prefix}, wanted one\n"
        "    start through ./bootstrap, which installs what pyproject.toml pins"
    )
    assert caught.value.exit_code == 3


def test_a_program_version_is_its_first_line(own_machine: Path) -> None:
    """No path in it: two machines with the same compiler agree."""
    fake(own_machine, "cmake", "cmake version 3.25.1")

    assert tools.version("cmake") == "cmake version 3.25.1"


def test_a_program_is_asked_once_as_long_as_its_file_stays(own_machine: Path) -> None:
    """Also by later processes: the answer is on disk."""
    fake(own_machine, "cmake", "cmake version 3.25.1")
    tools.version("cmake")
    tools._program_version.cache_clear()

    tools.version("cmake")

    assert (own_machine / "log").read_text() == "asked\n"


def test_a_replaced_program_is_asked_again(own_machine: Path) -> None:
    """An upgrade of the compiler is seen."""
    fake(own_machine, "cmake", "cmake version 3.25.1")
    tools.version("cmake")
    tools._program_version.cache_clear()
    fake(own_machine, "cmake", "cmake version 3.31.10")

    assert tools.version("cmake") == "cmake version 3.31.10"


@pytest.mark.parametrize("content", ["", "not json", "[1]", '{"a": 1}'])
def test_a_damaged_cache_is_ignored(own_machine: Path, tmp_path: Path, content: str) -> None:
    """It is a cache; a broken one costs one question."""
    fake(own_machine, "cmake", "cmake version 3.25.1")
    (tmp_path / "cache" / "etbuild").mkdir(parents=True)
    (tmp_path / "cache" / "etbuild" / "programs.json").write_text(content)

    assert tools.version("cmake") == "cmake version 3.25.1"


def test_a_cache_that_cannot_be_written_costs_nothing_else(own_machine: Path, tmp_path: Path) -> None:
    """A file has the folder's name."""
    fake(own_machine, "cmake", "cmake version 3.25.1")
    (tmp_path / "cache").write_text("")

    assert tools.version("cmake") == "cmake version 3.25.1"


def test_a_missing_program_names_its_debian_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy can be pasted."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingTool) as caught:
        tools.version("ninja")

    assert str(caught.value) == (
        "ninja: got no such program on PATH, wanted one\n"
        "    sudo apt-get install ninja-build, or start through ./bootstrap"
    )


def test_a_program_that_prints_no_version_is_missing(own_machine: Path) -> None:
    """A pyenv shim without a version behind it looks like this."""
    file = fake(own_machine, "cmake", "", code=127)

    with pytest.raises(MissingTool) as caught:
        tools.version("cmake")

    assert str(caught.value) == (
        f"{file} --version: got exit code 127 and 'nothing', wanted its version\n    reinstall it"
    )


def test_cxx_names_the_cpp_compiler(own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As make and CMake do."""
    fake(own_machine, "clang++-14", "clang 14")
    monkeypatch.setenv("CXX", "clang++-14")

    assert tools.version("c++").startswith("clang 14 script ")


def test_a_compiler_that_is_a_script_is_known_by_its_content(
    own_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may add flags, which its --version does not tell."""
    script = fake(own_machine, "my-c++", "g++ 12")
    monkeypatch.setenv("CXX", "my-c++")
    before = tools.version("c++")
    script.write_text(script.read_text() + "# -ffast-math\n")
    tools._script_digest.cache_clear()

    assert before.startswith("g++ 12 script ")
    assert tools.version("c++") != before


def test_the_version_of_newlib_is_a_digest_of_its_content(own_machine: Path, tmp_path: Path) -> None:
    """It has no version of its own, and an upgrade need not touch the compiler."""
    library = tmp_path / "libc_nano.a"
    library.write_bytes(b"one")
    fake(own_machine, "arm-none-eabi-g++", str(library))
    first = tools.version("newlib")
    tools._newlib_version.cache_clear()

    library.write_bytes(b"another")

    assert first == "7692c3ad3540bb80"
    assert tools.version("newlib") == "ae448ac86c4e8e4d"


def test_a_compiler_without_newlib_says_how_to_get_it(own_machine: Path) -> None:
    """It then answers with the bare name."""
    fake(own_machine, "arm-none-eabi-g++", "libc_nano.a")

    with pytest.raises(MissingTool) as caught:
        tools.version("newlib")

    assert str(caught.value) == (
        f"{own_machine / 'arm-none-eabi-g++'}: got no libc_nano.a with it, wanted newlib\n"
        "    sudo apt-get install libnewlib-arm-none-eabi, or start through ./bootstrap"
    )


def test_a_step_sees_no_variable_that_changes_what_compilers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would change bytes and are no part of any key."""
    monkeypatch.setenv("CPLUS_INCLUDE_PATH", "/somewhere")
    monkeypatch.setenv("CXXFLAGS", "-ffast-math")
    monkeypatch.setenv("MINE", "kept")

    seen = environment.step_environment()

    assert {"CPLUS_INCLUDE_PATH", "CXXFLAGS", "MINE"} & set(seen) == {"MINE"}


def test_fvp_path_comes_before_path(own_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator is rarely on PATH."""
    name = "FVP_Corstone_SSE-320"
    fake(own_machine, name, "on path")
    mine = fake(tmp_path / "fvp", name, "mine")
    monkeypatch.setenv("FVP_PATH", str(tmp_path / "fvp"))

    assert tools.program(name) == mine


def test_the_cache_folder_is_below_home_without_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG's own default."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert environment.cache_folder() == tmp_path / ".cache" / "etbuild"
