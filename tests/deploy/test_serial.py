"""Transport serial: a pty as the line, fed by QEMU's console, and lines that are gone, silent, taken or of others."""

from __future__ import annotations

import json
import os
import pty
import socket
import struct
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import NEEDS_TOOLS, Lab, qemu
from transcripts import end, frame, hello, whole

from etbuild.deploy import job
from etbuild.deploy.monitor import Reader
from etbuild.firmware.board_files import qemu_arguments

pytestmark = [pytest.mark.e2e, NEEDS_TOOLS]

SECTION = "{transport: serial}"


class Line:
    """A pty: the board's end is `board`, the other end is a device."""

    def __init__(self) -> None:
        self.board, self._device = pty.openpty()
        tty.setraw(self._device)
        self.device = os.ttyname(self._device)
        self._timers: list[threading.Timer] = []

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        timer = threading.Timer(seconds, act)
        self._timers.append(timer)
        timer.start()

    def prints(self, data: bytes, seconds: float = 0.5) -> None:
        """After a while, as a board whose button is pressed."""
        self.later(seconds, lambda: os.write(self.board, data))

    def unplug(self) -> None:
        os.close(self.board)
        self.board = -1

    def close(self) -> None:
        for timer in self._timers:
            timer.join()
        for file in (self.board, self._device):
            if file >= 0:
                os.close(file)


@pytest.fixture
def line(lab: Lab) -> Iterator[Line]:
    made = Line()
    lab.place(f"{{serial: {made.device}}}")
    yield made
    made.close()


@contextmanager
def powered(lab: Lab, line: Line) -> Iterator[None]:
    """QEMU with the image, started after a while; what it prints is on the line."""

    def pump() -> None:
        arguments = qemu_arguments(lab.board(SECTION), lab.elf)
        with qemu(*arguments[arguments.index("-serial") :]) as board:
            assert board.stdout is not None
            while data := os.read(board.stdout.fileno(), 4096):
                os.write(line.board, data)

    line.later(0.5, pump)
    yield


def test_frames_on_a_serial_line_are_the_verdict(lab: Lab, line: Line) -> None:
    """A board that is started by hand while the line is read."""
    with powered(lab, line):
        assert lab.run(SECTION) == 0

    report = json.loads(Path("run.json").read_text())
    assert (report["runner"], report["vectors"], report["bit_exact"]) == ("lab", 3, 3)


def test_a_line_may_be_a_url(lab: Lab) -> None:
    """As that of ser2net; QEMU's console is a TCP server."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = f"tcp:127.0.0.1:{port},server=on,wait=on"
    arguments = qemu_arguments(lab.board(SECTION), lab.elf)
    with qemu("-serial", server, *arguments[arguments.index("-serial") + 2 :]) as board:
        while b"waiting for connection" not in (os.read(board.stdout.fileno(), 4096) if board.stdout else b""):
            pass

        assert lab.run(SECTION, "--serial", f"socket://127.0.0.1:{port}") == 0


def test_what_came_before_the_start_does_not_count(lab: Lab, line: Line) -> None:
    """The end of an older run, of which the beginning was not heard."""
    line.prints(end(0, 7), 0.3)
    line.prints(b"boot loader 1.0\r\n", 0.4)
    with powered(lab, line):
        assert lab.run(SECTION) == 0


def test_a_device_that_is_not_there_is_a_message(lab: Lab) -> None:
    """With the user's remedy."""
    assert lab.failure(SECTION, "--serial", "/dev/ttyNONE7") == (
        "lab: serial line /dev/ttyNONE7: got no such device, wanted it open\n"
        "    is the board connected? ls /dev/serial/by-id"
    )


def test_a_line_that_another_program_has_open_is_a_message(lab: Lab, line: Line) -> None:
    """Both would get a part of each frame."""
    import serial

    with serial.Serial(line.device, exclusive=True):
        message = lab.failure(SECTION)

    assert message.startswith(f"lab: serial line {line.device}: got it open in another program, wanted it open\n")


def test_an_adapter_that_is_pulled_is_noticed(lab: Lab, line: Line) -> None:
    """In the middle of the frames."""
    frames = whole([[b"\0" * 12]] * 3)
    line.prints(b"".join(frames[:3]), 0.3)
    line.later(0.6, line.unplug)

    assert lab.failure(SECTION) == (
        f"{line.device}: got the line gone while it was read, wanted the board's output\n"
        "    cable, and power of the adapter\n    1 vectors were done"
    )


def test_a_silent_board_ends_with_the_time_limit(lab: Lab, line: Line) -> None:
    """No byte at all."""
    assert lab.failure(SECTION, limit_s=0.5).startswith("lab: got nothing within 0.5 s of its start, wanted frames\n")


def test_a_wrong_speed_or_another_program_on_the_board_shows_what_came(lab: Lab, line: Line) -> None:
    """The last lines, as they can be read."""
    line.prints(b"\x80\xffU-Boot 2026\r\n=> ", 0.1)

    assert lab.failure(SECTION, limit_s=1) == (
        "lab: got text without one frame within 1 s, wanted frames\n    | \ufffd\ufffdU-Boot 2026\n    | => "
    )


def test_a_board_of_another_kind_is_noticed(lab: Lab, line: Line) -> None:
    """By the name in its hello frame."""
    line.prints(b"".join(whole([[b"\0" * 12]])))

    assert lab.failure(SECTION).startswith("got frames of board corstone-300, wanted lab\n")


def test_the_firmware_of_another_recipe_is_noticed(lab: Lab, line: Line) -> None:
    """By the digest of its model."""
    line.prints(hello(3, 1, "lab") + end(0, 1))

    message = lab.failure(SECTION)

    assert message.startswith("lab: got frames for model 000000000000 with 3 vectors, wanted ")
    assert message.endswith("another recipe, or an older one: write this image to it")


def test_a_board_that_starts_again_and_again_is_a_message(lab: Lab, line: Line) -> None:
    """A watchdog."""
    line.prints(hello(3, 1, "lab") * 4)

    assert lab.failure(SECTION, limit_s=1).startswith("got 4 starts of the firmware, wanted one\n")


def test_a_line_that_cannot_reset_says_so(lab: Lab, line: Line) -> None:
    """A pty has no RTS."""
    message = lab.failure("{transport: serial, serial: {reset: rts}}")

    assert message.startswith(f"{line.device}: got `") and message.endswith(
        "wanted a line that can reset the board by rts"
    )


def test_no_line_at_all_says_where_to_set_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this machine has no adapter, or several."""
    from serial.tools import list_ports

    monkeypatch.setattr(list_ports, "comports", lambda: [])

    assert lab.failure(SECTION) == (
        "lab: serial: got none, and no USB adapter here, wanted the board's line\n"
        "    set ETBUILD_BOARD_SERIAL, or serial of the board in ~/.config/etbuild/boards.yaml, or deploy: "
        "{serial: ...} in the recipe"
    )


def test_monitor_shows_the_methods_of_a_program_with_several() -> None:
    """Each with its vectors, and the outputs that these have."""
    name = frame("N", struct.pack("<2I", 4, 2) + b"encode")

    shown = list(Reader(str).lines(hello(4, 0) + name))

    assert shown == [
        "start on corstone-300: 4 vectors, model 000000000000",
        "method encode: 4 vectors, 2 outputs each",
    ]


def test_monitor_shows_frames_in_words(lab: Lab, line: Line) -> None:
    """And text as it is; it ends when the line is gone."""
    line.prints(b"boot\r\n" + b"".join(whole([[b"\0" * 12]])) + frame("V", b"short"), 0.1)
    line.later(0.6, line.unplug)
    shown: list[str] = []

    with pytest.raises(Exception, match="got the line gone"):
        job.monitor(lab.site(SECTION), lab.elf, shown.append)

    assert shown == [
        "boot",
        "start on corstone-300: 1 vectors, 1 outputs each, model 000000000000",
        "vector 0: 1,000 ticks",
        "memory: arena 444 of 2,097,152 bytes, stack 1,300 of 16,384",
        "end with exit code 0: done",
        "(damaged: a frame is cut short)",
    ]
