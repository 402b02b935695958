"""The NPU's page."""

from __future__ import annotations

import pytest

from etbuild.errors import StepError
from etbuild.virtual_npu.device import TRUSTED, Access, Device
from etbuild.virtual_npu.pages import NpuPage
from etbuild.virtual_npu.registers import npu_called
from tests.virtual_npu.test_device import CONFIG, Machine


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
