"""./bootstrap with fakes of Python, pip and apt-get that record their arguments."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ("arm-none-eabi-gcc", "g++", "cmake", "ninja", "qemu-system-arm", "clang-format")
SYSTEM = "bash env sha256sum readlink flock find mktemp tail rm mkdir mv sed sleep id cat sh touch cp chmod"

# `python -m venv DIR` copies itself there; `-m pip` and everything else is noted.
PYTHON = """#!/bin/bash
case "$*" in
*"import sys, venv"*) exit 0 ;;
"-m venv "*)
    mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python" && echo "venv" >>"$LOG"
    [[ -z ${VENV_HANGS-} ]] || sleep 60 ;;
"-m pip --version") ;;
"-m pip install"*)
    [[ "$*" == *"--constraint "*"/constraints.txt "* ]] || exit 9
    echo "pip ${*: 12}" >>"$LOG"
    [[ -z ${PIP_HANGS-} ]] || { touch "$LOG.hangs"; sleep 60; }
    [[ -z ${PIP_FAILS-} ]] || { echo "no such wheel"; exit 1; }
    [[ -z ${PIP_TAKES-} ]] || sleep "$PIP_TAKES" ;;
esac
"""
APT = """#!/bin/bash
echo "apt ${*: -1}" >>"$LOG"
[[ "$*" == *update* ]] || { for p in cmake; do printf '#!/bin/sh\n' >"$BIN/$p"; chmod +x "$BIN/$p"; done; }
"""


class Machine:
    """A checkout with the real bootstrap, and a PATH of fakes."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.checkout.mkdir()
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "log"
        self.log.touch()
        for name in ("bootstrap", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.checkout)
        for name in SYSTEM.split():
            real = shutil.which(name)
            assert real is not None
            (self.bin / name).symlink_to(real)
        for name in PROGRAMS:
            self.program(name, "#!/bin/sh\n")
        self.program("python3", PYTHON)

    def program(self, name: str, text: str) -> None:
        """Put a fake on PATH; it replaces a link to the machine's own program and never writes through it."""
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": str(self.bin),
            "LOG": str(self.log),
            "BIN": str(self.bin),
            "HOME": str(self.bin),
            "TMPDIR": str(self.bin),
            **more,
        }

    def start(self, *command: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.checkout / "bootstrap"), *command],
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, **more: str) -> tuple[int, str, str]:
        process = self.start(*command, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def installed(machine: Machine) -> list[str]:
    return ["venv", "pip torch==2.13.0", f"pip torch==2.13.0 -e {machine.checkout}[dev]"]


def test_the_first_run_installs_torch_first_and_then_the_rest(machine: Machine) -> None:
    """So that its pin holds, whatever requires torch later."""
    code, out, err = machine.run("sh", "-c", "echo done")

    assert (code, out) == (0, "done\n")
    assert err == "bootstrap: installing Python packages into .venv (minutes, once)\n"
    assert machine.asked == installed(machine)


def test_the_second_run_is_silent_and_fast(machine: Machine) -> None:
    """Under 0.3 s."""
    machine.run("sh", "-c", ":")
    machine.log.write_text("")

    def timed() -> float:
        started = time.monotonic()
        assert machine.run("sh", "-c", "echo done") == (0, "done\n", "")
        return time.monotonic() - started

    assert min(timed() for _ in range(5)) < 0.3
    assert machine.asked == []


def test_the_command_runs_in_the_current_folder_with_the_environment_on_path(machine: Machine, tmp_path: Path) -> None:
    """Its arguments and its exit code are passed on."""
    code, out, _ = machine.run("sh", "-c", 'echo "$PATH" "$1"; exit 7', "-", "a  b")

    assert (code, out) == (7, f"{machine.checkout}/.venv/bin:{machine.bin} a  b\n")


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_change_of_the_pins_installs_again(machine: Machine, name: str) -> None:
    """Into the existing environment."""
    machine.run("sh", "-c", ":")
    machine.log.write_text("")
    with (machine.checkout / name).open("a") as file:
        file.write("# changed\n")

    machine.run("sh", "-c", ":")

    assert machine.asked == installed(machine)[1:]


def test_a_moved_checkout_installs_again(machine: Machine, tmp_path: Path) -> None:
    """The scripts in an environment contain its path."""
    machine.run("sh", "-c", ":")
    machine.log.write_text("")
    machine.checkout = machine.checkout.rename(tmp_path / "moved")

    machine.run("sh", "-c", ":")

    assert machine.asked == installed(machine)[1:]


@pytest.mark.parametrize("hangs", ["VENV_HANGS", "PIP_HANGS"])
def test_a_killed_installation_is_repeated(machine: Machine, hangs: str) -> None:
    """In a new environment."""
    process = machine.start("sh", "-c", ":", **{hangs: "1"})
    deadline = time.monotonic() + 20
    while not machine.asked or (hangs == "PIP_HANGS" and not Path(f"{machine.log}.hangs").exists()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    machine.log.write_text("")

    code, out, _ = machine.run("sh", "-c", "echo done")

    assert (code, out, machine.asked) == (0, "done\n", installed(machine))


def test_two_concurrent_runs_install_once(machine: Machine) -> None:
    """The second waits, then finds everything installed."""
    first = machine.start("sh", "-c", "echo done", PIP_TAKES="0.3")
    second = machine.start("sh", "-c", "echo done", PIP_TAKES="0.3")

    results = [process.communicate(timeout=60)[0] for process in (first, second)]

    assert (results, machine.asked) == (["done\n", "done\n"], installed(machine))


def test_pip_is_tried_three_times(machine: Machine) -> None:
    """Then exit code 3 and the end of pip's output."""
    machine.program("sleep", "#!/bin/sh\n")

    code, _, err = machine.run("sh", "-c", ":", PIP_FAILS="1")

    assert code == 3
    assert machine.asked == ["venv", *["pip torch==2.13.0"] * 3]
    assert err.splitlines()[-1] == "bootstrap: got no Python packages, wanted: torch==2.13.0"
    assert err.count("no such wheel") == 3


def test_missing_packages_are_installed_by_apt(machine: Machine) -> None:
    """As root, after an update of the package lists."""
    (machine.bin / "cmake").unlink()
    machine.program("apt-get", APT)
    machine.program("id", "#!/bin/sh\necho 0\n")

    code, _, err = machine.run("sh", "-c", ":")

    assert (code, machine.asked[:2]) == (0, ["apt -q", "apt cmake"])
    assert err.splitlines()[0] == "bootstrap: installing cmake"


def test_without_root_the_missing_packages_are_named(machine: Machine) -> None:
    """And the command runs: not every step needs them."""
    for name in ("cmake", "ninja"):
        (machine.bin / name).unlink()
    machine.program("apt-get", APT)
    machine.program("id", "#!/bin/sh\necho 1000\n")

    code, out, err = machine.run("sh", "-c", "echo done")

    assert (code, out) == (0, "done\n")
    assert err.splitlines()[:2] == [
        "bootstrap: missing, and cannot be installed without root; steps that need them will fail:",
        "bootstrap:     sudo apt-get install cmake ninja-build",
    ]
    assert machine.asked == installed(machine)


def test_the_tests_bring_a_browser(machine: Machine) -> None:
    """A build needs none, and does not wait for one; one that is there is enough."""
    machine.program("apt-get", APT)
    machine.program("id", "#!/bin/sh\necho 0\n")
    machine.program("pytest", "#!/bin/sh\n")
    machine.run("sh", "-c", ":")

    machine.log.write_text("")
    machine.run("pytest")
    assert machine.asked == ["apt -q", "apt chromium"]

    machine.log.write_text("")
    machine.program("google-chrome", "#!/bin/sh\n")
    machine.run("pytest")
    assert machine.asked == []


def test_without_a_python_it_says_what_to_install(machine: Machine) -> None:
    """Exit code 3."""
    for name in ("python3", "python3.11", "python3.12"):
        machine.program(name, "#!/bin/sh\nexit 1\n")
    machine.program("id", "#!/bin/sh\necho 1000\n")
    shutil.copy(ROOT / "bootstrap", machine.checkout)
    text = (machine.checkout / "bootstrap").read_text().replace(" /usr/bin/python3;", ";")
    (machine.checkout / "bootstrap").write_text(text)

    assert machine.run("sh", "-c", ":") == (
        3,
        "",
        "bootstrap: missing, and cannot be installed without root; steps that need them will fail:\n"
        "bootstrap:     sudo apt-get install python3 python3-venv\n"
        "bootstrap: got no Python 3.11 or 3.12 with venv, wanted one\n"
        "bootstrap:     sudo apt-get install python3 python3-venv\n",
    )


def test_without_a_command_it_says_how_to_use_it(machine: Machine) -> None:
    """Exit code 2."""
    assert machine.run() == (2, "", "usage: ./bootstrap CMD...   for example: ./bootstrap doit list\n")


def test_the_installation_does_not_slow_the_start_of_python() -> None:
    """An editable install is a folder in a .pth file; setuptools' finder would cost every process 18 ms."""
    listed = [sys.executable, "-c", "import sys; print([name for name in sys.modules if 'editable' in name])"]

    assert subprocess.run(listed, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_requirement_is_pinned() -> None:
    """Else pip searches for compatible versions, which took more than 15 minutes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras.get("remote", [])]
    names = {re.split(r"[\[=<>!~; ]", line)[0].lower().replace("_", "-") for line in wanted} - {"etbuild"}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines if "==" in line}

    assert names - pinned == set()
