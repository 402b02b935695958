"""Programs of vendors: recording fakes on PATH, with the vices of the real ones."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

_FAKE = """\
#!/bin/sh
for word in "$@"; do case "$word" in *.jlink) cat "$word" > {folder}/script;; esac; done
echo "$@" >> {folder}/{name}.calls
pwd >> {folder}/{name}.folders
[ "$1" = rtt ] || printf '%s\\n' {says}
{question}
{console}
exit {code}
"""


class Vendor:
    """A folder at the head of PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self._folder, self._patch = folder, monkeypatch
        folder.mkdir()
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    def add(self, name: str, says: str = "", code: int = 0, console: Path | None = None, asks: bool = False) -> None:
        """A program. console: a file that it prints when it is asked for RTT, or last; asks: it waits for an answer."""
        file = self._folder / name
        question = "read answer </dev/zero || exit 0" if asks else ""
        printed = ""
        if console is not None:
            show = f"cat {shlex.quote(str(console))}; sleep 100"
            printed = f'if [ "$1" != load ]; then {show}; fi'
        text = _FAKE.format(
            folder=shlex.quote(str(self._folder)),
            name=name,
            says=shlex.quote(says),
            code=code,
            console=printed,
            question=question,
        )
        file.write_text(text)
        file.chmod(0o755)

    def calls(self, name: str) -> list[str]:
        return (self._folder / f"{name}.calls").read_text().splitlines()

    def folders(self, name: str) -> list[str]:
        return (self._folder / f"{name}.folders").read_text().splitlines()

    @property
    def script(self) -> str:
        """What JLinkExe was told to do."""
        return (self._folder / "script").read_text()

    def only_these(self) -> None:
        """Nothing else is on PATH."""
        self._patch.setenv("PATH", str(self._folder))
