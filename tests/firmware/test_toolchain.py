"""Objects by content: what is compiled, by whom, how often."""

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from etbuild.firmware import toolchain
from etbuild.system import environment, tools


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources that a stand-in for the compiler was given."""
    sources: list[str] = []

    def run(command: Sequence[str]) -> str:
        output = Path(command[command.index("-o") + 1])
        sources.append(Path(command[command.index("-c") + 1]).stem)
        output.with_suffix(".su").write_text("stack")
        output.write_text("object")
        return ""

    monkeypatch.setattr(toolchain, "run", run)
    monkeypatch.setattr(tools, "version", lambda name: "1")
    monkeypatch.setattr(environment, "cache_folder", lambda: tmp_path / "cache")
    return sources


def units(folder: Path) -> list[toolchain.Compilation]:
    for number in range(8):
        (folder / f"{number}.cc").write_text(f"int number = {number};")
    return [toolchain.Compilation(str(number), folder / f"{number}.cc", ()) for number in range(8)]


def test_two_builds_at_once_compile_each_object_once(tmp_path: Path, compiled: list[str]) -> None:
    """Each takes what the other has not begun, and waits for the rest; no lock is left."""
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
    """What it left behind does not count."""
    wanted = units(tmp_path)[:1]
    (made,) = toolchain.Toolchain(()).compile(wanted)
    made.object.rename(made.object.with_suffix(".lock"))
    compiled.clear()

    toolchain.Toolchain(()).compile(wanted)

    assert compiled == ["0"]
    assert made.object.exists()
