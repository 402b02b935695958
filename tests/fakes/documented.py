"""The blocks of code in the pages for people, and what is written there about running them. It runs none."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
_SLOW = "<!-- slow -->"


@dataclass(frozen=True)
class Block:
    """language: of a fence; "" of an indented block. reason: why it cannot be run here, from the comment above it."""

    page: str
    line: int
    language: str
    text: str
    reason: str = ""
    slow: bool = False

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(pages: list[Path] = PAGES) -> list[Block]:
    """All blocks, in order."""
    return [block for page in pages for block in _blocks(page)]


def _blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    above = ""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        if token.type in ("fence", "code_block"):
            reason = _NOT_RUN.search(above)
            facts = (token.info.strip(), textwrap.dedent(token.content), reason[1] if reason else "", _SLOW in above)
            found.append(Block(str(page.relative_to(ROOT)), token.map[0] + 1 if token.map else 0, *facts))
        above = token.content if token.type == "html_block" else ""
    return found


@dataclass(frozen=True)
class Session:
    """One command of a console block, and what is printed."""

    command: str
    output: str


def sessions(block: Block) -> list[Session]:
    """The commands of a block whose lines begin with `$ `."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [Session(*(text.rstrip("\n") for text in part.partition("\n")[::2])) for part in parts]


def pattern(output: str) -> re.Pattern[str]:
    """What a printed output must match: `...` is any text, alone in a line any lines; times and spaces vary."""
    lines = []
    for line in output.splitlines():
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
            continue
        text = re.sub(r"\d+\\\.\d+\\ s\b", r"\\d+\\.\\d+\\ s", re.escape(line.rstrip()))
        lines.append(re.sub(r"(?:\\ ){2,}", r" +", text.replace(r"\.\.\.", ".*")) + r" *\n")
    return re.compile("".join(lines))
