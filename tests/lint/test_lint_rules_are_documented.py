"""docs/lint.md has every rule, with its level."""

import re
from pathlib import Path

from etbuild.lint.finding import RULES

PAGE = Path(__file__).parents[2] / "docs/lint.md"


def test_the_page_has_every_rule_in_the_order_of_the_findings() -> None:
    """And no other."""
    rows = re.findall(r"^\| ([a-z-]+) \| (error|warning|note) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert rows == [(rule.id, rule.level) for rule in RULES.values()]
