"""Command lines, recipes and folders that are wrong: a message, the right exit code, and never a traceback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from built_project import ALL, RECIPE, FakeProject, rebuilt

IN_A_NAMESPACE = ["unshare", "--map-root-user", "--mount"]
namespaces = pytest.mark.skipif(
    subprocess.run([*IN_A_NAMESPACE, "true"], capture_output=True, check=False).returncode != 0
    if shutil.which("unshare")
    else True,
    reason="this machine lets no user mount a file system of his own",
)


def mounted(project: FakeProject, mount: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """doit in the project after a shell command that mounts something for it alone."""
    command = [*IN_A_NAMESPACE, "sh", "-c", f'{mount} && cd . && exec "$@"', "sh", *project.command(*arguments)]
    return subprocess.run(
        command, cwd=project.root, env=project.environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def folder(project: FakeProject) -> Path:
    """Calibration data as a folder; everything is built."""
    made = project.root / "recipes/data/samples"
    made.mkdir()
    (made / "0.npy").write_bytes(b"sample")
    project.recipe.write_text(RECIPE.replace("calibration.npz", "samples"))
    rebuilt(project)
    return made


def test_an_editors_lock_in_a_data_folder_is_no_error(project: FakeProject, folder: Path) -> None:
    """Emacs makes a hidden link that points nowhere; the folder has changed, and the build goes on."""
    (folder / ".#0.npy").symlink_to("user@host.1234")

    assert "quantize:net@tosa-u55" in rebuilt(project)
    assert rebuilt(project) == set()


def test_a_link_to_nothing_in_a_data_folder_is_named(project: FakeProject, folder: Path) -> None:
    """A file that has not been fetched yet: what needs the folder fails, and says which file."""
    (folder / "1.npy").symlink_to("/nowhere/1.npy")
    done = project.doit()
    (folder / "1.npy").unlink()

    assert done.returncode == 1
    assert (
        "recipes/data/samples/1.npy: got a link to /nowhere/1.npy, which does not exist, wanted a file\n"
        "    remove it, or fetch the file it links to\n"
    ) in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert project.ran() == set()
    assert rebuilt(project) == set()


def test_a_pipe_in_a_data_folder_is_named_and_never_opened(project: FakeProject, folder: Path) -> None:
    """Who opens it waits for a writer for ever."""
    os.mkfifo(folder / "1.npy")
    done = subprocess.run(
        project.command(), cwd=project.root, env=project.environment, capture_output=True, text=True, timeout=30
    )

    assert done.returncode == 1
    assert "recipes/data/samples/1.npy: got a device or pipe, wanted a file\n" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@namespaces
def test_a_full_disk_at_the_log_is_said(project: FakeProject) -> None:
    """The step's own message is lost with the log."""
    (project.root / "recipes/models/net.py").write_text("# new")
    project.behave({"export:net": "fail"})
    logs = "build/.etbuild/logs"
    done = mounted(
        project, f"mount -t tmpfs -o size=4k none {logs} && {{ head -c 99999 /dev/zero > {logs}/filler || true; }}"
    )

    assert done.returncode == 1
    assert (
        "    full log: build/.etbuild/logs/export.net.log\n"
        "build/.etbuild/logs/export.net.log: got No space left on device, wanted the step's whole output\n"
        "    make room, then build again\n"
    ) in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@namespaces
def test_a_checkout_without_write_access_is_up_to_date_or_a_message(project: FakeProject) -> None:
    """What was built is shown; only a step that has to run needs to write."""
    read_only = 'mount --bind . . && mount -o remount,bind,ro . && cd "$PWD"'
    rebuilt(project)
    idle = mounted(project, read_only)
    listed = mounted(project, read_only, "list")
    cleaned = mounted(project, read_only, "clean")
    (project.root / "recipes/models/net.py").write_text("# new")
    done = mounted(project, read_only)
    shutil.rmtree(project.root / "build")
    first = mounted(project, read_only)

    assert [idle.returncode, listed.returncode] == [0, 0]
    assert [cleaned.returncode, done.returncode, first.returncode] == [1, 1, 1]
    assert "got Read-only file system, wanted write access" in cleaned.stderr
    for failed in (done, first):
        assert "got Read-only file system, wanted a file to be written\n    nothing is lost" in failed.stdout
    for each in (idle, listed, cleaned, done, first):
        assert "Traceback" not in each.stdout + each.stderr


def broken_beside(project: FakeProject) -> None:
    (project.root / "recipes/broken.yaml").write_text(RECIPE.replace("int8", "int9"))


PROBLEM = 'recipes/broken.yaml:5:11: quantize.scheme: got "int9"'


@pytest.mark.parametrize("task", ["vela:net", "vela:net@*", "build:net", "build/net/ethos-u55-128/model.pte"])
def test_a_broken_recipe_does_not_block_the_others(project: FakeProject, task: str) -> None:
    """Its errors are shown."""
    (project.root / "recipes/models/net.py").write_text("# new")
    broken_beside(project)
    done = project.doit(task)

    assert done.returncode == 0
    assert done.stderr.count(PROBLEM) == 1
    assert "vela:net@ethos-u55-128" in project.ran()
    assert project.doit(task).stderr == done.stderr


@pytest.mark.parametrize(
    "task", [(), ("build",), ("vela",), ("build:broken",), ("vela:broken@ethos-u55-128",), ("*",), ("vela:*",)]
)
def test_what_needs_a_broken_recipe_is_not_built(project: FakeProject, task: tuple[str, ...]) -> None:
    """Exit code 2, and nothing runs."""
    (project.root / "recipes/models/net.py").write_text("# new")
    broken_beside(project)
    done = project.doit(*task)

    assert done.returncode == 2
    assert done.stderr.startswith(PROBLEM)
    assert "no such task" not in done.stderr
    assert project.ran() == set()


def test_cleaning_keeps_what_a_broken_recipe_has_built(project: FakeProject) -> None:
    """It is not stale: its recipe exists."""
    other = project.root / "recipes/other.yaml"
    other.write_text(RECIPE)
    assert {name.replace("other", "net") for name in rebuilt(project)} == ALL
    other.write_text(RECIPE.replace("int8", "int9"))
    project.doit("clean")

    assert (project.root / "build/other/report.json").exists()
    assert not (project.root / "build/net/report.json").exists()


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (("bild",), "did you mean build?"),
        (("lst",), "did you mean list?"),
        (("info", "bild"), "did you mean build?"),
        (("list", "bild"), "did you mean build?"),
        (("clean", "bild"), "did you mean build?"),
        (("ignore", "bild"), "did you mean build?"),
        (("forget", "bild"), "did you mean build?"),
        (("-n", "1", "build:net", "why"), "a command is the first word: doit why ..."),
        (("info", "X"), "doit list --all shows what there is"),
    ],
)
def test_a_word_that_names_no_task_is_a_message_and_exit_code_2(
    project: FakeProject, command: tuple[str, ...], hint: str
) -> None:
    """With the nearest name, if one is near; for every command that takes tasks."""
    done = project.doit(*command)

    wanted = f"{command[-1]}: got no such task, wanted one of this project's\n    {hint}\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", wanted)


def test_info_is_of_one_task(project: FakeProject) -> None:
    """Of none it is a wrong command line."""
    none, one = project.doit("info"), project.doit("info", "report:net")

    assert (none.returncode, none.stderr) == (2, "info: got 0 tasks, wanted one\n    doit info TASK\n")
    assert (one.returncode, one.stderr) == (0, "")


def test_clean_names_the_files_that_it_removes(project: FakeProject) -> None:
    """And no objects of Python."""
    outputs = {str(path.relative_to(project.root)) for path in (project.root / "build/net").glob("*/vela*")}
    done = project.doit("clean", "vela:net@ethos-u55-128")

    assert done.returncode == 0
    assert set(done.stdout.splitlines()) == {f"vela:net@ethos-u55-128: removing {path}" for path in outputs}
    assert "vela:net@ethos-u55-128" in rebuilt(project)


@pytest.mark.parametrize("command", [("list", "--all"), ("info", "report:net"), ("clean", "-n")])
def test_a_reader_may_close_the_pipe_of_a_listing(project: FakeProject, command: tuple[str, ...]) -> None:
    """As `head` does."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        project.command(*command), cwd=project.root, env=project.environment, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)

    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_project_without_recipes_says_so(project: FakeProject) -> None:
    """Exit code 2 for a build; what it lists is empty."""
    project.recipe.unlink()
    done = project.doit()

    assert done.returncode == 2
    assert (done.stdout, done.stderr) == (
        "",
        "recipes: got no recipe, wanted recipes/NAME.yaml\n    etbuild new writes the first\n",
    )
    assert project.doit("list").returncode == 0
    assert "report.net: removing build/net/report.json" in project.doit("clean").stdout
