"""A remote cache in a folder: what other machines find, what is written there, and what is asked of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cached_project import STEP, TRACED, Elsewhere, Machine, outputs, stored_files

LOCAL_HIT = """
import sys; sys.path[:0] = [sys.argv[1]]
import fake_project
from cached_project import STEP
print(fake_project.executor(sys.argv[2]).run(STEP).how)
print([name for name in ('fsspec', 'numpy', 'torch', 'asyncio', 'http') if name in sys.modules])
"""


def test_another_machine_finds_what_was_built(machine: Machine, shared: Path, elsewhere: Elsewhere) -> None:
    """With what the step read besides its inputs."""
    machine.behave(imports=("blocks.py",))
    first, second = elsewhere("first"), elsewhere("second")
    first.run(TRACED)

    assert second.run(TRACED).how == "cached"
    assert outputs(second) == outputs(first)
    assert second.workspace.record(TRACED) == first.workspace.record(TRACED)
    assert machine.runs == 1


def test_what_came_from_the_remote_is_local_from_then_on(
    machine: Machine, shared: Path, elsewhere: Elsewhere, capfd: pytest.CaptureFixture[str]
) -> None:
    """Blobs, record and lists: the remote is not asked again."""
    machine.behave(imports=("blocks.py",))
    elsewhere("first").run(TRACED)
    elsewhere("second").run(TRACED)
    shutil.rmtree(shared)

    assert machine.checkout("next to the second").run(TRACED).how == "cached"
    assert capfd.readouterr().err == ""


def test_a_local_hit_does_not_even_import_the_remote(machine: Machine, shared: Path, elsewhere: Elsewhere) -> None:
    """Nor anything else that takes time."""
    first = elsewhere("first")
    first.run(STEP)
    first.workspace.clean(STEP)
    fakes = Path(sys.modules["fake_project"].__file__ or "").parent

    done = subprocess.run(
        [sys.executable, "-c", LOCAL_HIT, str(fakes), str(first.workspace.root / "dodo.py")],
        capture_output=True,
        text=True,
    )

    assert (done.stdout, done.stderr) == ("cached\n[]\n", "")


def test_a_read_only_remote_is_read_and_not_written(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a CI that runs pull requests of strangers."""
    elsewhere("first").run(STEP)
    before = stored_files(shared)
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_MODE", "read-only")
    stranger = elsewhere("stranger")

    assert (stranger.run(STEP).how, stranger.run(TRACED).how) == ("cached", "ran")
    assert stored_files(shared) == before


def test_the_remote_is_used_where_the_local_cache_cannot_be_written(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container whose home is read-only still builds from it and fills it."""
    elsewhere("first").run(STEP)
    (machine.base / "file").write_text("")
    monkeypatch.setenv("ETBUILD_CACHE", str(machine.base / "file/cache"))
    container = machine.checkout("container")
    machine.behave(imports=("blocks.py",))

    assert (container.run(STEP).how, container.run(TRACED).how) == ("cached", "ran")
    assert elsewhere("third").run(TRACED).how == "cached"


def test_a_missing_driver_is_named(
    machine: Machine, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the command that installs it."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE", "file:///tmp/nowhere")
    monkeypatch.setitem(sys.modules, "fsspec", None)

    assert elsewhere("first").run(STEP).how == "ran"
    assert capfd.readouterr().err == (
        "file:///tmp/nowhere: got import of fsspec halted; None in sys.modules, wanted the remote cache\n"
        "    pip install 'etbuild[remote]' brings the drivers of s3:// and https://\n"
        "    the build goes on without it\n"
    )
