"""What --fit accepts: names and sizes."""

from __future__ import annotations

import pytest

from etbuild.errors import UsageError
from etbuild.report.sweep import limits, limits_text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("SRAM=2M,FLASH=4M", "SRAM=2M,FLASH=4M"),
        ("flash=4096k, sram=2MiB", "SRAM=2M,FLASH=4M"),
        ("DRAM=0.5M", "DRAM=512K"),
        ("PTE=1000B", "PTE=1000"),
        ("SRAM=0", "SRAM=0"),
        ("", ""),
    ],
)
def test_equal_limits_have_the_same_text(text: str, canonical: str) -> None:
    """So that a sweep runs again only when its limits change."""
    assert limits_text(limits(text)) == canonical
    assert limits(canonical) == limits(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("SRAM=two", "SRAM=two"),
        ("ROM=2M", "ROM=2M"),
        ("2M", "2M"),
        ("SRAM=2M,SRAM=1M", "SRAM=1M"),
        ("SRAM=-1", "SRAM=-1"),
        (f"SRAM={'9' * 400}", f"SRAM={'9' * 400}"),
        ("SRAM=9999999999999G", "SRAM=9999999999999G"),
    ],
)
def test_a_wrong_limit_is_named(text: str, part: str) -> None:
    """With the names that are valid."""
    with pytest.raises(UsageError) as error:
        limits(text)

    assert str(error.value) == (
        f'--fit: got "{part}", wanted each of PTE, SRAM, DRAM, FLASH at most once, '
        "with a size such as SRAM=512K,FLASH=4M"
    )
