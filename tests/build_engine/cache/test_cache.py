"""What a step finds again, and what it must not."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cached_project import STEP, TRACED, Machine, outputs

from etbuild.build_engine.step import Step
from etbuild.build_engine.workspace import Workspace
from etbuild.errors import StepError, UsageError


def test_a_second_checkout_finds_what_the_first_has_built(machine: Machine) -> None:
    """The same bytes in another folder, with the record of the run, and nothing to do afterwards."""
    first, second = machine.checkout("first"), machine.checkout("second")
    ran = first.run(STEP)

    cached = second.run(STEP)

    assert (ran.how, cached.how, second.run(STEP).how) == ("ran", "cached", "up to date")
    assert outputs(second) == outputs(first)
    assert second.record(STEP) == first.record(STEP)
    assert machine.runs == 1


def test_a_hit_starts_no_process(machine: Machine) -> None:
    """Not even a short one."""
    machine.checkout("first").run(STEP)
    root = machine.checkout("second").root

    def refuse(step: Step) -> list[str]:
        raise AssertionError(step)

    assert Workspace(root, refuse, lambda step: {}).run(STEP).how == "cached"


def test_hits_leave_nothing_behind(machine: Machine) -> None:
    """The folder that they were put together in goes with the end of the build."""
    machine.checkout("first").run(STEP)
    space = machine.checkout("second")
    space.run(STEP)
    during = len(list((space.state / "sandbox").iterdir()))

    space.save()

    assert (during, list((space.state / "sandbox").iterdir())) == (2, [])


def test_what_was_cleaned_comes_back(machine: Machine) -> None:
    """doit clean, then doit."""
    space = machine.checkout("first")
    space.run(STEP)
    before = outputs(space)
    space.clean(STEP)

    assert space.run(STEP).how == "cached"
    assert outputs(space) == before


def test_a_forced_step_runs_whatever_the_cache_knows(machine: Machine) -> None:
    """doit -a."""
    space = machine.checkout("first")
    space.run(STEP)

    assert space.run(STEP, forced=True).how == "ran"


def test_off_is_no_cache(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """ETBUILD_CACHE=off: nothing is written anywhere."""
    monkeypatch.setenv("ETBUILD_CACHE", "off")
    machine.checkout("first").run(STEP)

    assert machine.checkout("second").run(STEP).how == "ran"
    assert not machine.store.exists()


@pytest.mark.parametrize(
    ("step", "tool", "model"),
    [
        (replace(STEP, argv=("--x", "2")), "1.0", "one"),
        (replace(STEP, name="lower:r"), "1.0", "one"),
        (replace(STEP, outputs=STEP.outputs[:1]), "1.0", "one"),
        (STEP, "2.0", "one"),
        (STEP, "1.0", "two"),
    ],
    ids=["arguments", "kind", "outputs", "tool", "input"],
)
def test_another_action_is_another_key(machine: Machine, step: Step, tool: str, model: str) -> None:
    """Each of these decides what the outputs are."""
    machine.checkout("first").run(replace(STEP, tools=("vela",)))
    other = machine.checkout("second")
    (other.root / "model.py").write_text(model)
    other.present = replace(other.present, tools=lambda step: {"vela": tool})

    assert other.run(replace(step, tools=("vela",))).how == "ran"


def test_the_source_of_a_step_is_part_of_its_key(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of another etbuild is another step."""
    machine.checkout("first").run(STEP)
    other = machine.checkout("second")
    other.present = replace(other.present, source=lambda step: {"steps/export.py": "0" * 64})

    assert other.run(STEP).how == "ran"


def test_the_name_of_a_recipe_is_not_part_of_the_key(machine: Machine) -> None:
    """But paths are: they are in the arguments, and outputs may hold them."""
    machine.checkout("first").run(STEP)

    assert machine.checkout("second").run(replace(STEP, name="export:other")).how == "cached"


def test_an_input_outside_the_project_counts_by_its_content(machine: Machine) -> None:
    """Absolute paths lead to what lies there now."""
    outside = machine.base / "weights.bin"
    outside.write_text("1")
    step = replace(STEP, inputs=(Path("model.py"), outside))
    machine.checkout("first").run(step)
    unchanged = machine.checkout("second").run(step).how

    outside.write_text("2")

    assert (unchanged, machine.checkout("third").run(step).how) == ("cached", "ran")


def test_what_a_step_read_besides_its_inputs_counts_too(machine: Machine) -> None:
    """Known only after a run; then by its content in each checkout."""
    machine.behave(imports=("blocks.py",))
    machine.checkout("first").run(TRACED)
    same, other, back = (machine.checkout(name) for name in ("same", "other", "back"))
    (other.root / "blocks.py").write_text("2")

    assert same.run(TRACED).how == "cached"
    assert other.run(TRACED).how == "ran"
    assert back.run(TRACED).how == "cached"
    assert back.reasons(TRACED) == ()


def test_runs_of_one_step_may_have_read_different_files(machine: Machine) -> None:
    """Each list of paths is kept; a list with a file that is not there leads nowhere."""
    machine.behave(imports=("blocks.py", "more.py"))
    first, second = machine.checkout("first"), machine.checkout("second")
    (second.root / "blocks.py").write_text("2")
    (second.root / "more.py").write_text("more")
    first.run(TRACED)
    second.run(TRACED)
    like_first, like_second = machine.checkout("like first"), machine.checkout("like second")
    (like_second.root / "blocks.py").write_text("2")
    (like_second.root / "more.py").write_text("more")

    assert (like_first.run(TRACED).how, like_second.run(TRACED).how) == ("cached", "cached")
    assert like_first.record(TRACED) == first.record(TRACED)
    assert like_second.record(TRACED) == second.record(TRACED)


def test_a_file_that_was_read_outside_the_project_counts_where_it_lies(machine: Machine) -> None:
    """An absolute path in a depfile: there now and the same, or no hit."""
    outside = machine.base / "table.py"
    outside.write_text("1")
    machine.behave(imports=(str(outside),))
    machine.checkout("first").run(TRACED)
    same = machine.checkout("same").run(TRACED).how
    outside.write_text("2")
    changed = machine.checkout("changed").run(TRACED).how
    outside.unlink()

    assert (same, changed, machine.checkout("gone").run(TRACED).how) == ("cached", "ran", "ran")


@pytest.mark.parametrize("how", ["fail", "die", "nothing"])
def test_a_step_that_failed_is_not_stored(machine: Machine, how: str) -> None:
    """Nor any part of it."""
    machine.behave(how)

    with pytest.raises(StepError):
        machine.checkout("first").run(STEP)

    assert machine.kept("") == []


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ("(project / 'model.py').write_text('two')", STEP),
        ("(project / 'model.py').write_text('two'); (project / 'model.py').write_text('one')", STEP),
        ("(project / 'blocks.py').write_text('2')", TRACED),
    ],
    ids=["input", "input and back", "discovered"],
)
def test_a_run_whose_inputs_changed_meanwhile_is_not_stored(machine: Machine, change: str, step: Step) -> None:
    """Nobody knows which content the outputs came from."""
    script = (
        f"{change}\n"
        "Path('build/r/a.bin').write_text('made')\n"
        "Path('build/r/folder').mkdir(exist_ok=True)\n"
        "Path('build/r/deps.json').write_text('{\"inputs\": [\"blocks.py\"]}')\n"
    )

    machine.scripted("first", script).run(step)

    assert machine.kept("") == []


def test_a_run_while_our_own_source_was_edited_is_not_stored(machine: Machine) -> None:
    """The process may have imported either."""
    space = machine.checkout("first")
    space.present = replace(space.present, source=lambda step: {"steps/export.py": "0" * 64})
    space.source = lambda step: {"steps/export.py": "0" * 64}  # type: ignore[method-assign]

    space.run(STEP)

    assert machine.kept("") == []


FOLDER = """
import os
base = Path('build/r/folder')
(base / 'deep/er').mkdir(parents=True)
(base / 'deep/er/text').write_text('text')
(base / 'zero').write_bytes(b'')
(base / 'tool').write_text('run me')
(base / 'tool').chmod(0o755)
Path('build/r/a.bin').write_text('made')
"""


def test_folders_are_restored_as_they_were(machine: Machine) -> None:
    """Names, content, and which files can be executed."""
    first, second = machine.scripted("first", FOLDER), machine.scripted("second", FOLDER)
    first.run(STEP)

    outcome = second.run(STEP)

    assert outcome.how == "cached"
    assert outputs(second) == outputs(first)
    tool, text = second.root / "build/r/folder/tool", second.root / "build/r/folder/deep/er/text"
    assert (os.access(tool, os.X_OK), text.stat().st_mode & 0o111) == (True, 0)


def test_an_empty_folder_is_restored_too(machine: Machine) -> None:
    """It holds no file that could bring it along."""
    script = "Path('build/r/folder').mkdir()\nPath('build/r/a.bin').write_text('made')"
    machine.scripted("first", script).run(STEP)
    second = machine.scripted("second", script)

    assert second.run(STEP).how == "cached"
    assert list((second.root / "build/r/folder").iterdir()) == []


def test_what_is_done_to_a_restored_file_stays_with_it(machine: Machine) -> None:
    """The user may edit, append to and truncate outputs."""
    first, second = machine.checkout("first"), machine.checkout("second")
    first.run(STEP)
    second.run(STEP)
    for space in (first, second):
        with (space.root / "build/r/a.bin").open("a") as file:
            file.write("edited")

    assert first.run(STEP).how == "cached"
    assert outputs(first) == outputs(machine_run(machine, "third"))


def machine_run(machine: Machine, name: str) -> Workspace:
    space = machine.checkout(name)
    space.run(STEP)
    return space


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def flip(path: Path) -> None:
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


@pytest.mark.parametrize("kind", ["blobs", "actions", "lists"])
@pytest.mark.parametrize("damage", [truncate, lengthen, flip, Path.unlink])
def test_what_was_damaged_is_built_again_and_then_whole(
    machine: Machine, kind: str, damage: Callable[[Path], None]
) -> None:
    """One run, no message, right outputs; the next checkout finds it."""
    machine.behave(imports=("blocks.py",))
    first = machine.checkout("first")
    first.run(TRACED)
    for path in machine.kept(kind):
        damage(path)
    second, third = machine.checkout("second"), machine.checkout("third")

    assert (second.run(TRACED).how, third.run(TRACED).how) == ("ran", "cached")
    assert outputs(second) == outputs(third) == outputs(first)


def test_a_cache_that_cannot_be_written_is_told_of_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A folder that can never be one; the build is as without a cache."""
    (machine.base / "file").write_text("")
    monkeypatch.setenv("ETBUILD_CACHE", str(machine.base / "file/cache"))
    space = machine.checkout("first")

    ran = [space.run(STEP).how, space.run(TRACED).how]

    assert ran == ["ran", "ran"]
    assert capfd.readouterr().err == (
        f"{machine.base}/file/cache: got Not a directory, wanted a cache that can be written\n"
        "    the build goes on without storing in it\n"
    )


def test_a_full_disk_is_told_of_once_and_leaves_no_half_entries(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What was stored before is still found."""
    first = machine.checkout("first")
    first.run(STEP)
    before = machine.kept("")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("etbuild.build_engine.cache.store.shutil.copyfileobj", full)
    how = [first.run(TRACED).how, first.run(replace(TRACED, argv=("--other",))).how]
    monkeypatch.undo()

    assert how == ["ran", "ran"]
    assert machine.kept("") == before
    assert capfd.readouterr().err == (
        f"{machine.store}: got No space left on device, wanted a cache that can be written\n"
        "    the build goes on without storing in it\n"
    )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a disk of its own, or mount it again with other options."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting a disk takes root: {done.stderr.strip()}")
        return place

    yield mount
    subprocess.run(["umount", place], check=False, capture_output=True)


def test_a_disk_that_is_full(
    machine: Machine,
    disk: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The real thing, in the middle of a blob: the build has all its outputs, the disk no half entry."""
    place = disk("size=64k")
    monkeypatch.setenv("ETBUILD_CACHE", str(place))
    big = "Path('build/r/a.bin').write_bytes(b'x' * 100000); Path('build/r/folder').mkdir()"
    space = machine.scripted("first", big)

    assert (space.run(STEP).how, space.run(replace(STEP, argv=())).how) == ("ran", "ran")
    assert [path for path in place.rglob("*") if path.is_file()] == []
    assert capfd.readouterr().err == (
        f"{place}: got No space left on device, wanted a cache that can be written\n"
        "    the build goes on without storing in it\n"
    )


def test_a_disk_that_is_read_only(
    machine: Machine,
    disk: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What it holds is found; what is new is told of once."""
    monkeypatch.setenv("ETBUILD_CACHE", str(disk("size=1m")))
    machine.checkout("first").run(STEP)
    place = disk("remount,ro")
    space = machine.checkout("second")

    how = [space.run(STEP).how, space.run(TRACED).how, space.run(replace(TRACED, argv=())).how]

    assert how == ["cached", "ran", "ran"]
    assert capfd.readouterr().err == (
        f"{place}: got Read-only file system, wanted a cache that can be written\n"
        "    the build goes on without storing in it\n"
    )


def test_two_checkouts_that_want_the_same_do_it_once(machine: Machine) -> None:
    """The second waits for the first and takes what it made."""
    machine.behave("wait")
    spaces = machine.checkout("first"), machine.checkout("second")
    outcomes: list[str] = []

    threads = [threading.Thread(target=lambda s=s: outcomes.append(s.run(STEP).how)) for s in spaces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["cached", "ran"]
    assert machine.runs == 1


def test_a_mode_that_there_is_not_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip of the pen must not give write access."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_MODE", "readonly")

    with pytest.raises(
        UsageError, match=r'^ETBUILD_REMOTE_CACHE_MODE: got "readonly", wanted read-only or read-write$'
    ):
        machine.checkout("first").run(STEP)
