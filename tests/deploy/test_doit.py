"""doit with a board: deploy, run and monitor of a recipe, and Ctrl-C in the middle of a copy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import HAS_TOOLS, board_text
from linux_board import LinuxBoard

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not HAS_TOOLS, reason="no QEMU or no cross compiler on this machine"),
]

RECIPE = """\
model: {builtin: add}
quantize: {scheme: int8}
targets: [{npu: ethos-u55-128, system_config: Ethos_U55_High_End_Embedded, memory_mode: Shared_Sram}]
golden: {lsb: 0, atol: 0.05}
runtime: {board: _lab.yaml, npu: emulator}
run: {on: board}
"""
DODO = "from etbuild.tasks import Project\n\nproject = Project(__file__)\nDOIT_CONFIG = project.doit_config\n"
FINAL = "etbuild-add.elf"


class Project:
    """A project whose board is a loopback server."""

    def __init__(self, root: Path):
        self.root, self.board = root / "project", LinuxBoard(root)
        (self.root / "recipes").mkdir(parents=True)
        (self.root / "dodo.py").write_text(DODO)
        (self.root / "recipes/add.yaml").write_text(RECIPE)
        (self.root / "recipes/_lab.yaml").write_text(board_text("{transport: ssh-remoteproc}"))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ETBUILD_BOARD_")},
            "XDG_CACHE_HOME": str(root / "cache"),
            "XDG_RUNTIME_DIR": str(root / "run"),
            "XDG_CONFIG_HOME": str(root / "config"),
            "ETBUILD_SERVER": "off",
        }
        (root / "run").mkdir(mode=0o700)
        self.board.start()
        (root / "config/etbuild").mkdir(parents=True)
        (root / "config/etbuild/boards.yaml").write_text(f"boards:\n  _lab: {self.board.place}\n")

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "doit", *words],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def doit(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = Project(tmp_path_factory.mktemp("doit"))
    yield made
    made.board.stop()


def wait_until(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)


def test_run_on_a_board_is_part_of_a_build_and_then_up_to_date(project: Project) -> None:
    """Its results are compared with golden's, as those of a simulator."""
    code, output = project.doit("build:add")

    report = json.loads((project.root / "build/add/ethos-u55-128/run.json").read_text())
    assert (code, report["on"], report["bit_exact"]) == (0, "board", report["vectors"]), output
    assert report["vectors"] > 0
    assert "up to date" in project.doit("run:add")[1]


def test_deploy_runs_each_time_and_shows_what_it_does(project: Project) -> None:
    """Another program may have changed the board."""
    for _ in range(2):
        code, output = project.doit("deploy:add")

        assert code == 0
        assert f"deploy:add@ethos-u55-128 | /lib/firmware/{FINAL} on root@127.0.0.1" in output
        assert "remoteproc0 runs" in output
        assert "asked for" in output


def test_ctrl_c_in_a_deployment_leaves_no_half_file_under_the_final_name(project: Project) -> None:
    """The image that was there before is there after it, whole; the next deployment succeeds."""
    project.doit("deploy:add")
    final = project.board.tree / "lib/firmware" / FINAL
    before = b"the image of before"
    final.write_bytes(before)
    part = final.with_name(f".{FINAL}.part")
    project.board.behaviour.copy_delay_s = 0.5
    process = project.start("deploy:add")
    wait_until(lambda: part.exists() and part.stat().st_size)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode == 130
    assert final.read_bytes() == before
    project.board.behaviour.copy_delay_s = 0.0
    assert project.doit("deploy:add")[0] == 0
    assert project.board.firmware == [FINAL]


def test_monitor_shows_what_the_board_prints_until_ctrl_c(project: Project) -> None:
    """Frames in words."""
    assert project.doit("deploy:add")[0] == 0
    process = project.start("monitor:add")
    assert process.stdout is not None
    lines: list[str] = []
    while "end with exit code 0" not in "".join(lines):
        lines.append(process.stdout.readline())
        assert lines[-1], lines

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert any("start on _lab: " in line for line in lines)
    assert process.returncode == 130


def test_a_build_does_not_deploy(project: Project) -> None:
    """`deploy` and `monitor` run on request."""
    _, output = project.doit("list", "--all")

    assert "deploy:add" in output and "monitor:add" in output
    assert "deploy" not in project.doit("build:add")[1]


def test_a_board_that_is_not_there_is_exit_code_1_and_one_nobody_knows_is_2(project: Project) -> None:
    """With the place that has to be set."""
    project.environment |= {"XDG_CONFIG_HOME": str(project.root / "nothing")}
    code, output = project.doit("deploy:add")

    assert (code, "set ETBUILD_BOARD_HOST, or host of the board" in output) == (2, True), output
    project.environment |= {"ETBUILD_BOARD_HOST": "127.0.0.1:1"}
    code, output = project.doit("deploy:add")

    assert (code, "is the board on, and on this network?" in output) == (1, True), output
