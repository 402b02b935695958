"""UARTs that QEMU's machine lacks, and the NPU's page."""

from __future__ import annotations

import pytest

from etbuild.errors import StepError
from etbuild.virtual_npu.device import TRUSTED, Access, Device
from etbuild.virtual_npu.pages import Lpuart, NpuPage, Ns16550
from etbuild.virtual_npu.registers import npu_called
from tests.virtual_npu.test_device import CONFIG, Machine


def test_an_ns16550_sends_what_is_written_to_thr() -> None:
    """It is always ready. While DLAB is set, the same offset is the divisor."""
    sent: list[bytes] = []
    uart = Ns16550(0x4901C000, sent.append)
    uart.write(0x0C, 4, 0x83)
    uart.write(0x00, 4, 54)
    uart.write(0x04, 4, 0)
    uart.write(0x0C, 4, 0x03)
    uart.write(0x00, 4, 0x141)
    uart.write(0x00, 1, 0x0A)

    assert (sent, uart.read(0x14, 4) & 0x20, uart.read(0x0C, 4)) == ([b"A", b"\n"], 0x20, 3)


def test_an_lpuart_sends_what_is_written_to_data_while_its_transmitter_is_on() -> None:
    """It is always ready; a reset switches it off."""
    sent: list[bytes] = []
    uart = Lpuart(0x44390000, sent.append)
    uart.write(0x1C, 4, 0x40)
    uart.write(0x10, 4, 0x0E000001)
    uart.write(0x18, 4, 1 << 19)
    uart.write(0x1C, 4, 0x41)
    baud = uart.read(0x10, 4)
    uart.write(0x08, 4, 2)
    uart.write(0x1C, 4, 0x42)

    assert (sent, baud, uart.read(0x14, 4) >> 23 & 1) == ([b"A"], 0x0E000001, 1)


@pytest.mark.parametrize(("offset", "size"), [(0x04, 1), (0x04, 2), (0x06, 4)])
def test_an_access_to_the_npu_is_one_aligned_word(offset: int, size: int) -> None:
    """What the hardware does with another one is not documented, so it ends the run."""
    page = NpuPage(Machine().device, 0x58102000, TRUSTED)

    with pytest.raises(StepError, match=f"got an access of {size} bytes, wanted one aligned word"):
        page.read(offset, size)
    with pytest.raises(StepError, match="NPU register 0x"):
        page.write(offset, size, 0)


def test_the_other_address_has_other_rights() -> None:
    """A secure NPU answers zeros at its non-secure address."""
    device = Device(npu_called("ethos-u55-128"), Machine())
    secure, other = (NpuPage(device, address, Access(secure)) for address, secure in ((0x58, True), (0x48, False)))

    assert (secure.read(CONFIG, 4), other.read(CONFIG, 4), other.size) == (0x1807, 0, 0x1000)
