"""The table of boards in docs/boards.md is made from the boards' files."""

from __future__ import annotations

from etbuild.hardware.board_table import BEGIN, END, PAGE, page, table
from etbuild.hardware.boards import board_names


def test_the_page_has_the_table_that_the_generator_gives() -> None:
    """Run `python -m etbuild.hardware.board_table` after a change of a board."""
    text = PAGE.read_text(encoding="utf-8")

    assert text.count(BEGIN) == text.count(END) == 1
    assert page(text) == text


def test_every_board_is_in_the_table() -> None:
    """A twin in the row of its original."""
    assert [name for name in board_names() if f"`{name}`" not in table()] == []


def test_a_board_that_was_not_run_is_marked() -> None:
    """No vendor's board was."""
    rows = [row for row in table().splitlines() if row.startswith(("| `alif", "| `imx93"))]

    assert len(rows) == 4
    assert all("not on the board" in row for row in rows)
