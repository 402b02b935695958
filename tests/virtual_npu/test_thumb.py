"""Loads and stores of Thumb code against GNU as, objdump and gcc."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from etbuild.virtual_npu.thumb import Access, Register, Transfer, advance_it, decode, is_wide
from tests.virtual_npu.thumb_peer import assembled, disassembled, disassembled_object, meant, raw_words

LOW = [f"r{i}" for i in range(8)]
CORE = [f"r{i}" for i in range(13)]
SOURCE = Path(__file__).parent / "firmware" / "volatile.c"
# Cores, and what gcc needs to emit their floating point.
CORES = {
    "cortex-m0": "-mfloat-abi=soft",
    "cortex-m3": "-mfloat-abi=soft",
    "cortex-m4": "-mfloat-abi=hard -mfpu=fpv4-sp-d16",
    "cortex-m7": "-mfloat-abi=hard -mfpu=fpv5-d16",
    "cortex-m23": "-mfloat-abi=soft",
    "cortex-m33": "-mfloat-abi=hard -mfpu=fpv5-sp-d16",
    "cortex-m55": "-mfloat-abi=hard",
}


# What as takes: a pair loaded into one register, a store of the status into the stack pointer, the PC written back.
UNPREDICTABLE = re.compile(r"^ldrd\t(\w+), \1|^(?:strex|stlex)[bh]?\tsp|^vstm(?:ia|db)\tpc")


def grows_by_nothing(code: bytes) -> bool:
    """objdump does not print the write-back of a pair with an offset of 0."""
    access = decode(code)
    return access is not None and access.write_back == 0


def known(mnemonic: str) -> list[str]:
    return [f"{mnemonic}{size}" for size in ("", "b", "h")]


def wide_forms(chosen: random.Random) -> list[str]:
    """One text of each 32-bit form, with registers and numbers by chance."""
    rt, rt2, rn, rm, rd = chosen.sample(CORE, 5)
    byte, words, shift = chosen.randrange(1, 256), 4 * chosen.randrange(1, 256), chosen.randrange(4)
    s, d, count = chosen.randrange(1, 24), chosen.randrange(12), chosen.randrange(1, 5)
    texts = []
    for mnemonic in (*known("ldr"), *known("str"), "ldrsb", "ldrsh"):
        texts += [
            f"{mnemonic}.w {rt}, [{rn}, #{chosen.randrange(4096)}]",
            f"{mnemonic} {rt}, [{rn}, #-{byte}]",
            f"{mnemonic} {rt}, [{rn}, #{byte}]!",
            f"{mnemonic} {rt}, [{rn}, #-{byte}]!",
            f"{mnemonic} {rt}, [{rn}], #{byte}",
            f"{mnemonic} {rt}, [{rn}], #-{byte}",
            f"{mnemonic}.w {rt}, [{rn}, {rm}, lsl #{shift}]",
            f"{mnemonic}t {rt}, [{rn}, #{byte}]",
        ]
    for mnemonic in (*known("ldr"), "ldrsb", "ldrsh"):
        texts += [f"{mnemonic}.w {rt}, [pc, #{words}]", f"{mnemonic}.w {rt}, [pc, #-{words}]"]
    for mnemonic in ("ldrd", "strd"):
        texts += [f"{mnemonic} {rt}, {rt2}, [{rn}, #{sign}{words}]{bang}" for sign in ("", "-") for bang in ("", "!")]
        texts += [f"{mnemonic} {rt}, {rt2}, [{rn}], #{sign}{words}" for sign in ("", "-")]
    texts += [f"ldrd {rt}, {rt2}, [pc, #{words}]"]
    several = "{" + ", ".join(sorted((rt, rt2, rm), key=CORE.index)) + "}"
    texts += [f"{name}.w {rn}{bang}, {several}" for name in ("ldmia", "ldmdb", "stmia", "stmdb") for bang in ("", "!")]
    texts += [f"ldrex {rt}, [{rn}, #{words}]", f"strex {rd}, {rt}, [{rn}, #{words}]"]
    texts += [f"{name}{size} {rt}, [{rn}]" for name in ("lda", "stl", "ldaex") for size in ("", "b", "h")]
    texts += [f"stlex{size} {rd}, {rt}, [{rn}]" for size in ("", "b", "h")]
    texts += [f"ldrex{size} {rt}, [{rn}]" for size in "bh"]
    texts += [f"strex{size} {rd}, {rt}, [{rn}]" for size in "bh"]
    for register in (f"s{s}", f"d{d}"):
        texts += [f"{name} {register}, [{rn}, #{sign}{words}]" for name in ("vldr", "vstr") for sign in ("", "-")]
        texts += [f"vldr {register}, [pc, #{words}]"]
    texts += [f"{name}.16 s{s}, [{rn}, #{2 * byte}]" for name in ("vldr", "vstr")]
    for group in (f"{{s{s}-s{s + count}}}", f"{{d{d}-d{d + min(count, 3)}}}"):
        texts += [f"{name} {rn}{bang}, {group}" for name in ("vldmia", "vstmia") for bang in ("", "!")]
        texts += [f"{name} {rn}!, {group}" for name in ("vldmdb", "vstmdb")]
        texts += [f"vpush {group}", f"vpop {group}"]
    return texts


def test_every_16_bit_instruction_means_what_objdump_says(tmp_path: Path) -> None:
    """All that are no IT and no hint; a load or store exactly where objdump prints one."""
    codes = [code for code in range(0xE000) if code >> 8 != 0xBF]

    lines = disassembled(raw_words((code,) for code in codes), tmp_path)

    assert [int.from_bytes(code, "little") for code, _ in lines] == codes
    # A list of no register is UNPREDICTABLE; objdump prints it as {}.
    assert [(text, decode(code)) for code, text in lines if "{}" not in text and decode(code) != meant(text, 2)] == []
    assert all(decode(code) is None for code, text in lines if "{}" in text)


def test_every_32_bit_form_means_what_was_assembled(tmp_path: Path) -> None:
    """Eighty times each, with registers and numbers by chance; as writes the code, objdump reads it."""
    chosen = random.Random(7)
    texts = [text for _ in range(80) for text in wide_forms(chosen)]

    lines = disassembled("\n".join(texts) + "\n", tmp_path)

    assert [(code.hex(), text, decode(code)) for code, text in lines if decode(code) != meant(text, len(code))] == []
    assert len(lines) == len(texts)
    assert all(decode(code) is not None for code, _ in lines)


def test_any_32_bit_word_is_decoded_as_objdump_does_or_not_at_all(tmp_path: Path) -> None:
    """Of the classes that hold loads and stores. What is not decoded is not printed as one, or is not what as
    writes for that text.
    """
    chosen = random.Random(11)
    firsts = (*range(0xE800, 0xEA00), *range(0xEC00, 0xEE00), *range(0xF800, 0xFA00))
    words = [(first, chosen.randrange(0x10000)) for first in firsts for _ in range(24)]

    lines = disassembled(raw_words(words), tmp_path)
    wanted = [(code, text, meant(text, 4)) for code, text in lines]
    left = [(code, text) for code, text, access in wanted if decode(code) is None and access is not None]
    refused = assembled([text for _, text in left], tmp_path)

    assert len(lines) == len(words)
    assert [one for one in wanted if decode(one[0]) not in (None, one[2]) and not grows_by_nothing(one[0])] == []
    taken = [one for one in left if one[1] not in refused and not UNPREDICTABLE.search(one[1])]
    codes = disassembled("".join(f"{text}\n" for _, text in taken), tmp_path)
    assert [one for one, again in zip(taken, codes, strict=True) if one[0] == again[0]] == []


@pytest.mark.parametrize("core", CORES)
def test_every_volatile_access_of_a_compiler_is_decoded(core: str, tmp_path: Path) -> None:
    """gcc at every level of optimisation: all loads and stores that objdump prints, literals and stack included."""
    seen: set[str] = set()
    for level in ("-O0", "-O1", "-O2", "-O3", "-Os"):
        path = tmp_path / f"code{level}.o"
        options = [f"-mcpu={core}", "-mthumb", *CORES[core].split(), level]
        subprocess.run(["arm-none-eabi-gcc", *options, "-c", "-o", path, SOURCE], check=True, timeout=60)
        for code, text in disassembled_object(path):
            if not text.startswith("."):
                assert decode(code) == meant(text, len(code)), text
                seen |= {text.split()[0].removesuffix(".w")} if decode(code) else set()

    assert {"ldr", "str", "ldrb", "strb", "ldrh", "strh", "push"} <= seen


def test_a_load_extends_the_sign_and_a_store_cuts() -> None:
    """Of a signed byte, an unsigned halfword, and a register stored as a byte."""
    register = Register("r", 0)

    assert Transfer(register, 0, 1, signed=True).loaded(b"\x80") == 0xFFFFFF80
    assert Transfer(register, 0, 2).loaded(b"\x80\xff") == 0xFF80
    assert Transfer(Register("d", 0), 0, 8).loaded(b"\xff" * 8) == 0xFFFFFFFFFFFFFFFF
    assert Transfer(register, 0, 1).stored(0x12345678) == b"\x78"


def test_addresses_come_from_the_registers() -> None:
    """A list below the base, an index with a shift that wraps, a literal whose PC is rounded down."""
    registers = [0] * 16
    registers[1], registers[2], registers[15] = 0x1000, 0xFFFFFFFF, 0x102

    below = decode(bytes.fromhex("31e90c00"))  # ldmdb r1!, {r2, r3}
    indexed = decode(bytes.fromhex("51f82200"))  # ldr.w r0, [r1, r2, lsl #2]
    literal = decode(bytes.fromhex("0148"))  # ldr r0, [pc, #4]

    assert below and (below.addresses(registers), below.written_back(registers)) == ((0xFF8, 0xFFC), 0xFF8)
    assert indexed and (indexed.addresses(registers), indexed.written_back(registers)) == ((0xFFC,), None)
    assert literal and literal.addresses(registers) == (0x108,)


def test_only_a_load_of_the_pc_branches() -> None:
    """Behind all others the next instruction follows."""
    assert decode(bytes.fromhex("01bd")) == Access(
        2, False, (Transfer(Register("r", 0), 0, 4), Transfer(Register("r", 15), 4, 4)), 13, write_back=8
    )
    assert [one is not None and one.branches for one in map(decode, (b"\x01\xbd", b"\x01\xb5", b"\x08\x68"))] == [
        True,
        False,
        False,
    ]


def test_the_length_is_in_the_first_two_bytes() -> None:
    """Also of an instruction that is no access."""
    assert [is_wide(code) for code in (b"\x00\xe0", b"\x00\xe8", b"\x00\xf0", b"\x00\xf8")] == [False, True, True, True]


@pytest.mark.parametrize("first", [0x8, 0x4, 0xC, 0x2, 0x6, 0xA, 0xE, *range(1, 16, 2)])
def test_an_it_block_goes_on_behind_an_access(first: int) -> None:
    """ITSTATE by definition: condition and mask move up by one bit until the last instruction is done."""
    state = 0b0100 << 4 | first  # MI
    expected = []
    while state:
        expected.append(state)
        base, moved = state >> 5, (state & 0x1F) << 1
        state = 0 if not state & 7 else base << 5 | moved & 0x1F
    rest = 0xF1000011  # flags, T bit, exception number

    got, xpsr = [], rest | (expected[0] >> 2) << 10 | (expected[0] & 3) << 25
    while xpsr != rest:
        got.append((xpsr >> 10 & 0x3F) << 2 | xpsr >> 25 & 3)
        xpsr = advance_it(xpsr)

    assert got == expected
