"""docs/steps.md describes every kind of step; what each reads and writes is made from its module."""

from __future__ import annotations

from etbuild.steps.kinds import KINDS
from website.steps import PAGE, described, page

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_generator_gives() -> None:
    """Run `python -m website.steps` after a change of a step's options."""
    assert page(TEXT) == TEXT


def test_every_kind_has_a_section_in_the_order_of_the_chain() -> None:
    """A new kind needs a heading, a paragraph and an empty part, which the generator fills."""
    headings = [line.removeprefix("## ") for line in TEXT.splitlines() if line.startswith("## ")]

    assert headings == described(TEXT) == list(KINDS)


def test_a_part_names_the_files_of_the_command_line() -> None:
    part = TEXT.split("<!-- step vela,")[1].split("<!-- end -->")[0]

    assert "Once a variant: the NPU's command streams, and Vela's estimates.\n" in part
    assert "| `--delegates` | reads | folder with 0.tosa, 1.tosa... |\n" in part
    assert "| `--report` | writes | vela.json |\n" in part
