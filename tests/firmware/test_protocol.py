"""Reading what a firmware printed: whole transcripts, and every way in which one can be damaged."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts import end, end_of_vector, failed, fault, frame, hello, instruction, memory, output, whole

from etbuild.firmware import generate
from etbuild.firmware.codes import Code, Exit
from etbuild.firmware.protocol import (
    EXITS,
    Fault,
    Hello,
    InstructionRun,
    Memory,
    MethodRuns,
    Transcript,
    VectorRun,
    read_transcript,
)

VECTORS = [[b"first", bytes(range(256)) * 3], [b"", b"x" * 224]]
GOOD = b"".join(whole(VECTORS))


def test_a_whole_transcript_is_read() -> None:
    """Every figure, and outputs that span several frames."""
    assert read_transcript(GOOD) == Transcript(
        hello=Hello(2, 2, "00" * 32, "corstone-300"),
        vectors=(
            VectorRun((b"first", bytes(range(256)) * 3), 1000, 0),
            VectorRun((b"", b"x" * 224), 1001, 0),
        ),
        memory=Memory(32, 444, 2097152, 0, 0, 0, 1300, 16384),
        exit=0,
    )


def test_text_between_frames_is_kept_and_does_no_harm() -> None:
    """Simulators print banners, with and without line ends."""
    parts = whole(VECTORS)
    noisy = b"Banner\n" + parts[0] + b"telnet: listening " + b"".join(parts[1:]) + b"\x04Info: stopped\n"

    transcript = read_transcript(noisy)

    assert (transcript.problem, transcript.exit) == ("", 0)
    assert transcript.text.split() == ["Banner", "telnet:", "listening", "Info:", "stopped"]


@pytest.mark.parametrize("path", generate.outputs(), ids=lambda path: path.name)
def test_the_numbers_in_c_plus_plus_are_up_to_date(path: Path) -> None:
    """Else run `python -m etbuild.firmware.generate`."""
    assert path.read_text(encoding="utf-8") == generate.outputs()[path]


def test_every_exit_code_has_a_meaning() -> None:
    """As docs/firmware-protocol.md lists them."""
    assert list(EXITS) == [0, 10, 11, 12, 13, 14, 15, 20, 21]
    assert EXITS[Exit.NPU] == "the NPU is missing, does not answer or reported an error"


def test_an_error_is_told_with_its_text_and_place() -> None:
    """The text is looked up by its number."""
    transcript = read_transcript(failed(11, 0x40, 7, "aten::add.out"), {0x40: "not a tensor, argument"}.__getitem__)

    assert (transcript.exit, transcript.error) == (11, "aten::add.out: not a tensor, argument (7)")


def test_an_image_for_another_npu_is_told_by_the_names_of_both() -> None:
    """From their configuration words."""
    console = failed(13, 0x40, 0x00001807_00003008, "EthosUBackend", Code.MISMATCH)

    transcript = read_transcript(console)

    assert transcript.error == "EthosUBackend: compiled for ethos-u55-128, this NPU is ethos-u55-256"


@pytest.mark.parametrize(
    ("status", "number"),
    [
        (Code.MALFORMED, 0x00001807_00003008),
        (Code.MISMATCH, 0x00003008),
        (Code.MISMATCH, 2**64 - 5),  # dimension -5
        (Code.MISMATCH, 0x00001807_00000000),
    ],
)
def test_another_error_keeps_its_text_and_number(status: Code, number: int) -> None:
    """Only a mismatch whose number is two CONFIG words is one of two NPUs."""
    transcript = read_transcript(failed(13, 0x40, number, status=status))

    assert transcript.error == f"text 0x40 ({number})"


@pytest.mark.parametrize(
    ("code", "cfsr", "cause"),
    [
        (21, 1 << 20, "stack overflow"),
        (20, 1 << 25, "division by zero"),
        (20, 1 << 9 | 1 << 15, "nothing answers at the address"),
        (15, 1 << 9 | 1 << 15, "no NPU answers at its address"),
        (20, 0, "processor exception"),
    ],
)
def test_a_fault_is_told_by_its_cause(code: int, cfsr: int, cause: str) -> None:
    """As the fault status registers say."""
    transcript = read_transcript(fault(code, cfsr, range(1, 9), 0x58102000))

    assert transcript.fault == Fault(cause, 4, cfsr, 0, 0, 0x58102000, tuple(range(1, 9)))


@pytest.mark.parametrize(
    ("console", "problem"),
    [
        (b"", "there is no end frame"),
        (b"Segmentation fault\n", "there is no end frame"),
        (b"".join(whole(VECTORS)[:-1]), "there is no end frame"),
        (GOOD + memory(), f"frame {len(whole(VECTORS))} (M): comes after the end frame"),
        (GOOD.replace(b"~V", b"~W", 1), "frame 6 is damaged: its CRC is wrong"),
        (GOOD[:-15], "a frame is cut short"),
        (frame("Q", b"") + end(0, 1), "frame 0 (Q): is of an unknown type"),
        (frame("H", struct.pack("<3I", 2, 1, 1) + bytes(40)) + end(0, 1), "frame 0 (H): protocol 2, not 1"),
        (hello(1, 1) + end(0, 1), "results of 0 vectors, not of 1"),
        (end(0, 0), "results of 0 vectors, not of some"),
        (hello(1, 1) + end(0, 3), "frame 1 (E): 3 frames were sent, 1 arrived"),
        (hello(1, 1) + end_of_vector(0) + end(0, 2), "frame 1 (V): vector 0 ends without all of its outputs"),
        (hello(1, 1) + output(1, 0, b"x")[0] + end(0, 2), "frame 1 (O): an output of vector 1, not of 0"),
        (
            hello(1, 1) + output(0, 0, bytes(300))[1] + end(0, 2),
            "frame 1 (O): part 224 of output 0 is not the next one",
        ),
    ],
)
def test_what_is_wrong_with_a_transcript_is_said(console: bytes, problem: str) -> None:
    """The first thing that is."""
    assert read_transcript(console).problem == problem


def test_a_lost_frame_is_a_problem() -> None:
    """Whichever it is."""
    parts = whole(VECTORS)

    for lost in range(len(parts)):
        assert read_transcript(b"".join(parts[:lost] + parts[lost + 1 :])).problem


def test_frames_in_another_order_are_a_problem() -> None:
    """Any two neighbours that differ, except memory."""
    parts = whole(VECTORS)

    for at in range(len(parts) - 2):
        swapped = [*parts[:at], parts[at + 1], parts[at], *parts[at + 2 :]]
        is_memory = b"~M" in swapped[at] or b"~M" in swapped[at + 1]
        assert read_transcript(b"".join(swapped)).problem or is_memory


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_exception(console: bytes) -> None:
    """And are no results."""
    assert read_transcript(console).exit is None


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("HOVMLFEZ"), st.binary(max_size=80)), max_size=8))
def test_any_data_in_sound_frames_is_read_without_an_exception(parts: list[tuple[str, bytes]]) -> None:
    """Their CRC says nothing about what is in them."""
    read_transcript(b"".join(frame(kind, data) for kind, data in parts))


def test_damage_never_changes_results_unseen() -> None:
    """20,000 transcripts, each with a few bytes changed, lost, doubled or moved."""
    random_source = random.Random(0)
    good = read_transcript(GOOD)

    for _ in range(20_000):
        console = bytearray(GOOD)
        for _ in range(random_source.randint(1, 3)):
            _damage(console, random_source)
        found = read_transcript(bytes(console))
        assert found.problem or found.exit != 0 or found.vectors == good.vectors


def _damage(console: bytearray, random_source: random.Random) -> None:
    at, length = random_source.randrange(len(console)), random_source.randint(1, 40)
    kind = random_source.randrange(4)
    if kind == 0:
        console[at] = random_source.randrange(256)
    elif kind == 1:
        del console[at : at + length]
    elif kind == 2:
        console[at:at] = console[at : at + length]
    else:
        piece = console[at : at + length]
        del console[at : at + length]
        to = random_source.randrange(len(console))
        console[to:to] = piece


def with_events() -> list[bytes]:
    """One vector of two instructions, the second a delegate."""
    frames = [hello(1, 1), *instruction(0, 0, [b"a" * 500]), *instruction(0, 3, [b"bc", b""], 77)]
    return [*frames, *output(0, 0, b"bc"), end_of_vector(0, 400, 77), memory()]


def test_what_instructions_took_and_left_is_read() -> None:
    """From a firmware that prints its events: a result of several frames, and an empty one."""
    frames = with_events()
    transcript = read_transcript(b"".join([*frames, end(0, len(frames))]))

    assert transcript.problem == ""
    assert transcript.vectors == (
        VectorRun(
            (b"bc",),
            400,
            77,
            (InstructionRun(0, 0, 10, 0, (b"a" * 500,)), InstructionRun(3, 300, 10, 77, (b"bc", b""))),
        ),
    )


@pytest.mark.parametrize(
    ("lost", "problem"),
    [
        (1, "frame 1 (R): a result of instruction 0, which was not run"),
        (3, "frame 3 (R): part 440 of result 0 is not the next one"),
        (4, "frame 4 (I): an instruction of vector 0 where none is"),
    ],
)
def test_a_lost_frame_of_an_instruction_is_a_problem(lost: int, problem: str) -> None:
    """As every other gap is."""
    frames = with_events()
    del frames[lost]

    assert read_transcript(b"".join([*frames, end(0, len(frames))])).problem == problem


def method(name: str, vectors: int, outputs: int) -> bytes:
    return frame("N", struct.pack("<2I", vectors, outputs) + name.encode())


def of_methods(*frames: bytes) -> bytes:
    """A transcript of two vectors with these frames between hello and end."""
    parts = [hello(2, 0), *frames, memory()]
    return b"".join([*parts, end(0, len(parts))])


def test_vectors_belong_to_the_method_before_them() -> None:
    """Their numbers go on through all methods; each method has its number of outputs."""
    transcript = read_transcript(
        of_methods(
            method("decode", 1, 2),
            *(*output(0, 0, b"a"), *output(0, 1, b"b"), end_of_vector(0)),
            method("encode", 1, 1),
            *(*output(1, 0, b"c"), end_of_vector(1)),
        )
    )

    assert (transcript.problem, transcript.exit) == ("", 0)
    assert transcript.methods == (MethodRuns("decode", 1, 2), MethodRuns("encode", 1, 1))
    assert [run.outputs for run in transcript.vectors] == [(b"a", b"b"), (b"c",)]


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        (
            (method("decode", 2, 1), *output(0, 0, b"a"), end_of_vector(0), method("encode", 1, 1)),
            "frame 4 (N): comes before all vectors of the method before it",
        ),
        (
            (method("decode", 1, 1), *output(0, 0, b"a"), method("encode", 1, 1)),
            "frame 3 (N): comes before all vectors of the method before it",
        ),
        ((method("decode", 1, 300),), "frame 1 (N): 300 outputs"),
        (
            (method("decode", 1, 2), *output(0, 0, b"a"), end_of_vector(0)),
            "frame 3 (V): vector 0 ends without all of its outputs",
        ),
    ],
)
def test_a_method_in_the_wrong_place_is_a_problem(frames: tuple[bytes, ...], problem: str) -> None:
    """The first one is named."""
    assert read_transcript(of_methods(*frames)).problem == problem


def test_a_method_before_the_hello_frame_is_a_problem() -> None:
    """What ran before the last start of a board says nothing."""
    transcript = read_transcript(method("decode", 1, 1) + GOOD)

    assert transcript.problem == "frame 0 (N): comes before all vectors of the method before it"
