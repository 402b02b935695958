"""Firmware that knows nothing of etbuild, built for a delegate of a .pte: its own start-up and its own driver.

It gets the model as etbuild's header, with an input and the output that the emulator has for it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from etbuild.firmware.c_header import Model, header_text
from etbuild.pte.reader import read
from etbuild.pte.vela import IoTensor, Stream, read_stream
from etbuild.recipe.output_sections import Header
from tests.npu import native

SOURCES = Path(__file__).parent / "firmware"
PTES = Path(__file__).parent.parent / "pte/files"
_FLAGS = ("-mcpu=cortex-m55", "-mthumb", "-std=c11", "-ffreestanding", "-nostdlib", "-Wall", "-Werror")


def build(folder: Path, name: str, pte: Path = PTES / "linear_u55.pte", *flags: str) -> Path:
    """The image of tests/virtual_npu/firmware/NAME.c for the first delegate of a .pte."""
    write_model(folder, pte)
    return link(folder, name, *flags)


def link(folder: Path, name: str, *flags: str) -> Path:
    """As `build`, with the model.h that is in the folder, or none."""
    elf = folder / f"{name}.elf"
    sources = [SOURCES / f"{name}.c", SOURCES / "board.c"]
    command = ["arm-none-eabi-gcc", *_FLAGS, *(flags or ("-O2",)), f"-I{folder}", f"-I{SOURCES}"]
    command += ["-T", str(SOURCES / "image.ld"), *map(str, sources), "-lgcc", "-o", str(elf)]
    subprocess.run(command, check=True, timeout=120)
    return elf


def write_model(folder: Path, pte: Path) -> None:
    """model.h as etbuild writes it, and vectors.h: inputs and outputs of one run, one behind the other."""
    model, settings = Model(pte.read_bytes(), (("INPUT", ()), ("OUTPUT", ()))), Header(section=".npu_constants")
    (folder / "model.h").write_text(header_text(model, settings))
    given = np.random.default_rng(5).integers(0, 256, sum(map(_bytes, _stream(pte).inputs)), np.uint8).tobytes()
    arrays = {"input": given, "output": delegate_output(pte, given)}
    (folder / "vectors.h").write_text("".join(_array(*one) for one in arrays.items()))


def delegate_output(pte: Path, given: bytes) -> bytes:
    """What the emulator makes of the inputs of the first delegate: its outputs; each one behind the other."""
    stream = _stream(pte)
    scratch = np.full(stream.scratch_bytes, 0x55, np.uint8)
    rest = np.frombuffer(given, np.uint8)
    for tensor in stream.inputs:
        scratch[tensor.offset : tensor.offset + _bytes(tensor)] = rest[: _bytes(tensor)]
        rest = rest[_bytes(tensor) :]
    assert not rest.size
    weights = np.frombuffer(bytes(stream.block("weight_data").data or b""), np.uint8).copy()
    payload = bytes(stream.block("cmd_data").data or b"")
    outcome = native.emulator().run(payload, {0: weights, 1: scratch}, read_only=(0,))
    assert outcome.code == 0, outcome
    return b"".join(scratch[one.offset : one.offset + _bytes(one)].tobytes() for one in stream.outputs)


def _stream(pte: Path) -> Stream:
    program = read(pte)
    return read_stream(program, program.methods[0].delegates[0])


def _bytes(tensor: IoTensor) -> int:
    return int(np.prod(tensor.shape)) * tensor.element_bytes


def _array(name: str, content: bytes) -> str:
    return f"static const uint8_t model_{name}[] = {{{', '.join(map(str, content))}}};\n"
