"""The register driver on the host, against a model of the NPU's registers on the emulator that can also fail."""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from images import PTES

from etbuild.firmware.npu_settings import settings_source
from etbuild.firmware.select_sources import RUNTIME
from etbuild.hardware.board_npu import Axi, AxiLimit
from etbuild.hardware.boards import board_file, load_board
from etbuild.host.program import HostProgram
from etbuild.pte.reader import read
from etbuild.pte.vela import Stream, read_stream
from etbuild.system import environment, tools

if TYPE_CHECKING:
    from etbuild.hardware.board import Board

NATIVE = Path(__file__).parent / "native/device.cc"
OK, MISMATCH, TIMEOUT, FAULT = 0, 6, 7, 8
FLAGS = ("-std=c++17", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wall", "-Wextra")


@dataclass(frozen=True)
class Outcome:
    code: int
    text: str
    number: int
    cycles: int
    calls: list[str]
    writes: list[str]
    scratch: bytes


@dataclass(frozen=True)
class Case:
    """A delegate of a .pte with one input, and the emulator's output for it."""

    program: Path
    stream: Stream
    folder: Path
    output: bytes

    def run(self, scenario: str, *settings: int) -> Outcome:
        names = ("payload", "weights", "scratch")
        done = subprocess.run(
            [str(self.program), scenario, *names, "result", *map(str, settings)],
            cwd=self.folder, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        code, text, number, cycles, calls, writes = done.stdout.strip("\n").split("|")
        scratch = (self.folder / "result").read_bytes()
        return Outcome(int(code), text, int(number, 16), int(cycles), calls.split(), writes.split(), scratch)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return _case(tmp_path_factory.mktemp("device"), "linear_u55.pte")


@pytest.fixture(scope="module")
def u85(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return _case(tmp_path_factory.mktemp("u85"), "linear_u85_segment.pte")


def _case(folder: Path, name: str) -> Case:
    parsed = read(PTES / name)
    (delegate,) = parsed.methods[0].delegates
    stream = read_stream(parsed, delegate)
    blocks = {block.name: bytes(block.data or b"") for block in stream.blocks}
    place = stream.inputs[0]
    data = np.random.default_rng(1).integers(-128, 128, int(np.prod(place.shape)), np.int8)
    scratch = bytearray(stream.scratch_bytes)
    scratch[place.offset : place.offset + data.nbytes] = data.tobytes()
    for block, content in (("payload", blocks["cmd_data"]), ("weights", blocks["weight_data"]), ("scratch", scratch)):
        (folder / block).write_bytes(content)
    (output,) = HostProgram(PTES / name).run_delegate(0, [data], ["int8"])
    return Case(_built(), stream, folder, output.tobytes())


def numbers(board: Board, family: str, mode: str = "Shared_Sram") -> list[int]:
    """Protection, commands, regions and the six words of axi of a board's generated settings."""
    text = settings_source(board, family, mode, 10).splitlines()[-2]
    words = [int(word, 0) for word in re.findall(r"0x[0-9a-f]+|\b\d+\b", text)]
    axi = 6 if family == "u85" else 4
    return [*words[: 3 + axi], *[0] * (6 - axi)]


def _built() -> Path:
    """The program, cached by the content of its sources."""
    sources = sorted((RUNTIME / "npu").glob("*.cc"))
    files = [NATIVE, *sources, *sorted((RUNTIME / "npu").glob("*.h")), *sorted((RUNTIME / "base").glob("*.h"))]
    digest = hashlib.sha256("".join(FLAGS).encode() + b"".join(file.read_bytes() for file in files)).hexdigest()[:32]
    program = environment.cache_folder() / "tests" / f"device-{digest}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        compiler = str(tools.program("c++"))
        part = program.with_suffix(".part")
        subprocess.run([compiler, *FLAGS, f"-I{RUNTIME}", str(NATIVE), *map(str, sources), "-o", str(part)], check=True)
        part.replace(program)
    return program


def test_a_job_gives_the_bytes_of_the_emulator(case: Case) -> None:
    """And the cycles that the PMU counted."""
    outcome = case.run("good")

    place = case.stream.outputs[0]
    assert (outcome.code, outcome.text, outcome.cycles) == (OK, "", 4711)
    assert outcome.scratch[place.offset :][: len(case.output)] == case.output


def test_the_data_cache_is_cleaned_and_discarded_around_a_job(case: Case) -> None:
    """Before: stream and weights are cleaned and the scratch is flushed. After: the scratch is discarded."""
    assert case.run("good").calls == ["clean", "clean", "flush", "start", "discard"]


@pytest.mark.parametrize(
    ("scenario", "code", "text", "number"),
    [
        ("no NPU", FAULT, "no NPU answers at its address: ID is", 0),
        ("stuck in reset", TIMEOUT, "NPU does not come out of its reset", 0),
        ("not secure", FAULT, "NPU does not become secure and privileged, PROT is", 2),
        ("other NPU", MISMATCH, "compiled for another NPU: configurations", 0x00001807_00003008),
        ("other commands", MISMATCH, "compiled for another NPU: configurations", 0x00001807_00001817),
        ("old NPU", MISMATCH, "compiled for a newer architecture of the NPU: IDs", 0x10066001_00104001),
        ("bit 7", FAULT, "NPU reports an error, its status is", 0x81),
        ("bus error", FAULT, "NPU reports an error, its status is", 5),
        ("stopped early", FAULT, "NPU reports an error, its status is", 2),
        ("never ends", TIMEOUT, "NPU does not end in time, its status is", 1),
    ],
)
def test_every_failure_is_a_status_within_a_time_limit(
    case: Case, scenario: str, code: int, text: str, number: int
) -> None:
    """With the register value that says why."""
    outcome = case.run(scenario)

    assert (outcome.code, outcome.text, outcome.number) == (code, text, number)


def test_a_stream_for_another_npu_does_not_start(case: Case) -> None:
    """It is rejected when the program is loaded."""
    assert case.run("other NPU").calls == []


def shipped(name: str) -> Board:
    file = board_file(name)
    assert file is not None
    return load_board(file)


def after(writes: list[str], first: str) -> list[str]:
    """The writes from the last one of `first` on, without those of the addresses."""
    last = len(writes) - 1 - writes[::-1].index(first)
    return [one for one in writes[last:] if not 0x80 <= int(one.partition("=")[0], 16) < 0xC0]


def test_an_ethos_u85_gets_its_memory_attributes_after_every_reset(u85: Case) -> None:
    """MEM_ATTR0 and 1 are the SRAM ports, 2 and 3 the external ones; the limits are those of Arm's driver."""
    outcome = u85.run("good", *numbers(shipped("corstone-320"), "u85"))

    assert (outcome.code, outcome.cycles) == (OK, 4711)
    writes = after(outcome.writes, "c=1")
    assert writes[:10] == ["c=1", "8=0", "40=0", "44=0", "48=4", "4c=4", "50=20f0b", "54=21f3f", "3c=3", "1c=2"]
    assert [one for one in writes if one.startswith("8=")] == ["8=0", "8=1", "8=2", "8=c"]


@pytest.mark.parametrize(("family", "limit"), [("u55", 0x0F1F0000), ("u65", 0x1F3F0000)])
def test_the_limits_of_an_ethos_u55_and_u65_are_those_of_arms_driver(family: str, limit: int) -> None:
    """Of all four counters, with memory type 0."""
    assert numbers(shipped("corstone-300"), family) == [1, 2, 3, limit, limit, limit, limit, 0, 0]


def test_the_clock_and_the_power_are_released_after_a_job_and_after_the_start(case: Case) -> None:
    """CMD is 0 while there is work, and 0xC when there is none; a reset before each job restores what was lost."""
    outcome = case.run("good")

    commands = [one for one in outcome.writes if one.split("=")[0] in ("8", "c")]
    assert commands == ["c=1", "8=c", "c=1", "8=0", "8=1", "8=2", "8=c"]


def test_a_failed_job_releases_the_power_too(case: Case) -> None:
    """After the reset that ends it."""
    assert case.run("bus error").writes[-2:] == ["c=1", "8=c"]


@pytest.mark.parametrize(
    ("secure", "privileged", "protection"), [(True, True, 1), (True, False, 0), (False, True, 3), (False, False, 2)]
)
def test_the_board_says_whether_the_npu_is_secure_and_privileged(
    case: Case, secure: bool, privileged: bool, protection: int
) -> None:
    """Bit 0 of RESET and PROT is privileged, bit 1 non-secure."""
    board = shipped("corstone-300")
    board = replace(board, npu=replace(board.npu, secure=secure, privileged=privileged))

    outcome = case.run("good", *numbers(board, "u55"))

    assert (outcome.code, outcome.writes[0]) == (OK, f"c={protection:x}")


def test_an_npu_that_stays_secure_is_an_error_that_names_the_keys(case: Case) -> None:
    """PROT reads 2 there."""
    outcome = case.run("not secure", 3)

    assert (outcome.code, outcome.number) == (FAULT, 2)
    assert outcome.text == "NPU does not take npu.secure and npu.privileged of the board, PROT is"


def test_a_board_overrides_entries_memory_types_and_limits() -> None:
    """All on the first port, write-back memory types, fewer transactions."""
    board = shipped("corstone-300")
    axi = Axi(1, 1, 0, 1, (3, 3, 2, 2), (AxiLimit(8, 4, 128),) * 4)
    board = replace(board, npu=replace(board.npu, axi=axi))

    assert numbers(board, "u55") == [1, 1, 0x11, 0x03070031, 0x03070031, 0x03070021, 0x03070021, 0, 0]


def test_a_branch_fault_of_an_ethos_u85_ends_the_job_at_once(u85: Case) -> None:
    """It is bit 9 of STATUS; the NPU is not waited for."""
    outcome = u85.run("branch fault", *numbers(shipped("corstone-320"), "u85"))

    assert (outcome.code, outcome.number) == (FAULT, 0x201)


def test_bit_7_of_an_ethos_u85s_status_is_no_fault(u85: Case) -> None:
    """It is reserved there; on U55 and U65 it is the weight decoder's."""
    assert u85.run("bit 7", *numbers(shipped("corstone-320"), "u85")).code == OK


def test_a_job_larger_than_the_cache_maintains_the_whole_cache(case: Case) -> None:
    """Before and after it; then no line is maintained by its address."""
    outcome = case.run("small cache")

    assert (outcome.code, outcome.calls) == (OK, ["flush_all", "start", "flush_all"])


def test_memory_that_the_npu_sees_elsewhere_has_another_base_address(case: Case) -> None:
    """And memory that the cache does not hold is not maintained: the weights, of stream, weights and scratch."""
    outcome = case.run("weights elsewhere")

    place = case.stream.outputs[0]
    assert (outcome.code, outcome.calls) == (OK, ["clean", "flush", "start", "discard"])
    assert outcome.scratch[place.offset :][: len(case.output)] == case.output


def test_the_windows_of_a_board_are_its_special_regions() -> None:
    """One that the NPU sees elsewhere, one that needs no maintenance; a job may take the time of the recipe."""
    board = shipped("corstone-300")
    dtcm = replace(board.region("dtcm"), npu=True, npu_address=0x50800000, cacheable=False)
    ddr = replace(board.region("ddr"), cacheable=False)
    board = replace(board, memory=(dtcm, board.region("sram"), ddr))

    assert settings_source(board, "u55", "Shared_Sram", 2.5) == (
        """\
const npu::Window npu_windows[] = {
    {0x30000000, 0x3007ffff, 0x20800000, false},
    {0x70000000, 0x7fffffff, 0x00000000, false},
};
extern const npu::Settings npu_settings;
const npu::Settings npu_settings{
    1, 2, 0x0003, {0x0f1f0000, 0x0f1f0000, 0x0f1f0000, 0x0f1f0000},
    62500000u, npu_windows, 2};
"""
    )
