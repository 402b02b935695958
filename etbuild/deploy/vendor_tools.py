"""Transport `command`: programs of the vendor, as the board's file says. It knows no program by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.deploy import tool
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.deploy.site import Image, Site, Transport
    from etbuild.hardware.deploy_sections import ToolCall


class CommandTransport:
    """The programs of the board's file. With console `output` the last one starts the board and is read."""

    def __init__(self, site: Site):
        self._site = site
        self._variables = dict(one.split("=", 1) for one in site.place.variables)
        self.last: tool.Printing | None = None

    def put(self, image: Image) -> str:
        values = self._values(image)
        for file in self._site.deploy.files:
            path = Path(tool.filled(file.path, values)).expanduser()
            try:
                path.write_text(tool.filled(file.text, values) + "\n", encoding="utf-8")
            except OSError as error:
                raise StepError(f"{path}: got `{error.strerror}`, wanted a file for the board's programs") from None
        return ""

    def start(self, image: Image) -> str:
        """The programs write and start it in one; only what they print from here on is of the new image."""
        values = self._values(image)
        calls = [self._call(call, values) for call in self._site.deploy.commands]
        is_read = self._site.deploy.reads == "output"
        for call in calls[:-1] if is_read else calls:
            tool.run(call)
        if is_read:
            self.last = tool.Printing(calls[-1])
        return f"{image.name} by {', '.join(Path(call.words[0]).name for call in calls)}"

    def close(self) -> None:
        if self.last is not None:
            self.last.close()

    def _values(self, image: Image) -> dict[str, str]:
        files = {"elf": image.elf, "bin": image.bin, "hex": image.hex}
        own = {name: str(file.absolute()) for name, file in files.items()}
        return {**self._variables, **own, "address": f"{image.address:#010x}", "name": image.name}

    def _call(self, call: ToolCall, values: dict[str, str]) -> tool.Call:
        folder = tool.filled(call.folder, values)
        hint = f"deploy.commands in {self._site.board.file}"
        return tool.Call(tool.words(call.run, values), folder, call.fails_on, call.wants, call.timeout_s, hint)


class OutputConsole:
    """What the last program prints."""

    def __init__(self, transport: Transport, site: Site):
        if not isinstance(transport, CommandTransport):
            wanted = "a console that can be read without a start"
            raise StepError(f"{site.board.name}: got deploy.console: output, wanted {wanted}\n    doit run:R starts it")
        self._transport = transport

    def before_start(self) -> None: ...

    def after_start(self) -> None: ...

    def read(self, wait_s: float) -> bytes:
        assert self._transport.last is not None, "it is read after the start"
        return self._transport.last.read(wait_s)

    def close(self) -> None: ...
