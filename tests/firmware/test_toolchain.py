"""Compiled objects are stored by content, each is compiled once, and an error of the compiler is reported."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from etbuild.errors import StepError
from etbuild.firmware import toolchain
from etbuild.system import environment, tools


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources that a fake compiler was given."""
    sources: list[str] = []

    def run(command: Sequence[str]) -> str:
        output = Path(command[command.index("-o") + 1])
        sources.append(Path(command[command.index("-c") + 1]).stem)
        output.with_suffix(".su").write_text("stack")
        output.write_text("object")
        return ""

    monkeypatch.setattr(toolchain, "run_tool", run)
    monkeypatch.setattr(tools, "version", lambda name: "1")
    monkeypatch.setattr(environment, "cache_folder", lambda: tmp_path / "cache")
    return sources


def units(folder: Path) -> list[toolchain.Compilation]:
    for number in range(8):
        (folder / f"{number}.cc").write_text(f"int number = {number};")
    return [toolchain.Compilation(str(number), folder / f"{number}.cc", ()) for number in range(8)]


def test_two_builds_at_once_compile_each_object_once(tmp_path: Path, compiled: list[str]) -> None:
    """Each compiles what the other has not begun, and waits for the rest; no lock file is left."""
    both = threading.Barrier(2)
    made: list[tuple[toolchain.Object, ...]] = []
    wanted = units(tmp_path)

    def build() -> None:
        both.wait()
        made.append(toolchain.Toolchain(()).compile(wanted))

    builds = [threading.Thread(target=build) for _ in range(2)]
    for one in builds:
        one.start()
    for one in builds:
        one.join()

    assert Counter(compiled) == Counter(map(str, range(8)))
    assert made[0] == made[1]
    assert all(one.object.read_text() == "object" and one.stack_usage.read_text() == "stack" for one in made[0])
    assert list((tmp_path / "cache/objects").glob("*.lock")) == []


def test_an_object_whose_compiler_died_is_compiled(tmp_path: Path, compiled: list[str]) -> None:
    """A lock file that was left does not count."""
    wanted = units(tmp_path)[:1]
    (made,) = toolchain.Toolchain(()).compile(wanted)
    made.object.rename(made.object.with_suffix(".lock"))
    compiled.clear()

    toolchain.Toolchain(()).compile(wanted)

    assert compiled == ["0"]
    assert made.object.exists()


def test_equal_sources_in_two_folders_share_an_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed header gives another one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    objects = []
    for place in ("one", "two"):
        folder = tmp_path / place
        (folder / "a").mkdir(parents=True)
        (folder / "a/b.h").write_text("constexpr int value = 1;\n")
        (folder / "a/b.cc").write_text('#include "a/b.h"\nextern int number;\nint number = value;\n')
        objects.append(_compile(folder))
    before = objects[1].object.read_bytes()
    (tmp_path / "two/a/b.h").write_text("constexpr int value = 2;\n")
    changed = _compile(tmp_path / "two")

    assert objects[0].object == objects[1].object
    assert changed.object != objects[0].object
    assert str(tmp_path).encode() not in before


def test_a_compiler_that_fails_shows_its_command_and_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And stores nothing in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.cc").write_text("int f() { return wrong; }\n")

    with pytest.raises(StepError) as caught:
        _compile(tmp_path)

    assert str(caught.value).startswith("arm-none-eabi-g++: ended with exit code 1\n    arm-none-eabi-g++ -mthumb -g")
    assert "'wrong' was not declared in this scope" in str(caught.value)
    assert list((tmp_path / "cache/etbuild/objects").glob("*.o")) == []


def _compile(folder: Path) -> toolchain.Object:
    unit = toolchain.Compilation("a/b", folder / "a/b.cc", ("-mthumb", "-g"))
    return toolchain.Toolchain((("firmware", folder),)).compile([unit])[0]


@pytest.mark.parametrize("suffix", [".o", ".su"])
@pytest.mark.parametrize("content", [b"", b"damaged"], ids=["empty", "changed"])
def test_a_damaged_object_in_the_cache_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, content: bytes
) -> None:
    """A power cut leaves an empty one; GNU ld takes an empty file for a linker script and links without it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.cc").write_text("int f() { return 1; }\n")
    file = _compile(tmp_path).object.with_suffix(suffix)
    right = file.read_bytes()
    file.write_bytes(content)

    _compile(tmp_path)

    assert file.read_bytes() == right


def test_a_compiler_that_fails_leaves_no_file_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But its lock file, which the next build uses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.cc").write_text("int f() { return wrong; }\n")

    with pytest.raises(StepError):
        _compile(tmp_path)

    assert {file.suffix for file in (tmp_path / "cache/etbuild/objects").iterdir()} == {".lock"}


def test_variables_of_the_shell_do_not_reach_the_cross_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPLUS_INCLUDE_PATH would otherwise decide which header is found, and no key knows of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.cc").write_text("#include <of_the_shell.h>\n")
    (tmp_path / "shell").mkdir()
    (tmp_path / "shell/of_the_shell.h").write_text("")
    monkeypatch.setenv("CPLUS_INCLUDE_PATH", str(tmp_path / "shell"))

    with pytest.raises(StepError, match=r"of_the_shell\.h: No such file"):
        _compile(tmp_path)
