"""Figures of a candidate of step tune, for tests that build none."""

from typing import Any


def figures(cycles: int, sqnr: float, **more: Any) -> dict[str, Any]:
    return {
        "cycles": cycles,
        "pte_bytes": 100,
        "sram_bytes": 10,
        "on_cpu": 0,
        "sqnr_db": sqnr,
        "accuracy": None,
        **more,
    }
