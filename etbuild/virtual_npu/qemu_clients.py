"""Clients of QEMU's machine protocol (QMP) and of its test protocol (qtest): what the device needs of them."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.virtual_npu.packets import Stream


class Qmp:
    """The machine protocol. raises: StepError for an answer that is an error, or none."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._next()
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """The result of a command; events are skipped."""
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        self._stream.send(json.dumps(request).encode() + b"\n")
        while "event" in (answer := self._next()):
            pass
        if "return" not in answer:
            raise StepError(f"{self._stream.name}: {command}: got {json.dumps(answer)[:200]}, wanted a result")
        return answer["return"]

    def host_address(self, address: int) -> int | None:
        """Where QEMU's process has this byte of the machine's memory; None for what is not plain memory."""
        text = self.execute("human-monitor-command", **{"command-line": f"gpa2hva {address:#x}"})
        found = re.search(r" is (0x[0-9a-fA-F]+)", str(text))
        return int(found[1], 16) if found else None

    def _next(self) -> dict[str, Any]:
        line = self._stream.until(b"\n", time.monotonic() + self._stream.limit_s)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise StepError(f"{self._stream.name}: got {line[:80]!r}, wanted an object in JSON")
        return answer


class Qtest:
    """The test protocol: sets the inputs of interrupt controllers."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def set_irq(self, device: str, name: str, number: int, level: bool) -> None:
        """raises: StepError if there is no such input."""
        command = f"set_irq_in {device} {name} {number} {int(level)}"
        self._stream.send(command.encode() + b"\n")
        line = self._stream.until(b"\n", time.monotonic() + self._stream.limit_s).decode("latin-1").strip()
        if not line.startswith("OK"):
            raise StepError(f"{self._stream.name}: {command}: got {line[:200]!r}, wanted OK")
