"""The register driver on the host, against a model of the NPU's registers on the emulator that can also fail."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from images import PTES

from etbuild.firmware.select_sources import RUNTIME
from etbuild.host.program import HostProgram
from etbuild.pte.reader import read
from etbuild.pte.vela import Stream, read_stream
from etbuild.system import environment, tools

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
    scratch: bytes


@dataclass(frozen=True)
class Case:
    """A delegate of linear_u55.pte with one input, and the emulator's output for it."""

    program: Path
    stream: Stream
    folder: Path
    output: bytes

    def run(self, scenario: str) -> Outcome:
        names = ("payload", "weights", "scratch")
        done = subprocess.run(
            [str(self.program), scenario, *names, "result"],
            cwd=self.folder, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        code, text, number, cycles, calls = done.stdout.strip("\n").split("|")
        scratch = (self.folder / "result").read_bytes()
        return Outcome(int(code), text, int(number, 16), int(cycles), calls.split(), scratch)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("device")
    parsed = read(PTES / "linear_u55.pte")
    (delegate,) = parsed.methods[0].delegates
    stream = read_stream(parsed, delegate)
    blocks = {block.name: bytes(block.data or b"") for block in stream.blocks}
    place = stream.inputs[0]
    data = np.random.default_rng(1).integers(-128, 128, int(np.prod(place.shape)), np.int8)
    scratch = bytearray(stream.scratch_bytes)
    scratch[place.offset : place.offset + data.nbytes] = data.tobytes()
    for name, content in (("payload", blocks["cmd_data"]), ("weights", blocks["weight_data"]), ("scratch", scratch)):
        (folder / name).write_bytes(content)
    (output,) = HostProgram(PTES / "linear_u55.pte").run_delegate(0, [data], ["int8"])
    return Case(_built(), stream, folder, output.tobytes())


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
