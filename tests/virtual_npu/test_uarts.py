"""UARTs that QEMU's machine lacks: when they send, and what they lose."""

from __future__ import annotations

from etbuild.virtual_npu.uarts import Lpuart, Ns16550, Transmitter

LSR, STAT, DATA = 0x14, 0x14, 0x1C


def ns16550(sent: list[bytes]) -> Ns16550:
    return Ns16550(0x4901C000, Transmitter(sent.append))


def lpuart(sent: list[bytes]) -> Lpuart:
    return Lpuart(0x44390000, Transmitter(sent.append))


def test_an_ns16550_sends_what_is_written_to_thr() -> None:
    """Each look finds it ready. While DLAB is set, the same offset is the divisor."""
    sent: list[bytes] = []
    uart = ns16550(sent)
    uart.write(0x0C, 4, 0x83)
    uart.write(0x00, 4, 54)
    uart.write(0x04, 4, 0)
    uart.write(0x0C, 4, 0x03)
    uart.write(0x00, 4, 0x141)
    ready = uart.read(LSR, 4) & 0x20
    uart.write(0x00, 1, 0x0A)

    assert (sent, ready, uart.read(0x0C, 4)) == ([b"A", b"\n"], 0x20, 3)


def test_an_lpuart_sends_what_is_written_to_data_while_its_transmitter_is_on() -> None:
    """Each look finds it ready; a reset switches it off."""
    sent: list[bytes] = []
    uart = lpuart(sent)
    uart.write(DATA, 4, 0x40)
    uart.write(0x10, 4, 0x0E000001)
    uart.write(0x18, 4, 1 << 19)
    uart.write(DATA, 4, 0x41)
    baud = uart.read(0x10, 4)
    uart.write(0x08, 4, 2)
    uart.write(DATA, 4, 0x42)

    assert (sent, baud, uart.read(STAT, 4) >> 23 & 1) == ([b"A"], 0x0E000001, 1)


def test_what_is_written_to_a_full_buffer_is_lost() -> None:
    """One character without a FIFO, until a look at the status has found the buffer empty."""
    sent: list[bytes] = []
    uart = ns16550(sent)
    for character in b"abc":
        uart.write(0x00, 4, character)
    uart.read(LSR, 4)
    uart.write(0x00, 4, ord("d"))

    assert b"".join(sent) == b"ad"


def test_a_fifo_takes_sixteen_characters_a_look() -> None:
    """Where it is switched on: FCR and IIR of the 16550, FIFO and PARAM of the LPUART, before its transmitter is on."""
    one, other = list[bytes](), list[bytes]()
    first, second = ns16550(one), lpuart(other)
    without = first.read(0x08, 4)
    first.write(0x08, 4, 7)
    second.write(0x28, 4, 0x80)
    second.write(0x18, 4, 1 << 19)
    second.write(0x28, 4, 0)
    for character in b"0123456789abcdefghi":
        first.write(0x00, 4, character)
        second.write(DATA, 4, character)

    assert (without & 0xC0, first.read(0x08, 4) & 0xC0) == (0, 0xC0)
    assert (second.read(0x04, 4) & 7, second.read(0x28, 4) & 0x80) == (4, 0x80)
    assert b"".join(one) == b"".join(other) == b"0123456789abcdef"


def test_what_qemus_own_register_got_is_sent_at_the_next_look() -> None:
    """In its order, and no more than the buffer takes."""
    sent: list[bytes] = []
    stored = [b"efgh", b"bcd"]
    uart = Ns16550(0x59304000, Transmitter(sent.append, lambda: stored.pop() if stored else b"", room=3, _left=3), True)
    uart.read(LSR, 4)
    uart.read(LSR, 4)

    assert sent == [b"bcd", b"efg"]


def test_qemus_own_register_is_used_while_a_store_to_it_is_a_character() -> None:
    """Not while it is the divisor, or the transmitter is off; nor where QEMU's machine does not have it."""
    nowhere = Transmitter(list[bytes]().append)
    first, second, other = Ns16550(0, nowhere, True), Lpuart(0, nowhere, True), Ns16550(0, nowhere)
    seen = [first.direct, second.direct, other.direct]
    first.write(0x0C, 4, 0x80)
    second.write(0x18, 4, 1 << 19)

    assert (seen, first.direct, second.direct) == ([0, None, None], None, 0x1C)
