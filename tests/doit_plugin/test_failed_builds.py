"""Builds that fail, are killed, or cannot write: messages, exit codes, and what the next build does."""

import os
import signal
import subprocess
import time

import pytest
from built_project import ALL, RECIPE, FakeProject, rebuilt


def wait_for(project: FakeProject, name: str) -> None:
    file = project.root / "ran"
    while not (file.exists() and name in file.read_text().split()):
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("how", "first_line"),
    [
        ("fail", "lower:net@tosa-u55 ended with exit code 1"),
        ("die", "lower:net@tosa-u55 was killed by SIGKILL"),
        ("nothing", "lower:net@tosa-u55: its command ended well but did not write build/net/tosa-u55/lowered.bin"),
    ],
)
def test_a_step_that_fails_midway(project: FakeProject, how: str, first_line: str) -> None:
    """Exit code 1, the reason printed once, nothing incomplete in build/, and the next build goes on from there."""
    before = project.outputs()
    (project.root / "recipes/data/calibration.npz").write_bytes(b"other samples")
    project.behave({"lower:net@tosa-u55": how})
    done = project.doit()
    failed = project.ran()
    after = project.outputs()
    project.behave({})

    assert done.returncode == 1
    assert done.stdout.count(first_line) == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert failed == {"quantize:net@tosa-u55", "lower:net@tosa-u55"}
    assert {name for name in after if after[name] != before[name]} == {
        name for name in before if name.startswith("build/net/tosa-u55/quanti")
    }
    assert rebuilt(project) == ALL - {"export:net", "quantize:net@tosa-u55"}


def test_a_machine_that_lacks_a_tool_is_exit_code_3(project: FakeProject) -> None:
    """So that a script can tell a broken model from a machine without a compiler."""
    (project.root / "recipes/models/net.py").write_text("# new")
    project.behave({"export:net": "lack"})

    assert project.doit().returncode == 3


def test_a_broken_recipe_is_a_message_and_exit_code_2(project: FakeProject) -> None:
    """No traceback of doit's, and nothing runs."""
    project.recipe.write_text(RECIPE.replace("int8", "int9"))
    done = project.doit()

    assert done.returncode == 2
    assert 'recipes/net.yaml:5:11: quantize.scheme: got "int9"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["models/net.py", "data/calibration.npz"])
@pytest.mark.parametrize("what", ["nothing", "pipe"])
def test_a_missing_input_of_a_recipe_is_one_message_and_exit_code_2(project: FakeProject, name: str, what: str) -> None:
    """The recipe's, with its line, whether the plan is cached from before or made now; nothing runs."""
    file = project.root / "recipes" / name
    file.unlink()
    if what == "pipe":
        os.mkfifo(file)

    cached = project.doit()
    (project.root / "build/.etbuild/plan.json").unlink()
    fresh = project.doit()

    found = "does not exist" if what == "nothing" else "is a device or pipe"
    assert f'got "{name}", which {found}, wanted a file that ends in' in cached.stderr
    assert cached.stderr.startswith("recipes/net.yaml:")
    assert (cached.returncode, cached.stdout, cached.stderr) == (2, "", fresh.stderr)
    assert (fresh.returncode, project.ran()) == (2, set())


def test_a_bad_limit_of_a_sweep_is_a_message_and_exit_code_2(project: FakeProject) -> None:
    """Before anything runs."""
    done = project.doit("sweep:net", "--fit", "ROM=2M")

    assert done.returncode == 2
    assert done.stderr.startswith('--fit: got "ROM=2M", wanted each of PTE, SRAM, DRAM, FLASH at most once')
    assert project.ran() == set()


def test_a_step_that_hangs_ends_with_doit(project: FakeProject) -> None:
    """Ctrl-C kills the step with its children; complete outputs stay."""
    (project.root / "recipes/models/net.py").write_text("# new")
    project.behave({"quantize:net@tosa-u55": "hang"})
    process = subprocess.Popen(project.command(), cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL)
    wait_for(project, "quantize:net@tosa-u55")
    process.send_signal(signal.SIGINT)
    code = process.wait(timeout=20)
    project.behave({})

    assert code == 130
    assert project.ran() == {"export:net", "quantize:net@tosa-u55"}
    assert list((project.root / "build/.etbuild/sandbox").iterdir()) == []
    assert rebuilt(project) == ALL - {"export:net"}


def test_doit_killed_with_sigkill_loses_only_the_running_step(project: FakeProject) -> None:
    """No incomplete files, nothing to clean by hand, nothing complete is built again."""
    (project.root / "recipes/models/net.py").write_text("# new")
    project.behave({"quantize:net@tosa-u55": "hang"})
    process = subprocess.Popen(project.command(), cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL)
    wait_for(project, "quantize:net@tosa-u55")
    process.kill()
    process.wait()
    project.behave({})
    project.ran()

    assert rebuilt(project) == ALL - {"export:net"}
    assert rebuilt(project) == set()


def test_a_full_disk(project: FakeProject) -> None:
    """A message, exit code 1, and the next build goes on."""
    (project.root / "recipes/models/net.py").write_text("# new")
    before = project.outputs()
    small = {**project.environment, "FAKE_DISK": "full"}
    done = subprocess.run(project.command(), cwd=project.root, env=small, capture_output=True, text=True, check=False)
    project.ran()

    assert done.returncode == 1
    assert "No space left on device" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert project.outputs() == before
    assert rebuilt(project) == ALL


@pytest.mark.parametrize("command", ["run", "why"])
def test_a_reader_may_close_its_pipe(project: FakeProject, command: str) -> None:
    """As `head` does: no traceback, and the exit code of a process that SIGPIPE ended."""
    project.doit("forget")
    process = subprocess.Popen(
        project.command(command),
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()

    assert process.wait() == 128 + signal.SIGPIPE
    assert process.stderr is not None and process.stderr.read() == b""
