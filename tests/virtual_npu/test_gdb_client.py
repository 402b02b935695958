"""The client of a gdb stub, against a stub that behaves well, badly, or not at all."""

from __future__ import annotations

import time

import pytest

from etbuild.errors import StepError
from etbuild.virtual_npu.gdb_client import WATCH_ACCESS, GdbClient
from etbuild.virtual_npu.gdb_link import Stop
from etbuild.virtual_npu.packets import AnswerTimeoutError, ConnectionEndedError
from tests.virtual_npu.fake_stub import FakeStub, packet, plain

SOON_S = 0.2


def soon() -> float:
    return time.monotonic() + SOON_S


def later() -> float:
    return time.monotonic() + 5


def test_registers_have_the_numbers_of_the_descriptions() -> None:
    """In order, unless a number is given; one description names the others."""
    answers = [(b"p19", b"78563412"), (b"p1b", b"0102030405060708"), (b"g", b"00" * 64 + b"00000001")]
    with FakeStub(plain(answers)) as stub:
        client = GdbClient(stub.stream())
        client.start()

        assert client.register("xpsr") == 0x12345678
        assert client.register("d1") == 0x0807060504030201
        assert client.registers() == (*(0,) * 16, 0x01000000)
        with pytest.raises(StepError, match="stub: got no register vpr, wanted one in its description"):
            client.register("vpr")


def test_changes_of_registers_go_with_the_next_packet() -> None:
    """And their answers are checked."""
    with FakeStub(plain([(b"P", b"OK"), (b"c", b"T05thread:01;awatch:58102000;")])) as stub:
        client = GdbClient(stub.stream())
        client.start()
        before = len(stub.asked)

        client.set_register("r1", 0x12345678)
        client.set_register("pc", 0x100)
        client.resume()

        assert client.wait(later()) == Stop(5, 0x58102000)
        assert stub.asked[before:] == [b"P1=78563412", b"Pf=00010000", b"c"]


def test_memory_is_moved_in_parts_that_fit_a_packet() -> None:
    """Any number of bytes, in order."""
    memory = bytes(range(256)) * 20

    def answer(request: bytes) -> bytes:
        address, size = (int(part, 16) for part in request[1:].split(b":")[0].split(b","))
        if request[:1] == b"M":
            written[address] = bytes.fromhex(request.split(b":")[1].decode())
            return b"+" + packet(b"OK")
        return b"+" + packet(memory[address : address + size].hex().encode())

    written: dict[int, bytes] = {}
    with FakeStub(answer) as stub:
        client = GdbClient(stub.stream())

        assert client.read(3, 5000) == memory[3:5003]
        client.write(0, memory)

        assert b"".join(written[at] for at in sorted(written)) == memory
        assert max(map(len, stub.asked)) < 4096


def test_runs_and_escapes_of_a_packet_are_expanded() -> None:
    """`0* ` is four zeros; } changes the next character."""
    with FakeStub(lambda _: b"+" + packet(b"0* ")) as stub:
        assert GdbClient(stub.stream()).ask(b"g") == ["0000"]
    with FakeStub(lambda _: b"+" + packet(b"a}\x03b")) as stub:
        assert GdbClient(stub.stream()).ask(b"g") == ["a#b"]


def test_a_breakpoint_that_is_refused_is_an_error() -> None:
    """With its address."""
    with (
        FakeStub(plain([(b"Z4", b"E22")])) as stub,
        pytest.raises(StepError, match="stub: got 'E22', wanted OK for a breakpoint at 0x58102000"),
    ):
        GdbClient(stub.stream()).insert(WATCH_ACCESS, 4, 0x58102000)


@pytest.mark.parametrize(
    ("answer", "stop"),
    [
        (b"T05thread:01;awatch:4a900004;", Stop(5, 0x4A900004)),
        (b"T05thread:01;watch:20;", Stop(5, 0x20)),
        (b"T05thread:01;", Stop(5)),
        (b"S02", Stop(2)),
        (b"W0f", Stop(15, exited=True)),
        (b"X09", Stop(9, exited=True)),
    ],
)
def test_a_stop_says_why(answer: bytes, stop: Stop) -> None:
    """Watchpoint, signal, or the end of the program with its exit code."""
    with FakeStub(plain([(b"c", answer)])) as stub:
        client = GdbClient(stub.stream())
        client.resume()

        assert client.wait(later()) == stop


def test_what_the_firmware_asks_of_the_debugger_is_refused() -> None:
    """Semihosting that QEMU passes on: no file is opened, and the program goes on; text is skipped."""

    def answer(request: bytes) -> bytes:
        if request == b"c":
            return b"+" + packet(b"O6869") + packet(b"Fopen,20000000/8,0,0")
        return b"+" + packet(b"W00")

    with FakeStub(answer) as stub:
        client = GdbClient(stub.stream())
        client.resume()

        assert client.wait(later()).exited
        assert stub.asked == [b"c", b"F-1,1"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"+hello" + packet(b"OK"), r"stub: got '\+hello', wanted a packet"),
        (b"+$OK#00", r"stub: got '\$OK#00', wanted a packet with the right sum"),
        (b"+" + packet(b"Txx"), "stub: got 'Txx', wanted a stop with a number"),
        (b"+" + packet(b""), "stub: got '', wanted a stop"),
        (b"HTTP/1.1 400 Bad Request\r\n", "stub: got no answer within the time, wanted one"),
        (b"+", "stub: got no answer within the time, wanted one"),
        (None, "stub: got no answer within the time, wanted one"),
        (b"+$" + b"0" * 70, "stub: got no answer within the time, wanted one"),
    ],
    ids=["text", "wrong sum", "no number", "empty", "another protocol", "only taken", "silence", "half a packet"],
)
def test_nonsense_and_silence_are_errors_within_the_time(answer: bytes | None, message: str) -> None:
    """What was got, and what was wanted."""
    with FakeStub(lambda _: answer) as stub:
        client = GdbClient(stub.stream())
        client.resume()

        with pytest.raises(StepError, match=message):
            client.wait(soon())


def test_registers_that_are_no_numbers_are_an_error() -> None:
    """Or too few of them."""
    for answer in (b"xx" * 68, b"00" * 12):
        with FakeStub(plain([(b"g", answer)])) as stub, pytest.raises(StepError, match="wanted 68 bytes"):
            GdbClient(stub.stream()).registers()


def test_a_stub_that_sends_without_end_is_an_error() -> None:
    """Its memory is bounded."""
    flood = b"$" + b"0" * (1 << 20)
    with FakeStub(lambda _: flood) as stub, pytest.raises(StepError, match="bytes without an end, wanted an answer"):
        GdbClient(stub.stream(30)).ask(b"g")


def test_a_stub_that_hangs_up_is_an_error_of_its_own() -> None:
    """QEMU has ended."""
    with FakeStub(lambda _: None) as stub:
        client = GdbClient(stub.stream())
        client.resume()
        stub.hang_up()

        with pytest.raises(ConnectionEndedError):
            client.wait(later())
        with pytest.raises(ConnectionEndedError):
            client.ask(b"g")


def test_a_stop_that_comes_late_can_be_waited_for_again() -> None:
    """Nothing of it is lost when the first wait ends in its middle."""
    with FakeStub(
        lambda request: b"+$T05thre" if request == b"c" else b"ad:01;#" + packet(b"T05thread:01;")[-2:]
    ) as stub:
        client = GdbClient(stub.stream())
        client.resume()
        with pytest.raises(AnswerTimeoutError):
            client.wait(soon())
        client.send(b"again")

        assert client.wait(later()) == Stop(5)
