"""Which simulator runs a firmware, its command, and the checks of its output; with a fake FVP."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from images import PTES, build
from transcripts import failed, fault, whole

from etbuild.errors import MissingTool, StepError
from etbuild.firmware.simulators import Request, command, resolve
from etbuild.hardware.boards import Board, board_file, load_board
from etbuild.steps import run

STAND_IN = Path(__file__).parent / "fvp_stand_in.py"
OUTPUTS = np.arange(6, dtype=np.float32).reshape(2, 1, 3)


def board(name: str) -> Board:
    file = board_file(name)
    assert file is not None
    return load_board(file)


@dataclass
class Project:
    """A folder with an image, golden.npz and a fake FVP."""

    root: Path

    @property
    def fvp(self) -> Path:
        return self.root / "bin/FVP_Corstone_SSE-300_Ethos-U55"

    def prepare_fvp(self, console: bytes, **more: object) -> None:
        (self.root / "console").write_bytes(console)
        orders = {"console": str(self.root / "console"), "arguments": str(self.root / "arguments"), **more}
        (self.root / "orders.json").write_text(json.dumps(orders))

    def run(self, *more: str) -> int:
        return run.main(
            [
                *("--pte", "model.pte", "--golden", "golden.npz", "--elf", "firmware.elf"),
                *("--board", "corstone-300", "--driver", "ethosu", "--npu", "ethos-u55-256", "--output", "run.json"),
                *("--timeout", "20", *more),
            ]
        )

    def failure(self, *more: str) -> str:
        with pytest.raises(StepError) as caught:
            self.run(*more)
        return str(caught.value)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    made = Project(tmp_path)
    shutil.copy(PTES / "linear_u55.pte", "model.pte")
    Path("firmware.elf").write_bytes(b"\x7fELF")
    np.savez("golden.npz", input_0=OUTPUTS, output_0=OUTPUTS)
    made.fvp.parent.mkdir()
    made.fvp.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    made.fvp.chmod(0o755)
    monkeypatch.setenv("FVP_STAND_IN", str(tmp_path / "orders.json"))
    monkeypatch.setenv("FVP_PATH", str(made.fvp.parent))
    return made


def good(npu_cycles: int = 0, exit_code: int = 0) -> bytes:
    return b"".join(whole([[row.tobytes()] for row in OUTPUTS], npu_cycles, exit_code)) + b"\x04"


def request(name: str, driver: str, npu: str, on: str = "auto") -> Request:
    return Request(on, board(name), driver, npu, Path("firmware.elf"), 60.0)


def test_an_fvp_that_is_found_runs_a_firmware_for_its_npu(project: Project) -> None:
    """With the flags of its board; every figure has its kind."""
    project.prepare_fvp(good(npu_cycles=4242))

    assert project.run() == 0

    assert " ".join(json.loads(Path("arguments").read_text())) == (
        "-C ethosu.num_macs=256 -C mps3_board.visualisation.disable-visualisation=1 "
        "-C mps3_board.telnetterminal0.start_telnet=0 -C cpu0.semihosting-enable=1 -C mps3_board.uart0.out_file=- "
        "-C mps3_board.uart0.shutdown_on_eot=1 -a firmware.elf --timelimit 20"
    )
    report = json.loads(Path("run.json").read_text())
    assert (report["runner"], report["on"], report["bit_exact"]) == ("corstone-300 (FVP)", "fvp", 2)
    del report["figures"]["duration"]
    assert report["figures"] == {
        "cpu_cycles": {"value": 1000, "unit": "cycles", "kind": "FVP CPU, not accurate"},
        "npu_cycles": {"value": 4242, "unit": "cycles", "kind": "FVP NPU"},
    }


def test_an_fvp_may_be_named_and_run_without_timing_adapters(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by run.fvp, in any folder."""
    monkeypatch.delenv("FVP_PATH")
    project.prepare_fvp(good())

    assert project.run("--on", "fvp", "--fvp", str(project.fvp), "--no-timing-adapters") == 0

    assert "ethosu.extra_args=--fast" in json.loads(Path("arguments").read_text())


@pytest.mark.parametrize(
    ("console", "more", "expected"),
    [
        (b"", {}, "got results that cannot be trusted: there is no end frame\n    | Fast Models [11.27.42]\n"),
        (b"", {"code": 1}, "there is no end frame (the simulator ended with exit code 1)\n"),
        (good()[:-40], {}, "got results that cannot be trusted: "),
        (good().replace(b"~V", b"~X", 1), {}, "is damaged: its CRC is wrong"),
        (good(), {"code": 3}, "the simulator ended with exit code 3 after all results"),
        (failed(15, 0, 0), {}, "exit code 15, the NPU is missing, does not answer or reported an error: text 0x0 (0)"),
        (fault(21, 1 << 20), {}, "processor exception 4: stack overflow\n"),
        (b"Error: licence not found\n", {"code": 1}, "\n    | Error: licence not found\n"),
    ],
)
def test_an_invalid_output_fails_and_is_shown(
    project: Project, console: bytes, more: dict[str, object], expected: str
) -> None:
    """Whatever the exit code of the simulator."""
    project.prepare_fvp(console, **more)

    assert expected in project.failure()


def test_a_wrong_output_fails(project: Project) -> None:
    """With the element and both values."""
    rows = [[row.tobytes()] for row in OUTPUTS]
    rows[1] = [(OUTPUTS[1] + np.float32(0.5)).tobytes()]
    project.prepare_fvp(b"".join(whole(rows)))

    assert project.failure().startswith(
        "run on corstone-300 (FVP): vector 1, output 0: element [0, 0]: got 3.5, wanted 3.0; 3 of 3 elements differ\n"
        "    run: {on: host} says in which delegate, or that it is in an operator on the CPU\n"
        "    run: {tolerance: 0.1} accepts it"
    )


def test_fewer_vectors_than_golden_has_fail(project: Project) -> None:
    """Even if the transcript is complete."""
    project.prepare_fvp(b"".join(whole([[OUTPUTS[0].tobytes()]])))

    assert "got results of 1 vectors, wanted 2" in project.failure()


def test_a_simulator_that_hangs_is_killed_with_its_children(project: Project) -> None:
    """After the time limit."""
    project.prepare_fvp(b"", hang=600, child=str(project.root / "child"))

    assert "got no end after 4 s and 0 vectors, wanted one" in project.failure("--timeout", "4")

    stat = Path("/proc") / (project.root / "child").read_text() / "stat"
    deadline = time.monotonic() + 10
    while stat.exists() and stat.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


@pytest.mark.parametrize(
    ("name", "driver", "npu", "where"),
    [
        ("qemu-mps3-an547", "emulator", "ethos-u85-256", "qemu"),
        ("corstone-300", "ethosu", "ethos-u55-128", "qemu"),
        ("corstone-300", "emulator", "ethos-u55-128", "qemu"),
        ("corstone-300", "ethosu", "", "qemu"),
        ("corstone-320", "ethosu", "ethos-u85-256", "host"),
    ],
)
def test_auto_without_an_fvp_runs_in_qemu_or_on_the_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, driver: str, npu: str, where: str
) -> None:
    """QEMU where it has the board, its NPU or an emulated one; else the host."""
    monkeypatch.setenv("FVP_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert resolve(request(name, driver, npu)) == where


def test_a_missing_fvp_is_reported_with_its_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit code 3."""
    monkeypatch.setenv("FVP_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingTool) as caught:
        command(request("corstone-320", "ethosu", "ethos-u85-256", "fvp"), "fvp")

    assert str(caught.value) == (
        "FVP_Corstone_SSE-320: got no such program on PATH, wanted one\n"
        "    get it from Arm (Ecosystem FVPs, with a licence to accept), then set FVP_PATH to its folder"
    )


@pytest.mark.e2e
@pytest.mark.fvp
@pytest.mark.skipif(
    not shutil.which(
        "FVP_Corstone_SSE-300_Ethos-U55", path=os.pathsep.join([os.environ.get("FVP_PATH", ""), os.environ["PATH"]])
    ),
    reason="no FVP_Corstone_SSE-300_Ethos-U55 on this machine: it comes from Arm, with a licence to accept",
)
def test_a_real_fvp_gives_the_bytes_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Arm's model of the NPU and our driver."""
    monkeypatch.chdir(tmp_path)
    image = build(tmp_path, "linear_u55.pte", board="corstone-300")

    assert run.main([*image.run_options(), "--on", "fvp"]) == 0
