"""Transport ssh-remoteproc on loopback: copy, start, the trace buffer, and what goes wrong with each of them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from lab import NEEDS_TOOLS, Lab
from linux_board import LinuxBoard

from etbuild.deploy import remoteproc, ssh
from etbuild.deploy.remoteproc import TraceBuffer
from etbuild.errors import EtbuildError

pytestmark = [pytest.mark.e2e, NEEDS_TOOLS]

SECTION = "{transport: ssh-remoteproc}"


@pytest.fixture
def board(lab: Lab) -> Iterator[LinuxBoard]:
    (lab.root / "board").mkdir()
    made = LinuxBoard(lab.root / "board")
    made.start()
    lab.place(made.place)
    yield made
    made.stop()


def test_an_image_is_copied_started_and_its_frames_are_the_verdict(lab: Lab, board: LinuxBoard) -> None:
    """By the same comparison as in QEMU; a second run stops the processor first."""
    for _ in range(2):
        assert lab.run(SECTION) == 0

    report = json.loads(Path("run.json").read_text())
    assert (report["runner"], report["on"], report["vectors"], report["bit_exact"]) == ("lab", "board", 3, 3)
    assert report["figures"]["cpu_cycles"]["kind"] == "measured"
    assert board.firmware == ["etbuild-linear.elf"]
    assert "echo stop > /sys/class/remoteproc/remoteproc0/state" in board.behaviour.commands


def test_deploy_leaves_the_firmware_running(lab: Lab, board: LinuxBoard, capsys: pytest.CaptureFixture[str]) -> None:
    """And says what it did."""
    assert lab.deploy(SECTION) == 0

    assert board.state == "running"
    where, size = f"root@127.0.0.1:{board.port}", lab.elf.stat().st_size
    assert capsys.readouterr().out == (
        f"/lib/firmware/etbuild-linear.elf on {where}: {size:,} bytes\nremoteproc0 runs\n"
    )
    assert json.loads(Path("deploy.json").read_text())["transport"] == "ssh-remoteproc"


def test_a_firmware_that_is_not_whole_never_has_the_final_name(lab: Lab, board: LinuxBoard) -> None:
    """The board drops the connection in the middle of the copy: the old image stays, whole."""
    old = board.tree / "lib/firmware/etbuild-linear.elf"
    old.write_bytes(b"old")
    board.behaviour.copy_delay_s = 0.3
    threading.Timer(1.0, board.drop).start()

    with pytest.raises(EtbuildError) as caught:
        lab.deploy(SECTION)

    assert "got the connection lost during `cat > /lib/firmware/.etbuild-linear.elf.part`" in str(caught.value)
    assert old.read_bytes() == b"old"
    board.behaviour.copy_delay_s = 0.0
    assert lab.deploy(SECTION) == 0
    assert board.firmware == ["etbuild-linear.elf"]


def test_a_key_that_the_board_does_not_accept_is_named_with_the_remedy(lab: Lab, board: LinuxBoard) -> None:
    """No password is asked for."""
    asyncssh.generate_private_key("ssh-ed25519").write_private_key("other")
    lab.place(board.place.replace(str(board.key), str(lab.root / "other")))

    assert lab.failure(SECTION) == (
        f"root@127.0.0.1:{board.port}: got no access: the board accepts none of the keys, wanted the board\n"
        "    add the key to the ssh agent (ssh-add), or name it: `key` in ~/.config/etbuild/boards.yaml"
    )


def test_a_host_key_that_is_not_known_is_refused(lab: Lab, board: LinuxBoard) -> None:
    """Who answers may not be the board."""
    board.known_hosts.write_text("")

    message = lab.failure(SECTION)

    assert "got a host key that is not known" in message
    assert message.endswith(f"log in once: ssh root@127.0.0.1:{board.port}")


def test_a_user_without_a_name_is_a_message(lab: Lab, board: LinuxBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with a user id of its own."""
    import getpass

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", nobody)

    assert "got `Unknown local username: set one of LOGNAME" in lab.failure(SECTION)


def test_no_board_at_the_address_is_a_message(lab: Lab) -> None:
    """The port of a server that has ended."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    message = lab.failure(SECTION, "--host", f"127.0.0.1:{port}")

    assert message.startswith(f"root@127.0.0.1:{port}: got Connect call failed") or "Connection refused" in message
    assert message.endswith("wanted the board\n    is the board on, and on this network?")


def test_a_board_that_accepts_and_says_nothing_ends_in_time(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one whose Linux hangs."""
    monkeypatch.setattr(ssh, "CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"

        message = lab.failure(SECTION, "--host", host)

    assert message.startswith(f"root@{host}: got ")
    assert message.endswith("wanted the board\n    is the board on, and on this network?")


def test_a_cable_that_is_pulled_while_it_runs_is_noticed(lab: Lab, board: LinuxBoard) -> None:
    """The connection is gone before the end frame."""
    board.behaviour.silent = True
    threading.Timer(1.5, board.drop).start()

    message = lab.failure(SECTION)

    assert "got the connection lost during `cat /sys/kernel/debug/remoteproc/remoteproc0/trace0`" in message
    assert message.endswith("0 vectors were done")


def test_a_silent_board_ends_with_the_time_limit(lab: Lab, board: LinuxBoard) -> None:
    """Linux says running, and the trace buffer stays empty."""
    board.behaviour.silent = True

    assert lab.failure(SECTION, limit_s=1) == (
        "lab: got nothing within 1 s of its start, wanted frames\n"
        "    is it the right console and speed? did the board start? run.timeout_s is the limit"
    )


def test_what_an_older_run_left_in_the_trace_buffer_is_no_result(lab: Lab, board: LinuxBoard) -> None:
    """The same firmware, started again, does not print: its results of before are still there."""
    assert lab.run(SECTION) == 0
    board.behaviour.keeps = board.behaviour.silent = True

    assert lab.failure(SECTION, limit_s=1).startswith("lab: got nothing within 1 s of its start, wanted frames\n")


def test_a_processor_that_does_not_stop_is_a_message(
    lab: Lab, board: LinuxBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state is asked for, whatever the write of `stop` said."""
    monkeypatch.setattr(remoteproc, "STATE_S", 0.3)
    assert lab.deploy(SECTION) == 0
    board.behaviour.stops = False

    message = lab.failure(SECTION)

    assert "got state running 0.3 s after stop, wanted offline or detached\n" in message


def test_what_the_kernel_refuses_is_shown_with_its_words(lab: Lab, board: LinuxBoard) -> None:
    """A file that is no image."""
    for kind in ("elf", "bin", "hex"):
        Path(f"firmware.{kind}").write_bytes(b"no image")

    with pytest.raises(EtbuildError) as caught:
        lab.deploy(SECTION, elf=Path("firmware.elf"))

    assert "got `sh: write error: Invalid argument` from `echo start > " in str(caught.value)
    assert "dmesg | tail says why" in str(caught.value)


def test_a_board_without_the_processor_is_a_message(lab: Lab, board: LinuxBoard) -> None:
    """Its name is of the board's file."""
    message = lab.failure("{transport: ssh-remoteproc, remoteproc: {name: remoteproc7}}")

    assert "got no /sys/class/remoteproc/remoteproc7, wanted a processor that Linux starts\n" in message


def test_a_firmware_without_a_trace_buffer_is_a_message(lab: Lab, board: LinuxBoard) -> None:
    """It has no resource table, or debugfs is not mounted."""
    board.behaviour.trace = False

    assert "got no trace0 of remoteproc0, wanted the trace buffer of the firmware\n" in lab.failure(SECTION)


def test_another_board_at_the_address_is_noticed(lab: Lab, board: LinuxBoard, tmp_path: Path) -> None:
    """The frames have the name of the board that the image was built for."""
    text = lab.board(SECTION).file.read_text()
    Path("other.yaml").write_text(text)
    lab.place(f"{board.place}\n  other: {board.place}")

    message = lab.failure(SECTION, "--board", "other.yaml")

    assert message.startswith("got frames of board lab, wanted other\n")


def test_a_trace_buffer_that_wraps_before_it_is_read_fails_by_its_frames(lab: Lab, board: LinuxBoard) -> None:
    """What was overwritten is lost, and never taken for a result."""
    board.behaviour.ring = 64

    message = lab.failure(SECTION, limit_s=2)

    assert message.startswith(("run on lab: got no end after 2 s and 0 vectors, wanted one", "lab: got text without"))


@pytest.mark.parametrize("ring", [7, 16, 64, 1000])
def test_a_trace_buffer_that_is_read_often_enough_loses_nothing(ring: int) -> None:
    """Whatever is written between two reads, up to less than the ring."""
    printed = b"".join(b"line %d: %x\n" % (number, number * number) for number in range(60))
    buffer, text, heard = TraceBuffer(), bytearray(), b""
    steps = [1 + (7 * number) % (ring - 1) for number in range(2000)]
    at = 0
    while at < len(printed):
        for byte in printed[at : (until := at + steps.pop())]:
            if len(text) < ring:
                text.append(byte)
            else:
                text[at % ring] = byte
            at += 1
        assert at <= until
        heard += buffer.new(bytes(text))

    assert printed.startswith(heard)
    assert len(printed) - len(heard) <= 2
