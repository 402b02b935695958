"""Directed tests of BRANCH: a loop that counts down, and both ways of a choice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from etbuild.npu.command_stream import assemble, encode
from tests.npu.program import Program, StreamTest

NPU = "ethos-u85-256"
ONE = (1, 1, 1)


def here(p: Program) -> int:
    """The next command's distance in bytes from the start. Registers are written anew: two ways lead to it."""
    p.registers.clear()
    return 4 * len(encode(assemble(p.lines, p.family)))


def branch(p: Program, target: int, condition: str) -> int:
    """A branch; the number of its line."""
    p.lines.append(f"BRANCH target={target} condition={condition}")
    return len(p.lines) - 1


def aim(p: Program, line: int) -> None:
    """Let the branch of that line lead here."""
    p.lines[line] = p.lines[line].replace("target=0", f"target={here(p)}")


def calculate(p: Program, mode: str, operands: tuple[int, int], target: int) -> None:
    """target = element at one address, and a constant."""
    for name in ("IFM_SCALE", "IFM2_SCALE", "OFM_SCALE"):
        p.set(name, scale=1, shift=0)
    p.clamp(-128, 127)
    p.set("IFM_DEPTH_M1", 1)
    p.output(ONE)
    p.map("IFM", operands[0], ONE, "int8")
    p.map("OFM", target, ONE, "int8", global_scale=1)
    p.set("IFM2_BROADCAST", scalar=1)
    p.set("IFM2_PRECISION", signed=1, element=0, storage="NONE")
    p.set("OP_SCALAR", operands[1])
    p.set("ELEMENTWISE", mode=mode)


def loop() -> Iterator[StreamTest]:
    """Five times round; the counter's comparison is copied by a DMA before the branch, which leaves the flag alone."""
    p = Program(NPU)
    counter, total = p.place(np.array([5], np.int8)), p.place(np.array([0], np.int8))
    flag, copied = p.reserve(1), p.reserve(1)
    start = here(p)
    calculate(p, "GT", (counter, 0), flag)
    p.set("DMA0_SRC_REGION", region=1)
    p.set("DMA0_DST_REGION", region=1)
    p.set("DMA0_SRC", flag)
    p.set("DMA0_DST", copied)
    p.set("DMA0_LEN", 1)
    p.set("DMA_START")
    body = branch(p, 0, "RESULT")
    end = branch(p, 0, "ALWAYS")
    aim(p, body)
    calculate(p, "ADD", (total, 7), total)
    calculate(p, "SUB", (counter, 1), counter)
    branch(p, start, "ALWAYS")
    aim(p, end)
    p.expect(counter, np.array([0], np.int8))
    p.expect(total, np.array([35], np.int8))
    p.expect(copied, np.array([0], np.int8))
    yield p.finish(f"{NPU}: a loop")


def choice() -> Iterator[StreamTest]:
    """Any value that is not zero is true, and the value is taken without its zero point."""
    p = Program(NPU)
    for value, wanted in ((0, 2), (1, 1), (-1, 1), (-128, 1)):
        source, target = p.place(np.array([value], np.int8)), p.reserve(1)
        here(p)
        calculate(p, "ADD", (source, 0), p.reserve(1))
        then = branch(p, 0, "RESULT")
        otherwise = branch(p, 0, "ALWAYS")
        aim(p, then)
        calculate(p, "MUL", (p.place(np.array([1], np.int8)), 1), target)
        end = branch(p, 0, "ALWAYS")
        aim(p, otherwise)
        calculate(p, "MUL", (p.place(np.array([1], np.int8)), 2), target)
        aim(p, end)
        p.expect(target, np.array([wanted], np.int8))
    yield p.finish(f"{NPU}: a choice")


def tests() -> Iterator[StreamTest]:
    """All of them."""
    for make in (loop, choice):
        yield from make()
