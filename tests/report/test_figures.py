"""How a person reads the figures of a variant."""

import pytest

from etbuild.report.figures import aligned, percent


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50.0 %"), (0.0, "0.0 %"), (0.981, "98.1 %")]
)
def test_a_share_is_never_rounded_up_to_all(share: float, text: str) -> None:
    """One operator of a thousand on the CPU is not none."""
    assert percent(share) == text


def test_a_column_that_is_empty_everywhere_is_left_out() -> None:
    """The first, which says what a line is of, stays."""
    assert aligned(("", "SRAM", "DRAM"), [("a", "1", ""), ("long", "20", "")]) == [
        "      SRAM",
        "a        1",
        "long    20",
    ]
