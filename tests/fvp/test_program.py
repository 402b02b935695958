"""Images run by the stand-in, with the command lines that other build systems write."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from etbuild.cli.main import main
from etbuild.fvp.parameters import PROGRAMS
from tests.virtual_npu import third_party

U55 = "FVP_Corstone_SSE-300_Ethos-U55"
STOPPED = "\nInfo: /OSCI/SystemC: Simulation stopped by user.\n"
BANNER = f"    etbuild fvp: QEMU with an ethos-u55-128 beside it stands in for {U55}; cycles are no measure\n\n"
# The options of ExecuTorch's script for Ethos-U55, behind the number of MACs.
SCRIPT = """\
    -C mps3_board.visualisation.disable-visualisation=1 \\
    -C mps3_board.telnetterminal0.start_telnet=0 \\
    -C mps3_board.uart0.out_file='-' \\
    -C mps3_board.uart0.shutdown_on_eot=1"""


@dataclass(frozen=True)
class Result:
    code: int
    output: str
    errors: str


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stand-ins, as a user installs them."""
    folder = tmp_path_factory.mktemp("programs")
    assert main(["fvp", "--install", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runner.elf, which ends itself, eot.elf, which is ended, and polls.elf."""
    folder = tmp_path_factory.mktemp("images")
    third_party.link(folder, "runner", "-O2", "-DEOT").rename(folder / "eot.elf")
    third_party.link(folder, "runner")
    third_party.build(folder, "polls")
    third_party.link(folder, "ends")
    return folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """program.pte and i0.bin, as ExecuTorch's tests write them."""
    shutil.copy(third_party.PTES / "linear_u55.pte", tmp_path / "program.pte")
    (tmp_path / "i0.bin").write_bytes(bytes((1, 2, 250, 4)))
    return tmp_path


def run(programs: Path, *arguments: str, program: str = U55, limit_s: float = 60) -> Result:
    done = subprocess.run(
        [str(programs / program), *arguments],
        capture_output=True,
        timeout=limit_s,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def runner_arguments(elf: Path, folder: Path) -> list[str]:
    settings = [
        *("ethosu.num_macs=128", "mps3_board.visualisation.disable-visualisation=1"),
        *("mps3_board.telnetterminal0.start_telnet=0", "mps3_board.uart0.out_file='-'"),
        *("cpu0.semihosting-enable=1", "cpu0.semihosting-stack_base=0", "cpu0.semihosting-heap_limit=0"),
        *(f"cpu0.semihosting-cwd={folder}", "ethosu.extra_args='--fast'"),
        "cpu0.semihosting-cmd_line='executor_runner -m program.pte -o out -i i0.bin'",
    ]
    return [*(text for one in settings for text in ("-C", one)), "-a", str(elf), "--timelimit", "60"]


def test_an_image_with_semihosting_reads_and_writes_files(programs: Path, images: Path, run_folder: Path) -> None:
    """The command line of ExecuTorch's tests: nothing on the error stream, code 0, the output in its file."""
    done = run(programs, *runner_arguments(images / "runner.elf", run_folder))

    assert done.errors == ""
    assert sorted(done.output.splitlines()) == sorted(
        (
            BANNER + "I executorch: executor_runner -m program.pte -o out -i i0.bin\n"
            "I executorch: semihosting prints, too\nI executorch: Program complete, exiting.\n" + STOPPED
        ).splitlines()
    )
    assert done.code == 0
    assert (run_folder / "out-0.bin").read_bytes() == expected(run_folder)


def expected(folder: Path) -> bytes:
    """What the emulator of the host makes of program.pte and i0.bin."""
    return third_party.delegate_output(folder / "program.pte", (folder / "i0.bin").read_bytes())


def test_the_script_of_executorch_ends_with_eot(programs: Path, images: Path, run_folder: Path) -> None:
    """Its pipeline through sed and tee; what the image prints behind EOT is no output, and the code is 0."""
    log = run_folder / "log"
    script = (
        f"set -eu -o pipefail\nstdbuf -oL {U55} -C ethosu.num_macs=128 {SCRIPT} "
        f"-C 'cpu0.semihosting-cwd={run_folder}' "
        "-C 'cpu0.semihosting-cmd_line=executor_runner -m program.pte -i i0.bin' "
        f"-a '{images}/eot.elf' --timelimit 60 2>&1 | sed 's/\\r$//' | tee '{log}'"
    )
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}

    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    # The order of the two outputs is not known: what semihosting prints may stand between any two lines.
    uart = log.read_text().replace("I executorch: semihosting prints, too\n", "")
    assert "Program complete, exiting.\n\x04" in uart
    assert "behind the end" not in uart
    assert log.read_text().endswith(STOPPED)


def test_mlias_command_line_places_the_model_with_data(programs: Path, images: Path) -> None:
    """The bytes are where the image reads them; --stat prints figures at the end."""
    data = images / "data.bin"
    data.write_bytes(b"placed")

    done = run(
        programs, "-a", str(images / "ends.elf"), "--data", f"{data}@0x90000000", "-C", "ethosu.num_macs=256",
        "-C", "mps3_board.telnetterminal0.start_telnet=0", "-C", "mps3_board.uart0.out_file='-'",
        "-C", "mps3_board.uart0.shutdown_on_eot=1", "--stat", "-C", "cpu0.semihosting-cmd_line=x data",
    )  # fmt: skip

    assert "placed\n\x04" in done.output
    assert f"--- {U55} statistics: ---\nHost time: " in done.output
    assert (done.code, done.errors) == (0, "")


def test_zephyrs_command_line_runs_an_image(programs: Path, images: Path) -> None:
    """Three UARTs on one console, each without a window."""
    settings = ["mps3_board.visualisation.disable-visualisation=1"]
    for i in range(3):
        settings += [f"mps3_board.uart{i}.out_file=-", f"mps3_board.uart{i}.unbuffered_output=1"]
        settings += [f"mps3_board.telnetterminal{i}.start_telnet=0"]

    done = run(programs, *(text for one in settings for text in ("-C", one)), "-a", str(images / "polls.elf"))

    assert done.output.count("STATUS=0x00000022\nQREAD=0x00000000\nright\n") == 3
    assert (done.code, done.errors) == (0, "")


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_images_exit_code_is_the_programs(code: int, programs: Path, images: Path) -> None:
    """By semihosting's extended exit."""
    done = run(programs, "-C", f"cpu0.semihosting-cmd_line=x exit {code}", str(images / "ends.elf"))

    assert (done.code, done.errors) == (code, "")


def test_a_line_with_the_tag_ends_the_run(programs: Path, images: Path) -> None:
    """As MLonMCU and TVM end theirs."""
    done = run(
        programs, "-C", "mps3_board.uart0.shutdown_tag=EXITTHESIM", "-C", "cpu0.semihosting-cmd_line=x tag",
        str(images / "ends.elf"),
    )  # fmt: skip

    assert done.output == BANNER + "before EXITTHESIM" + STOPPED
    assert done.code == 0


def test_an_image_that_does_not_end_is_stopped(programs: Path, images: Path) -> None:
    """With the FVP's words, by which ExecuTorch's script knows it, and its code 0."""
    done = run(programs, "-C", "cpu0.semihosting-cmd_line=x hang", str(images / "ends.elf"), "--timelimit", "2")

    assert (
        done.output == BANNER + "hangs\n\nInfo: Simulation is stopping. Reason: CPU time has been exceeded.\n" + STOPPED
    )
    assert (done.code, done.errors) == (0, "")


def test_a_processor_that_locks_up_is_a_hard_fault(programs: Path, images: Path) -> None:
    """The words by which ExecuTorch's tests and its script find it, in a line of their own."""
    done = run(programs, "-C", "cpu0.semihosting-cmd_line=x lockup", str(images / "ends.elf"), "--timelimit", "30")

    assert "\nHard fault: the processor is locked up; QEMU says:\n" in done.output
    assert done.code == 1


def test_the_uart_goes_to_a_file(programs: Path, images: Path, tmp_path: Path) -> None:
    """Without a window and without a file it goes nowhere."""
    arguments = ["-C", "cpu0.semihosting-cmd_line=x tag", "-C", "mps3_board.telnetterminal0.start_telnet=0"]
    arguments += ["-C", "mps3_board.uart0.shutdown_tag=EXITTHESIM", str(images / "ends.elf")]

    filed = run(programs, "-C", f"mps3_board.uart0.out_file={tmp_path / 'uart'}", *arguments)
    lost = run(programs, *arguments)

    assert [one.output for one in (filed, lost)] == [BANNER + STOPPED] * 2
    assert (tmp_path / "uart").read_bytes() == b"before EXITTHESIM"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_version_is_a_number_of_three_parts(name: str, programs: Path) -> None:
    """Zephyr compares it; ExecuTorch asks it whether the FVP is there."""
    done = run(programs, "--version", program=name)

    assert (done.code, done.errors) == (0, "")
    assert "Fast Models [11.27.42]" in done.output


def test_a_wrong_command_line_starts_nothing(programs: Path, images: Path) -> None:
    """Code 2, one message, no banner."""
    done = run(programs, "-C", "ethosu.num_mac=128", str(images / "polls.elf"))

    assert (done.code, done.output) == (2, "")
    assert done.errors.startswith(
        f"{U55}: -C: got ethosu.num_mac, wanted a parameter of this FVP, as ethosu.num_macs\n"
    )


def test_the_command_refuses_corstone_320_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """And with it ExecuTorch's question whether that FVP is installed."""
    assert main(["fvp", "FVP_Corstone_SSE-320", "--version"]) == 2
    assert "etbuild fvp: got FVP_Corstone_SSE-320, wanted FVP_Corstone_SSE-300_Ethos-U55" in capsys.readouterr().err


def test_the_command_runs_an_image(images: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without an installed program."""
    done = subprocess.run(
        [sys.executable, "-m", "etbuild.cli.main", "fvp", U55, "-a", str(images / "polls.elf")],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.stdout.count(b"STATUS=0x00000022\nQREAD=0x00000000\nright\n") == 3
    assert (done.returncode, done.stderr) == (0, b"")


def test_installing_twice_is_fine_and_never_replaces_another_program(tmp_path: Path) -> None:
    """Neither Arm's FVP nor a link to it."""
    (tmp_path / U55).write_text("#!/bin/sh\n")
    before = sorted(tmp_path.iterdir())

    assert main(["fvp", "--install", str(tmp_path / "new")]) == 0
    assert main(["fvp", "--install", str(tmp_path / "new")]) == 0
    assert main(["fvp", "--install", str(tmp_path)]) == 2
    assert [path.name for path in before] == [U55]
    assert (tmp_path / U55).read_text() == "#!/bin/sh\n"


@pytest.mark.parametrize(
    ("name", "macs", "pte", "config"),
    [
        ("FVP_Corstone_SSE-300_Ethos-U65", 512, "linear_u65_512.pte", "0x10006009"),
        ("FVP_Corstone_SSE-300_Ethos-U85", 256, "linear_u85_segment.pte", "0x20000118"),
    ],
)
def test_each_program_has_its_npu(name: str, macs: int, pte: str, config: str, programs: Path, tmp_path: Path) -> None:
    """Also U85, whose own FVP has another memory map; its streams run all the same."""
    family = ("-DU85",) if "U85" in name else ()
    elf = third_party.build(tmp_path, "polls", third_party.PTES / pte, "-O2", *family)

    done = run(programs, "-C", f"ethosu.num_macs={macs}", "-a", str(elf), "--timelimit", "30", program=name)

    assert f"CONFIG={config}\n" in done.output
    assert done.output.count("STATUS=0x00000022\nQREAD=0x00000000\nright\n") == 3
    assert (done.code, done.errors) == (0, "")


def test_intel_hex_is_an_image(programs: Path, images: Path, tmp_path: Path) -> None:
    """As the evaluation kit of Arm splits its images."""
    subprocess.run(["arm-none-eabi-objcopy", "-O", "ihex", images / "polls.elf", tmp_path / "polls.hex"], check=True)

    done = run(programs, "-a", str(tmp_path / "polls.hex"), "--timelimit", "30")

    assert done.output.count("STATUS=0x00000022\nQREAD=0x00000000\nright\n") == 3
    assert (done.code, done.errors) == (0, "")


def test_a_reader_that_has_gone_changes_no_verdict(programs: Path, images: Path) -> None:
    """The FVP's output piped into head."""
    script = f"'{programs}/{U55}' -a '{images}/polls.elf' | head -n 1; exit ${{PIPESTATUS[0]}}"

    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, BANNER[:-1], "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_qemu_ends_with_the_stand_in(number: signal.Signals, programs: Path, images: Path) -> None:
    """However it is ended; Ctrl-C prints no traceback."""
    process = subprocess.Popen(
        [programs / U55, "-C", "cpu0.semihosting-cmd_line=x hang", images / "ends.elf"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    while process.stdout.readline() != b"hangs\n":
        assert process.poll() is None
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout

    process.send_signal(number)
    process.wait(20)

    assert process.stderr.read() == b""
    limit = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children.split()):
        assert time.monotonic() < limit


@pytest.mark.e2e
def test_executorchs_own_function_runs_an_image(
    programs: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """run_corstone of the installed ExecuTorch, unchanged: it finds the program, and reads the output that it wrote."""
    import torch
    from executorch.backends.arm.test import runner_utils

    class Cut(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :3].clone()

    given = torch.tensor([[1, 2, -6, 4]], dtype=torch.int8)
    exported = torch.export.export(Cut(), (given,))

    class Manager:
        buffer = (third_party.PTES / "linear_u55.pte").read_bytes()

        def exported_program(self) -> torch.export.ExportedProgram:
            return exported

    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert runner_utils.corstone300_installed()
    assert runner_utils.corstone300_u65_installed()
    assert not runner_utils.corstone320_installed()

    (got,) = runner_utils.run_corstone(Manager(), (given,), tmp_path, "corstone-300", images / "runner.elf")

    wanted = third_party.delegate_output(tmp_path / "program.pte", given.numpy().tobytes())
    assert got.numpy().tobytes() == wanted
    assert np.frombuffer(wanted, np.int8).shape == (3,)
