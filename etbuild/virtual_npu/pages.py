"""Pages of device registers that are served from outside of QEMU; the NPU's page.

A page is an object with an address, a size, `read` and `write`; the trap calls them for each access of the processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from etbuild.errors import StepError
from etbuild.virtual_npu.device import Access, Device

_WORD = 4


class Page(Protocol):
    """One page. address: of its first byte. size: in bytes, a multiple of 4.

    direct: the offset of a word that QEMU's machine answers itself for now, without a stop; None if there is none.
    """

    @property
    def address(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def direct(self) -> int | None: ...

    def read(self, offset: int, size: int) -> int:
        """The value that a load of `size` bytes gets."""

    def write(self, offset: int, size: int, value: int) -> None:
        """A store of `size` bytes."""


@dataclass(frozen=True)
class NpuPage:
    """The registers of an NPU at one address. access: the rights of a processor that uses this address.

    raises: StepError for an access that is not one aligned word: the hardware does not say what it does.
    """

    device: Device
    address: int
    access: Access
    direct: None = None

    @property
    def size(self) -> int:
        """Of the NPU's family."""
        return self.device.npu.family.page_bytes

    def read(self, offset: int, size: int) -> int:
        """One word."""
        _check_word(offset, size)
        return self.device.read(offset, self.access)

    def write(self, offset: int, size: int, value: int) -> None:
        """One word."""
        _check_word(offset, size)
        self.device.write(offset, value, self.access)


def _check_word(offset: int, size: int) -> None:
    if size != _WORD or offset % _WORD:
        raise StepError(f"NPU register {offset:#x}: got an access of {size} bytes, wanted one aligned word")
