"""Step header: model.h and model.S compile without warnings and contain the .pte byte for byte."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from etbuild.build_engine.step import Step
from etbuild.errors import StepError, UsageError
from etbuild.firmware import c_header
from etbuild.hardware.target import Target
from etbuild.pte.ports import inputs, outputs
from etbuild.pte.reader import read
from etbuild.recipe.model_sections import Model
from etbuild.recipe.output_sections import Header
from etbuild.recipe.recipe import Recipe
from etbuild.steps import header

FILES = Path(__file__).parent.parent / "pte" / "files"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
TARGET = Target("ethos-u55-128", "ethos-u55-128", "tosa-u55", "Ethos_U55_High_End_Embedded", "Shared_Sram")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with model.pte and its manifest."""
    shutil.copy(FILES / "linear_u55.pte", tmp_path / "model.pte")
    monkeypatch.chdir(tmp_path)
    plan = read("model.pte").methods[0]
    write_manifest([asdict(port) for port in inputs(plan)], [asdict(port) for port in outputs(plan)])
    return tmp_path


def write_manifest(inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> None:
    """With the keys that the step reads."""
    digest = hashlib.sha256(Path("model.pte").read_bytes()).hexdigest()
    manifest = {"pte": {"sha256": digest}, "inputs": inputs, "outputs": outputs}
    Path("manifest.json").write_text(json.dumps(manifest))


def write(*options: str) -> str:
    files = ["--pte", "model.pte", "--manifest", "manifest.json", "--header", "model.h", "--assembly", "model.S"]
    assert header.main([*files, *options]) == 0
    return Path("model.h").read_text()


def test_the_step_reads_the_program_and_writes_both_files() -> None:
    """The recipe's settings are options."""
    recipe = Recipe("kws", (Path("recipes/kws.yaml"),), Model(), (TARGET,), header=Header("kws", 32, ".model", 16))

    assert header.step(recipe, TARGET) == Step(
        name="header:kws@ethos-u55-128",
        argv=(
            *("--pte", "build/kws/ethos-u55-128/model.pte"),
            *("--manifest", "build/kws/ethos-u55-128/manifest.json"),
            *("--symbol", "kws", "--alignment", "32"),
            *("--section", ".model", "--bytes-per-line", "16"),
            *("--header", "build/kws/ethos-u55-128/model.h", "--assembly", "build/kws/ethos-u55-128/model.S"),
        ),
        inputs=("build/kws/ethos-u55-128/model.pte", "build/kws/ethos-u55-128/manifest.json"),
        outputs=("build/kws/ethos-u55-128/model.h", "build/kws/ethos-u55-128/model.S"),
        tools=("python",),
    )


def test_the_header_describes_the_model(folder: Path) -> None:
    """Everything before the declaration of the array."""
    assert (
        write().partition("\n#ifdef __cplusplus")[0]
        == """\
/* model.pte, 2960 bytes, as the array model_pte.
 *
 * Include this file wherever the model is used. For the array itself do one of two things:
 *   assemble model.S, which is beside this file, or
 *   write `#define MODEL_PTE_DEFINE` before this include in one C or C++ file of the program.
 */
#ifndef MODEL_PTE_H
#define MODEL_PTE_H

#include <stdint.h>

#define MODEL_PTE_SIZE 2960u
#define MODEL_PTE_ALIGNMENT 16u
#define MODEL_PTE_SHA256 "969d6c359fa2163c0546c183a2d2c9d71f4e42608ae5ab9fdbb9c9cf3261f97d"

#define MODEL_PTE_INPUT_COUNT 1
/* input_0: float32[1, 4] */
#define MODEL_PTE_INPUT_0_TYPE float
#define MODEL_PTE_INPUT_0_RANK 2
#define MODEL_PTE_INPUT_0_SHAPE {1, 4}
#define MODEL_PTE_INPUT_0_BYTES 16u
#define MODEL_PTE_INPUT_0_SCALE 0.00783930719f
#define MODEL_PTE_INPUT_0_ZERO_POINT 0

#define MODEL_PTE_OUTPUT_COUNT 1
/* output_0: float32[1, 3] */
#define MODEL_PTE_OUTPUT_0_TYPE float
#define MODEL_PTE_OUTPUT_0_RANK 2
#define MODEL_PTE_OUTPUT_0_SHAPE {1, 3}
#define MODEL_PTE_OUTPUT_0_BYTES 12u
#define MODEL_PTE_OUTPUT_0_SCALE 0.00501075806f
#define MODEL_PTE_OUTPUT_0_ZERO_POINT 85
"""
    )


def test_integer_inputs_have_their_quantisation_parameters(folder: Path) -> None:
    """From the manifest: the program no longer contains them."""
    port = {"dtype": "int8", "shape": [1, 4], "bytes": 4, "scale": 0.5, "zero_point": -3, "quantized": "int8"}
    write_manifest([port], [])

    assert write().partition("_SHA256")[2].partition("\n\n#ifdef")[0].partition("\n\n")[2] == (
        """\
#define MODEL_PTE_INPUT_COUNT 1
/* input_0: int8[1, 4] */
#define MODEL_PTE_INPUT_0_TYPE int8_t
#define MODEL_PTE_INPUT_0_RANK 2
#define MODEL_PTE_INPUT_0_SHAPE {1, 4}
#define MODEL_PTE_INPUT_0_BYTES 4u
#define MODEL_PTE_INPUT_0_SCALE 0.5f
#define MODEL_PTE_INPUT_0_ZERO_POINT (-3)

#define MODEL_PTE_OUTPUT_COUNT 0"""
    )


def test_a_manifest_of_another_program_is_rejected(folder: Path) -> None:
    """By the SHA-256 of the program."""
    wrong = hashlib.sha256(b"other").hexdigest()
    right = hashlib.sha256(Path("model.pte").read_bytes()).hexdigest()
    Path("manifest.json").write_text(json.dumps({"pte": {"sha256": wrong}, "inputs": [], "outputs": []}))

    with pytest.raises(StepError) as caught:
        write()

    assert str(caught.value) == f"manifest.json: pte.sha256: got {wrong}, wanted that of model.pte, {right}"


def test_a_line_has_the_bytes_that_were_asked_for(folder: Path) -> None:
    """The last line is shorter: 2960 = 422 * 7 + 6."""
    rows = [line for line in write("--bytes-per-line", "7").splitlines() if line.startswith("    0x")]

    assert (len(rows), rows[0], rows[-1]) == (
        423,
        "    0x24, 0x00, 0x00, 0x00, 0x45, 0x54, 0x31,",
        "    0x72, 0x77, 0x61, 0x72, 0x64, 0x00,",
    )


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1.0f"), (1e-10, "1e-10f"), (0.5, "0.5f"), (3e9, "3e+09f"), (123.0, "123.0f")]
)
def test_a_scale_is_always_a_float_constant(value: float, text: str) -> None:
    """`1f` is not one."""
    assert c_header._float(value) == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--symbol", "2x"), "--symbol: got '2x', wanted a C identifier"),
        (("--alignment", "24"), "--alignment: got 24, wanted a power of two"),
        (("--alignment", "0"), "--alignment: got 0, wanted a power of two"),
        (("--bytes-per-line", "0"), "--bytes-per-line: got 0, wanted at least 1"),
        (("--section", 'a"b'), "--section: got 'a\"b', wanted letters, digits, '_', '.' and '$'"),
    ],
)
def test_a_wrong_setting_is_rejected(folder: Path, options: tuple[str, ...], message: str) -> None:
    """Before anything is written."""
    with pytest.raises(UsageError) as caught:
        write(*options)

    assert str(caught.value) == message
    assert not (folder / "model.h").exists()


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def bytes_of_symbol(binutils: str, file: str, symbol: str, section: str) -> tuple[bytes, int]:
    """The symbol's bytes, cut out of its section, and that section's alignment."""
    table = [line.split() for line in run(f"{binutils}nm", "-S", file).splitlines()]
    start, size = next((int(row[0], 16), int(row[1], 16)) for row in table if len(row) == 4 and row[3] == symbol)
    run(f"{binutils}objcopy", "--dump-section", f"{section}=dump", file, "copy.o")
    headers = [line.split() for line in run(f"{binutils}objdump", "-h", file).splitlines()]
    alignment = next(row[-1] for row in headers if len(row) > 6 and row[1] == section)
    return Path("dump").read_bytes()[start : start + size], 1 << int(alignment.removeprefix("2**"))


COMPILERS = [
    ("arm-none-eabi-gcc", "arm-none-eabi-", ("-mcpu=cortex-m55", "-mthumb", "-std=c99"), "main.c"),
    ("arm-none-eabi-gcc", "arm-none-eabi-", ("-mcpu=cortex-m55", "-mthumb", "-std=c11"), "main.c"),
    ("arm-none-eabi-g++", "arm-none-eabi-", ("-mcpu=cortex-m55", "-mthumb", "-std=c++17"), "main.cc"),
    ("g++", "", ("-std=c++17",), "main.cc"),
    ("g++", "", ("-std=c++98",), "main.cc"),
    ("gcc", "", ("-std=c11",), "main.c"),
]
USER = """\
#include "model.h"
#include "model.h"
extern const int32_t shape[];
extern const float scale;
const int32_t shape[] = MODEL_PTE_INPUT_0_SHAPE;
const float scale = MODEL_PTE_INPUT_0_SCALE;
MODEL_PTE_OUTPUT_0_TYPE output[MODEL_PTE_OUTPUT_0_BYTES / sizeof(MODEL_PTE_OUTPUT_0_TYPE)];
int main(void) { return model_pte[MODEL_PTE_SIZE - 1] + MODEL_PTE_OUTPUT_0_ZERO_POINT; }
"""


@pytest.mark.e2e
@pytest.mark.parametrize(("compiler", "binutils", "flags", "name"), COMPILERS)
@pytest.mark.parametrize("section", [None, "network_model_sec"])
def test_the_array_is_the_program(
    folder: Path, compiler: str, binutils: str, flags: tuple[str, ...], name: str, section: str | None
) -> None:
    """Defined by the header, without a warning of a strict compiler, aligned, in the wanted section."""
    write("--alignment", "64", *(("--section", section) if section else ()))
    Path(name).write_text(f"#define MODEL_PTE_DEFINE\n{USER}")

    run(compiler, *flags, *STRICT, "-fdata-sections", "-c", name, "-o", "main.o")

    found = bytes_of_symbol(binutils, "main.o", "model_pte", section or ".rodata.model_pte")
    assert found == (Path("model.pte").read_bytes(), 64)


@pytest.mark.e2e
@pytest.mark.parametrize(("compiler", "binutils", "flags", "name"), COMPILERS)
@pytest.mark.parametrize("section", [None, "network_model_sec"])
def test_the_assembly_is_the_program(
    folder: Path, compiler: str, binutils: str, flags: tuple[str, ...], name: str, section: str | None
) -> None:
    """The same symbol, the same bytes."""
    write("--alignment", "64", *(("--section", section) if section else ()))

    run(compiler, *flags, *STRICT, "-c", "model.S", "-o", "model.o")

    found = bytes_of_symbol(binutils, "model.o", "model_pte", section or ".rodata.model_pte")
    assert found == (Path("model.pte").read_bytes(), 64)


@pytest.mark.e2e
@pytest.mark.parametrize(("compiler", "name"), [("gcc", "main.c"), ("g++", "main.cc")])
def test_the_assembly_links_with_what_the_header_declares(folder: Path, compiler: str, name: str) -> None:
    """Compiled in another folder; the program returns the last byte plus the zero point, 85."""
    write()
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / name).write_text(USER)

    run(compiler, f"-I{folder}", *STRICT, str(elsewhere / name), "model.S", "-o", str(elsewhere / "main"))

    assert subprocess.run([elsewhere / "main"], check=False).returncode == 85


@pytest.mark.e2e
def test_equal_models_give_equal_headers(folder: Path) -> None:
    """Wherever and whenever they are made."""
    first = (write(), Path("model.S").read_bytes())
    Path("other").mkdir()

    write("--header", "other/model.h", "--assembly", "other/model.S")

    assert (Path("other/model.h").read_text(), Path("other/model.S").read_bytes()) == first
