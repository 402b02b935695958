"""What ends a run by what is printed."""

from __future__ import annotations

import io

import pytest

from etbuild.fvp.console import Console

EOT, TAG = b"\x04", b"EXIT"


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("printed", "passed"),
    [
        (b"one\ntwo\x04three", b"one\ntwo\x04"),
        (b"EXI EXIT behind", b"EXI EXIT"),
        (b"EXEXIT", b"EXEXIT"),
        (b"first\x04 then EXIT", b"first\x04"),
    ],
)
def test_the_output_ends_with_what_ends_the_run(printed: bytes, passed: bytes, size: int) -> None:
    """However it is cut into pieces."""
    sink = io.BytesIO()
    console = Console(sink, eot=True, tag=TAG)

    for at in range(0, len(printed), size):
        if console.feed(printed[at : at + size]):
            break

    assert sink.getvalue() == passed


def test_without_an_order_nothing_ends_a_run() -> None:
    """EOT is a character as any other."""
    sink = io.BytesIO()
    console = Console(sink)

    assert [console.feed(EOT), console.feed(TAG)] == [False, False]
    console.pass_begun()
    assert sink.getvalue() == EOT + TAG


def test_two_consoles_of_one_sink_mix_whole_lines() -> None:
    """A UART is read character by character, while the other console prints."""
    sink = io.BytesIO()
    uart, semihosting = Console(sink), Console(sink)

    uart.feed(b"one\nbeg")
    semihosting.feed(b"between\n")
    uart.feed(b"un\nend")
    assert sink.getvalue() == b"one\nbetween\nbegun\n"

    uart.pass_begun()
    uart.pass_begun()
    assert sink.getvalue() == b"one\nbetween\nbegun\nend"


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    """An image may print for hours without one."""
    sink = io.BytesIO()
    console = Console(sink)

    for _ in range(3):
        console.feed(b"." * 40_000)

    assert len(sink.getvalue()) == 80_000
    assert len(console.begun) == 40_000


class Gone(io.RawIOBase):
    def write(self, data: object) -> int:
        raise BrokenPipeError


def test_a_sink_that_fails_does_not_hide_the_end() -> None:
    """The reader of the output has gone."""
    assert Console(Gone(), eot=True).feed(EOT)  # type: ignore[arg-type]
