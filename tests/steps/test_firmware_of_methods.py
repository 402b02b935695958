"""A firmware of a program with several methods, in QEMU; and its package, in which a program chooses one by name."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from etbuild.errors import StepError
from etbuild.firmware import simulators
from etbuild.steps import firmware, package, run

if TYPE_CHECKING:
    from pathlib import Path

    from project import Project

    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++") and shutil.which("cmake")),
        reason="no QEMU, cross compiler or CMake on this machine",
    ),
]

VARIANT = "build/r/ethos-u55-128"
PROJECT = """\
cmake_minimum_required(VERSION 3.20)
project(both LANGUAGES C CXX ASM)
find_package(r CONFIG REQUIRED)
add_executable(both main.c)
target_link_libraries(both PRIVATE r::board)
"""
MAIN = """\
#include <string.h>
#include "r.h"
#include "golden.h"
_Alignas(16) static unsigned char arena[R_ARENA_BYTES];
extern unsigned char etb_scratch[]; /* of the linker script, where the NPU reaches it */
static int opened(const char* name) {
    return r_open_method(name, arena, sizeof arena, etb_scratch, R_SCRATCH_BYTES, 0, 0) == 0;
}
static int same(size_t i, const void* wanted, size_t bytes) {
    size_t size = 0;
    return memcmp(r_output(i, &size), wanted, bytes) == 0 && size == bytes;
}
int main(void) {
    for (int turn = 0; turn < 2; ++turn) {
        if (!opened("encode")) return 1;
        if (r_set_input(0, encode_input_0, sizeof encode_input_0) || r_run()) return 2;
        if (!same(0, encode_output_0, sizeof encode_output_0)) return 3;
        if (!opened("decode")) return 4;
        if (r_set_input(0, decode_input_0, sizeof decode_input_0)) return 5;
        if (r_set_input(1, decode_input_1, sizeof decode_input_1) || r_run()) return 6;
        if (!same(0, decode_output_0, sizeof decode_output_0)) return 7;
        if (!same(1, decode_output_1, sizeof decode_output_1)) return 8;
    }
    if (r_open(arena, sizeof arena, etb_scratch, R_SCRATCH_BYTES, 0, 0)) return 9;
    if (r_output(1, 0) == 0) return 10; /* decode is the first */
    if (opened("other") || strcmp(r_error(), "program has no such method")) return 11;
    return 0;
}
"""


@pytest.fixture(scope="module")
def flashed(two_methods: tuple[Project, Recipe]) -> tuple[Project, Step]:
    """The project with its firmware, and the step that runs it in QEMU."""
    made, one = two_methods
    image, step = (
        firmware.step(one, one.targets[0]),
        run.step(replace(one, run=replace(one.run, on="qemu")), one.targets[0]),
    )
    assert image is not None and step is not None
    # run.json is that of the host.
    step = step._replace(argv=tuple(word.replace("run.json", "qemu.json") for word in step.argv), outputs=())
    made.run(image, step)
    return made, step


def test_a_firmware_runs_the_vectors_of_each_method(flashed: tuple[Project, Step]) -> None:
    """In one run of QEMU, each delegate beside it; the arena is what the larger method needs."""
    report = flashed[0].json(f"{VARIANT}/qemu.json")
    planned = [sum(one["planned_bytes"]) for one in flashed[0].json(f"{VARIANT}/manifest.json")["methods"]]

    assert report["methods"] == {
        "decode": {"vectors": 3, "bit_exact": 3},
        "encode": {"vectors": 4, "bit_exact": 4},
    }
    assert (report["on"], report["vectors"], report["bit_exact"]) == ("qemu", 7, 7)
    assert report["memory"]["planned"] == max(planned)
    assert report["memory"]["arena_used"] > max(planned)


def test_a_wrong_output_of_a_firmware_is_named_with_its_method(flashed: tuple[Project, Step]) -> None:
    """And the number that the vector has in the file of that method."""
    made, step = flashed
    file = made.root / "build/r/tosa-u55/golden/encode.npz"
    right = file.read_bytes()
    with np.load(file) as arrays:
        wrong = dict(arrays)
    wrong["output_0"][2, 0, 1] += 1
    np.savez(file, **wrong)

    try:
        with pytest.raises(StepError) as caught:
            made.run(step)
    finally:
        file.write_bytes(right)

    assert ": method encode: vector 2, output 0: element [0, 1]: got " in str(caught.value).splitlines()[0]


def test_a_program_chooses_a_method_of_the_package_by_name(two_methods: tuple[Project, Recipe], tmp_path: Path) -> None:
    """Two methods in turn in the same buffers, each with golden's outputs; a name that there is not is an error."""
    made, one = two_methods
    step = package.step(one, one.targets[0])
    assert step is not None and one.runtime is not None
    made.run(step)
    (tmp_path / "main.c").write_text(MAIN)
    (tmp_path / "golden.h").write_text("".join(_arrays(made, name) for name in ("decode", "encode")))
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    folder = made.root / VARIANT / "package"
    chain = f"-DCMAKE_TOOLCHAIN_FILE={folder}/share/cmake/arm-none-eabi.cmake"

    _succeeds(["cmake", "-G", "Ninja", "-S", ".", "-B", "out", chain, f"-DCMAKE_PREFIX_PATH={folder}"], tmp_path)
    _succeeds(["ninja", "-C", "out"], tmp_path)
    elf = tmp_path / "out/both"
    request = simulators.Request("qemu", one.runtime.board, "ethosu", "ethos-u55-128", elf, 120)
    ended = simulators.simulate(request, "qemu")

    assert (ended.code, ended.problem) == (0, "")


def _arrays(made: Project, method: str) -> str:
    """The first vector of a method as arrays of C."""
    with np.load(made.root / f"build/r/tosa-u55/golden/{method}.npz") as arrays:
        chosen: dict[str, Any] = {name: arrays[name][0] for name in arrays.files if name[:6] in ("input_", "output")}
    return "".join(
        f"_Alignas(16) static const unsigned char {method}_{name}[] = {{{','.join(map(str, one.tobytes()))}}};\n"
        for name, one in chosen.items()
    )


def _succeeds(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
