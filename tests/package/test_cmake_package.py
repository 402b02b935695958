"""The CMake package in projects of others: real CMake, real cross compiler, and QEMU."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import NAME, Packaged

from etbuild.firmware import simulators
from etbuild.firmware.board_files import qemu_arguments
from etbuild.firmware.protocol import read_transcript
from etbuild.hardware.boards import board_file, load_board
from etbuild.steps import package as package_step
from etbuild.system import tools
from etbuild.system.parent import ends_with_parent

pytestmark = pytest.mark.e2e

FIRMWARE = """\
cmake_minimum_required(VERSION 3.20)
project(digits LANGUAGES C CXX ASM)
find_package(mnist_u55 CONFIG REQUIRED)
add_executable(digits)
target_link_libraries(digits PRIVATE mnist_u55::firmware)
"""
OWN = FIRMWARE.replace("add_executable(digits)", "add_executable(digits main.c)").replace("::firmware", "::board")
MAIN = """\
#include <string.h>
#include "mnist_u55.h"
#include "digits.h"
_Alignas(16) static unsigned char arena[MNIST_U55_ARENA_BYTES], scratch[MNIST_U55_SCRATCH_BYTES];
int main(void) {
    if (mnist_u55_open(arena, sizeof arena, scratch, sizeof scratch, 0, 0)) return 1;
    int wrong = 0;
    for (int i = 0; i < DIGITS; ++i) {
        size_t size = 0;
        if (mnist_u55_set_input(0, inputs[i], sizeof inputs[i]) || mnist_u55_run()) return 2;
        wrong += memcmp(mnist_u55_output(0, &size), outputs[i], sizeof outputs[i]) || size != sizeof outputs[i];
    }
    return wrong ? 10 + wrong : mnist_u55_arena_used() > sizeof arena;
}
"""


@dataclass(frozen=True)
class Driven(Packaged):
    """The same model, packaged with the register driver for a board, in a folder of the project."""

    board: str

    @property
    def package(self) -> Path:
        return self.root / f"driven-{self.board}"

    @classmethod
    def write(cls, packaged: Packaged, board: str) -> Driven:
        made, variant = cls(packaged.root, board), packaged.variant
        files = {"pte": variant / "model.pte", "manifest": variant / "manifest.json", "header": variant / "model.h"}
        files |= {"vectors": packaged.golden, "output": made.package}
        words = ["--name", NAME, "--board", board, "--driver", "ethosu", "--npu", "ethos-u55-128", "--stack", "16384"]
        words += ["--system-config", "Ethos_U55_High_End_Embedded", "--memory-mode", "Shared_Sram"]
        words += ["--symbol", f"{NAME}_pte", *(word for key, file in files.items() for word in (f"--{key}", str(file)))]
        assert package_step.main(words) == 0
        return made


def configure(packaged: Packaged, folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "CMakeLists.txt").write_text(text)
    package = packaged.package
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={package}/share/cmake/arm-none-eabi.cmake"
    command = ["cmake", "-G", "Ninja", "-S", str(folder), "-B", str(folder / "out"), toolchain]
    return subprocess.run([*command, f"-DCMAKE_PREFIX_PATH={package}"], capture_output=True, text=True)


def built(packaged: Packaged, folder: Path, text: str) -> Path:
    """The program `digits` of a project."""
    done = configure(packaged, folder, text)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(["ninja", "-C", str(folder / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out/digits"


def run(elf: Path) -> subprocess.CompletedProcess[bytes]:
    file = board_file("qemu-mps3-an547")
    assert file is not None
    command = [str(tools.program("qemu-system-arm")), *qemu_arguments(load_board(file), elf)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, preexec_fn=ends_with_parent()
    )


def vectors(packaged: Packaged) -> tuple[np.ndarray, np.ndarray]:
    with np.load(packaged.golden) as golden:
        return golden["input_0"], golden["output_0"]


def test_a_project_of_ten_lines_runs_mnist_bit_exact(packaged: Packaged, tmp_path: Path) -> None:
    """The firmware of the package, 16 of 16 vectors; nothing of etbuild is on the command line."""
    assert len(FIRMWARE.splitlines()) <= 10

    done = run(built(packaged, tmp_path, FIRMWARE))

    transcript = read_transcript(done.stdout)
    _, wanted = vectors(packaged)
    assert (done.returncode, transcript.problem, transcript.exit) == (0, "", 0)
    assert [one.outputs for one in transcript.vectors] == [(row.tobytes(),) for row in wanted]
    assert len(wanted) == 16


def test_a_program_with_a_main_of_its_own_runs_mnist_bit_exact(packaged: Packaged, tmp_path: Path) -> None:
    """In C, with buffers of the sizes that the package gives; the exit code is main's."""
    inputs, outputs = vectors(packaged)

    def array(name: str, values: np.ndarray) -> str:
        rows = ",".join("{" + ",".join(map(str, row.tobytes())) + "}" for row in values)
        size = values[0].nbytes
        return f"_Alignas(16) static const unsigned char {name}[{len(values)}][{size}] = {{{rows}}};\n"

    text = f"#define DIGITS {len(inputs)}\n" + array("inputs", inputs) + array("outputs", outputs)
    (tmp_path / "digits.h").write_text(text)
    (tmp_path / "main.c").write_text(MAIN)

    assert run(built(packaged, tmp_path, OWN)).returncode == 0


@pytest.mark.parametrize("board", ["corstone-300", "alif-e8-he-qemu"])
def test_a_package_with_the_register_driver_runs_with_the_npu_beside_qemu(
    packaged: Packaged, tmp_path: Path, board: str
) -> None:
    """Without the emulator's sources; 16 of 16 vectors."""
    driven = Driven.write(packaged, board)
    file = board_file(board)
    assert file is not None

    elf = built(driven, tmp_path, FIRMWARE)
    result = simulators.simulate(
        simulators.Request("qemu", load_board(file), "ethosu", "ethos-u55-128", elf, 120), "qemu"
    )

    transcript = read_transcript(result.output)
    _, wanted = vectors(packaged)
    assert (result.code, result.problem, transcript.problem, transcript.exit) == (0, "", "", 0)
    assert [one.outputs for one in transcript.vectors] == [(row.tobytes(),) for row in wanted]
    sources = {str(one.relative_to(driven.package / "src")) for one in (driven.package / "src").rglob("*.cc")}
    assert "npu/ethosu.cc" in sources and "npu/emulator.cc" not in sources


def test_a_project_without_an_assembler_is_told(packaged: Packaged, tmp_path: Path) -> None:
    """The model is an assembler source."""
    done = configure(packaged, tmp_path, FIRMWARE.replace("C CXX ASM", "C CXX"))

    assert done.returncode == 1
    assert "mnist_u55: got a project without ASM, wanted project(... LANGUAGES C CXX" in " ".join(done.stderr.split())


def test_the_package_says_what_the_model_needs(packaged: Packaged, tmp_path: Path) -> None:
    """Operators, sizes and the NPU's configuration, as variables and as definitions."""
    more = 'message(STATUS "says ${mnist_u55_NPU} ${mnist_u55_OPERATORS} ${mnist_u55_MODEL_BYTES}")\n'
    more += 'get_target_property(_d mnist_u55_model INTERFACE_COMPILE_DEFINITIONS)\nmessage(STATUS "defines ${_d}")\n'

    done = configure(packaged, tmp_path, FIRMWARE + more)

    size = packaged.manifest["pte"]["bytes"]
    says = next(line for line in done.stdout.splitlines() if "says" in line)
    assert says.startswith("-- says ethos-u55-128 ") and says.endswith(f" {size}")
    assert "quantize_per_tensor.out" in says
    assert (
        "defines ETHOSU_TARGET_NPU_CONFIG=ethos-u55-128;NPU_QCONFIG=2;NPU_REGIONCFG_0=3;NPU_REGIONCFG_1=0;"
        "NPU_REGIONCFG_2=0" in done.stdout
    )


def test_a_package_has_no_path_of_this_machine(packaged: Packaged) -> None:
    """Its texts are the same wherever it is built."""
    for file in packaged.package.rglob("*"):
        if file.is_file() and file.suffix not in (".pte", ".bin"):
            text = file.read_text()
            assert str(packaged.root) not in text and str(Path(__file__).parents[2]) not in text, file


def test_a_package_holds_only_the_sources_that_the_model_needs(packaged: Packaged) -> None:
    """No kernel of another model, nothing of the host."""
    sources = {str(file.relative_to(packaged.package / "src")) for file in (packaged.package / "src").rglob("*.cc")}

    assert not any(name.startswith(("port/host", "executorch/")) for name in sources)
    assert "kernels/softmax.cc" not in sources
    assert {"embed/embed.cc", "exec/method.cc", "selection.cc"} <= sources
    assert NAME in (packaged.package / "src/model_names.h").read_text()
