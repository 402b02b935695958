"""What the schema cannot express about the section `deploy` of a board. It reads no file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import one_of, quoted

if TYPE_CHECKING:
    from etbuild.config.diagnostics import KeyPath
    from etbuild.hardware.board import Board
    from etbuild.hardware.deploy_sections import Deploy

_SECRET = re.compile(r"(?i)(pass(word|wd|phrase)?|secret|token)(=|:|\s|$)|://[^/@\s]*:[^/@\s]*@")
# The consoles that each transport can read.
_READABLE = {
    "ssh-remoteproc": ("trace", "serial"),
    "serial": ("serial",),
    "probe": ("serial", "rtt"),
    "command": ("serial", "output"),
}


def deploy_problems(board: Board) -> Iterator[tuple[KeyPath, str, str, str]]:
    """path, got, wanted, remedy of each problem."""
    deploy = board.deploy
    if deploy is None:
        return
    wanted = _READABLE[deploy.transport]
    if deploy.reads not in wanted:
        got = f"{deploy.reads} with transport: {deploy.transport}"
        yield ("deploy", "console"), got, one_of(wanted), ""
    if deploy.reads == "rtt" and deploy.probe and deploy.probe.program == "gdb":
        yield ("deploy", "console"), "rtt with probe: {program: gdb}", "serial", "pyocd and jlink read RTT"
    if deploy.transport == "probe" and deploy.probe is None:
        yield ("deploy", "transport"), "probe without deploy.probe", "probe: {program: ...} with it", ""
    if deploy.probe and deploy.probe.program != "gdb" and not deploy.probe.target:
        got = f"{deploy.probe.program} without a target"
        yield ("deploy", "probe"), got, "target: the chip's name", f"{deploy.probe.program} cannot tell the chip"
    if (deploy.transport == "command") != bool(deploy.commands):
        got = "no commands" if not deploy.commands else f"commands with transport: {deploy.transport}"
        yield ("deploy", "commands" if deploy.commands else "transport"), got, "transport: command with commands", ""
    yield from _word_problems(deploy)


def _word_problems(deploy: Deploy) -> Iterator[tuple[KeyPath, str, str, str]]:
    """Of the words of commands and files: secrets, and expressions that are none."""
    remedy = "a board's file is read by everyone; name a variable in braces, and set it in the user's own file"
    texts = [word for call in deploy.commands for word in call.run]
    for text in texts:
        if _SECRET.search(re.sub(r"\{[a-z_0-9]+\}", "", text)) and "{" not in text:
            yield ("deploy", "commands"), quoted(text), "no password, secret or token", remedy
    for file in deploy.files:
        if _SECRET.search(file.text) and "{" not in file.text:
            yield ("deploy", "files"), quoted(file.path), "no password, secret or token", remedy
    for call in deploy.commands:
        for pattern in filter(None, (*call.fails_on, call.wants)):
            try:
                re.compile(pattern)
            except re.error as error:
                yield ("deploy", "commands"), quoted(pattern), "a regular expression", str(error)
