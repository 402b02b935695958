"""The text of source lines, from the files that are there. It follows no import."""

from __future__ import annotations

from pathlib import Path


class SourceLines:
    """Reads each file once."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}

    def text_of(self, line: str) -> str:
        """The text of "file:number"; "" where there is no such file or line."""
        name, _, number = line.rpartition(":")
        if name not in self._files:
            try:
                self._files[name] = Path(name).read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError:
                self._files[name] = []
        lines = self._files[name]
        return lines[int(number) - 1].strip() if number.isdigit() and 0 < int(number) <= len(lines) else ""
