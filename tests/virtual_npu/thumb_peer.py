"""GNU as and objdump as the peer of the decoder: code from text, text from code, and the access that a text means."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from etbuild.virtual_npu.thumb import Access, Register, Transfer

HEADER = ".syntax unified\n.arch armv8.1-m.main\n.fpu fpv5-d16\n.arch_extension fp.dp\n.thumb\n.text\n.balign 4\n"
LINE = re.compile(r"^\s*([0-9a-f]+):\t([0-9a-f]{4}(?: [0-9a-f]{4})?)\s*\t(.*)$", re.MULTILINE)
NAMES = {**{f"r{i}": i for i in range(16)}, "sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14, "pc": 15}
SIZES = {"": 4, "t": 4, "b": 1, "bt": 1, "h": 2, "ht": 2}
CONDITION = re.compile("(?:eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)$")
# Mnemonics with one register and a memory operand: what follows ldr and str, lda and stl.
SINGLE = re.compile(r"^(?:(ldr|str)(s?)(b|h|)(t?)|(lda|stl)(b|h|)|(ldrex|strex|ldaex|stlex)(b|h|))$")


def assembled(texts: Sequence[str], folder: Path) -> dict[str, str]:
    """What as says of the texts that it refuses or calls unpredictable, by text."""
    (folder / "refused.s").write_text(HEADER + "\n".join(texts) + "\n")
    run = subprocess.run(
        ["arm-none-eabi-as", "refused.s", "-o", "refused.o"], cwd=folder, capture_output=True, text=True, timeout=60
    )
    lines = re.findall(r"^refused\.s:(\d+): (?:Error|Warning): (.*)$", run.stderr, re.MULTILINE)
    return {texts[int(line) - 1 - HEADER.count("\n")]: words for line, words in lines}


def disassembled(source: str, folder: Path) -> list[tuple[bytes, str]]:
    """Code and objdump's text of each instruction of an assembler source."""
    (folder / "code.s").write_text(HEADER + source)
    subprocess.run(["arm-none-eabi-as", "code.s", "-o", "code.o"], cwd=folder, check=True, timeout=60)
    return disassembled_object(folder / "code.o")


def disassembled_object(path: Path) -> list[tuple[bytes, str]]:
    raw = subprocess.run(
        ["arm-none-eabi-objdump", "-d", "-z", path], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    return [
        (b"".join(bytes.fromhex(half)[::-1] for half in code.split()), re.split(r"\s*[@;]", words)[0].strip())
        for _, code, words in LINE.findall(raw)
    ]


def raw_words(instructions: Iterable[tuple[int, ...]]) -> str:
    """Assembler source of instructions given as halfwords."""
    lines = ("".join(f"{half:04x}" for half in one) for one in instructions)
    return "".join(f".inst.{'n' if len(digits) == 4 else 'w'} 0x{digits}\n" for digits in lines)


def meant(text: str, length: int) -> Access | None:
    """The access that objdump's text means; None if it is no load or store of the kinds that compilers emit."""
    mnemonic, _, operands = text.replace("\t", " ").partition(" ")
    mnemonic = mnemonic.removesuffix(".n").removesuffix(".w")
    if "<" in operands or "{}" in operands:  # <illegal>, <overflow reg d39>, a list of nothing
        return None
    # In an IT block the condition is the end of the mnemonic.
    return _meant(mnemonic, operands, length) or _meant(CONDITION.sub("", mnemonic), operands, length)


def _meant(mnemonic: str, operands: str, length: int) -> Access | None:
    if mnemonic in ("push", "pop", "vpush", "vpop"):
        up = mnemonic.endswith("pop")
        return _many("ldmia" if up else "stmdb", f"sp!, {operands}", length)
    if found := re.match(r"^v?(ldm|stm)(ia|db|)$", mnemonic):
        return _many(found[1] + (found[2] or "ia"), operands, length)
    if found := re.match(r"^v(ldr|str)(\.16)?$", mnemonic):
        return _floating(found[1], operands.strip(), length, half=bool(found[2]))
    if mnemonic in ("ldrd", "strd"):
        first, second, rest = (word.strip() for word in operands.split(",", 2))
        moved = tuple(Transfer(Register("r", NAMES[name]), 4 * i, 4) for i, name in enumerate((first, second)))
        return _memory(rest, length, mnemonic == "strd", moved)
    if found := SINGLE.match(mnemonic):
        return _one(found, operands.strip(), length)
    return None


def _one(found: re.Match[str], operands: str, length: int) -> Access | None:
    kind = found[1] or found[5] or found[7]
    store, size = kind.startswith("st"), SIZES[found[3] or found[6] or found[8] or ""]
    status = None
    if found[7] and store:
        name, _, operands = (part.strip() for part in operands.partition(","))
        status = NAMES[name]
    name, _, rest = (part.strip() for part in operands.partition(","))
    moved = (Transfer(Register("r", NAMES[name]), 0, size, bool(found[2])),)
    return _memory(rest, length, store, moved, status)


def _floating(kind: str, operands: str, length: int, *, half: bool) -> Access | None:
    name, _, rest = (part.strip() for part in operands.partition(","))
    if not re.match(r"^[sd]\d+$", name):
        return None
    size = 2 if half else {"s": 4, "d": 8}[name[0]]
    return _memory(rest, length, kind == "str", (Transfer(Register(name[0], int(name[1:])), 0, size),))


def _memory(text: str, length: int, store: bool, moved: tuple[Transfer, ...], status: int | None = None) -> Access:
    found = re.match(
        r"^\[(\w+)(?:, (?:#(-?\d+)|(\w+)(?:, lsl #(\d))?))?\](!)?(?:, #(-?\d+))?$", text.replace("#-0", "#0")
    )
    assert found, text
    base, before, index, shift, bang, after = found.groups()
    write_back = int(before or 0) if bang else int(after) if after else None
    # objdump leaves out the zero of a register with write-back by nothing.
    where = int(before or 0), NAMES[index] if index else None, int(shift or 0)
    return Access(length, store, moved, NAMES[base], *where, write_back, status)


def _many(kind: str, operands: str, length: int) -> Access:
    base, _, rest = operands.strip().partition(",")
    names = [name.strip() for name in rest.strip().strip("{}").split(",")]
    moved: list[Transfer] = []
    for name in names:
        first, _, last = name.partition("-")
        bank = "r" if first in NAMES else first[0]
        numbers = [NAMES[one] if bank == "r" else int(one[1:]) for one in (first, last or first)]
        size = 8 if bank == "d" else 4
        for number in range(numbers[0], numbers[1] + 1):
            moved.append(Transfer(Register(bank, number), size * len(moved), size))
    total = sum(one.size for one in moved)
    up = kind.endswith("ia")
    back = (total if up else -total) if base.endswith("!") else None
    return Access(length, kind[0] == "s", tuple(moved), NAMES[base.rstrip("!")], 0 if up else -total, write_back=back)
