"""Figures as text."""

import pytest

from etbuild.report.figures import aligned, percent


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50.0 %"), (0.0, "0.0 %"), (0.981, "98.1 %")]
)
def test_a_share_is_never_rounded_up_to_all(share: float, text: str) -> None:
    """One operator in a thousand on the CPU still shows."""
    assert percent(share) == text


def test_a_column_without_values_is_omitted() -> None:
    """Except the first, which names the line."""
    assert aligned(("", "SRAM", "DRAM"), [("a", "1", ""), ("long", "20", "")]) == [
        "      SRAM",
        "a        1",
        "long    20",
    ]
