"""The table of layers printed after `doit sensitivity:R`, from sensitivity.json. It computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild.report.figures import aligned

if TYPE_CHECKING:
    from etbuild.report.figures import Json

# More are in the file.
MOST_ROWS = 20


def sensitivity_table(found: Json) -> str:
    """One line per layer, the worst first, and an explanation, without a final line end."""
    titles = (f"{found['recipe']}@{found['variant']}", "SQNR alone", "share", "of weights", "of its value", "")
    shown = found["layers"][:MOST_ROWS]
    lines = aligned(titles, [_row(one) for one in shown])
    left = len(found["layers"]) - len(shown)
    all_of_it = f"all layers: {db_text(found['sqnr_db'])}; by the sum of their errors {db_text(found['sum_db'])}"
    return "\n".join(
        (
            *lines,
            *([f"... and {left} more"] if left else []),
            all_of_it + _accuracy(found["accuracy"]),
            "SQNR alone: at the outputs, the rest of the model in floating point; share: of all layers' errors",
            f"all figures: build/{found['recipe']}/{found['variant']}/sensitivity.json",
        )
    )


def _row(one: Json) -> tuple[str, ...]:
    parts = one["parts_db"] or {}
    operators = f"  {' '.join(one['operators'])}" if one["operators"] else ""
    note = "" if one["seen"] == "executed" else "not seen on the NPU: of the quantised program"
    return (
        f"{one['name']}{operators}",
        db_text(one["sqnr_db"]),
        f"{one['share']:.1%}",
        db_text(parts["weights"]) if parts else "",
        db_text(parts["value"]) if parts else "",
        note,
    )


def _accuracy(found: Json | None) -> str:
    return f"; accuracy {found['together']:.1%}, in floating point {found['float']:.1%}" if found else ""


def db_text(value: float | None) -> str:
    """Of a signal to noise ratio; None is one without noise."""
    return "no error" if value is None else f"{value:.1f} dB"
