"""Figures as text."""

import pytest

from etbuild.report.figures import aligned, milliseconds, percent
from etbuild.report.tables import report_table


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50.0 %"), (0.0, "0.0 %"), (0.981, "98.1 %")]
)
def test_a_share_is_never_rounded_up_to_all(share: float, text: str) -> None:
    """One operator in a thousand on the CPU still shows."""
    assert percent(share) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "0.000 ms"), (1.8e-5, "0.018 ms"), (4e-9, "0.004 µs")])
def test_a_time_is_only_zero_when_it_is(seconds: float, text: str) -> None:
    """An addition of 32 numbers takes the NPU two cycles."""
    assert milliseconds(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(32, "32 bytes"), (51, "51 bytes"), (52, "0.1 KiB"), (1024, "1.0 KiB")])
def test_a_size_after_a_build_is_only_zero_when_it_is(size: int, text: str) -> None:
    """Nothing is there for a size of 0: the column is omitted."""
    values = dict.fromkeys(("pte_bytes", "sram_bytes", "dram_bytes", "flash_bytes", "macs"), 0) | {"npu_share": 1}
    figures = {name: {"value": value} for name, value in (values | {"sram_bytes": size}).items()}
    golden = {"vectors": {"value": 1}, "lsb": {"value": 0}, "accuracy": None}
    profile = {"profile": "cpu", "golden": golden, "operators": {"on_cpu": []}}
    variant = {"variant": "v", "profile": "cpu", "figures": figures, "run": None, "firmware": None}

    assert text in report_table([{"recipe": "net", "profiles": [profile], "variants": [variant]}])


def test_a_column_without_values_is_omitted() -> None:
    """Except the first, which names the line."""
    assert aligned(("", "SRAM", "DRAM"), [("a", "1", ""), ("long", "20", "")]) == [
        "      SRAM",
        "a        1",
        "long    20",
    ]
