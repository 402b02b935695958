"""Whatever the bytes are, reading ends soon, with a program or with one error."""

from __future__ import annotations

import random
import struct
import time
from pathlib import Path

import pytest
from hand_built import every_value, nested

from etbuild.errors import EtbuildError
from etbuild.pte.bundle import read_bundle
from etbuild.pte.flatbuffer import BadPte
from etbuild.pte.named_data import read_data
from etbuild.pte.ports import inputs, outputs
from etbuild.pte.reader import parse
from etbuild.pte.vela import BACKEND, read_stream

FILES = Path(__file__).parent / "files"
NAMES = sorted(file.name for file in FILES.glob("*.pte"))
SEED = 20
MUTANTS = 400


def read_all(data: bytes) -> None:
    """Everything that can be asked of a program."""
    program = parse(memoryview(data), "x.pte")
    for plan in program.methods:
        inputs(plan), outputs(plan)
        for delegate in plan.delegates:
            if delegate.id == BACKEND:
                read_stream(program, delegate)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_anywhere_is_refused(name: str) -> None:
    """At every byte."""
    data = (FILES / name).read_bytes()

    for size in range(len(data)):
        with pytest.raises(BadPte):
            read_all(data[:size])


@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_any_bytes_changed_is_read_or_refused(name: str) -> None:
    """One to four places a mutant: a random byte, a bit, or a number that is a limit."""
    good = (FILES / name).read_bytes()
    chance = random.Random(f"{SEED} {name}")

    for _ in range(MUTANTS):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            mutate(data, chance)
        try:
            read_all(bytes(data))
        except EtbuildError:
            continue


def mutate(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    match chance.randrange(3):
        case 0:
            data[at] = chance.randrange(256)
        case 1:
            data[at] ^= 1 << chance.randrange(8)
        case _:
            at = min(at & ~3, len(data) - 4)
            number = chance.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(data), chance.randrange(len(data))))
            struct.pack_into("<I", data, at, number)


@pytest.mark.parametrize(("name", "reader"), [("linear_cpu.bpte", read_bundle), ("weights.ptd", read_data)])
def test_a_cut_bundle_or_data_file_is_refused(name: str, reader: object, tmp_path: Path) -> None:
    """Through the file system, as the command does."""
    assert callable(reader)
    data = (FILES / name).read_bytes()
    file = tmp_path / name

    for size in range(0, len(data), 7):
        file.write_bytes(data[:size])
        with pytest.raises(BadPte):
            reader(file)


def test_tables_that_share_their_children_do_not_take_for_ever() -> None:
    """Four levels of a hundred offsets to one table are 10**8 tables in a few kilobytes."""
    started = time.monotonic()

    with pytest.raises(BadPte) as caught:
        parse(memoryview(nested(100)), "x.pte")

    assert (caught.value.got, caught.value.wanted) == (
        "the same bytes referred to over and over",
        "a tree of tables",
    )
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("data", [b"", b"ET12", b"\0\0\0\0ET12", b"\xff" * 64, b"\x08\0\0\0ET12" + bytes(60)])
def test_bytes_that_never_were_a_program_are_refused(data: bytes) -> None:
    """The shortest ones too."""
    with pytest.raises(BadPte):
        read_all(data)


def test_a_program_size_beyond_the_file_is_refused() -> None:
    """The header promises more than there is."""
    data = bytearray(every_value())
    struct.pack_into("<Q", data, 16, 1 << 60)

    with pytest.raises(BadPte) as caught:
        parse(memoryview(bytes(data)), "x.pte")

    assert str(caught.value) == (
        f"x.pte: byte 0: header.program_size: got {1 << 60} bytes from here on, wanted them to end by byte {len(data)}"
    )


def test_an_error_survives_the_way_between_processes() -> None:
    """Workers pickle it."""
    import pickle

    error = BadPte("x.pte", 3, "a.b", "1", "2")

    assert str(pickle.loads(pickle.dumps(error))) == str(error)
