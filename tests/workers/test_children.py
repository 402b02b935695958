"""Step processes by themselves: what they do before they have a step, or when none comes."""

import os
import selectors
import signal
import socket
import time

import pytest

from etbuild.workers import children, wire
from etbuild.workers.child import OwnFiles
from etbuild.workers.children import Children


@pytest.fixture
def selector() -> selectors.BaseSelector:
    return selectors.DefaultSelector()


def refuse() -> None:
    raise OSError("as on a strange kernel")


def test_one_that_cannot_prepare_is_ready_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that gets something else than a step dies by a signal, so that a plain process does the step."""
    monkeypatch.setattr(children, "own_memory", refuse)
    ours, theirs = socket.socketpair()
    own = OwnFiles.now()
    pid = os.fork()
    if pid == 0:
        children._be_what_is_told(theirs, own, ahead=True)
        os._exit(0)

    ready, _ = wire.receive(ours)
    wire.send(ours, {"kind": "step without its log"})
    _, status = os.waitpid(pid, 0)

    assert ready == {"ready": True}
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def test_one_that_fails_while_it_prepares_gets_no_step(
    selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it says at its end. Nor does another one take its place."""
    monkeypatch.setattr(children, "SPARE_BYTES", 0)
    monkeypatch.setattr(children, "PROCESSORS", 8)
    all_of_them = Children(selector, OwnFiles.now(), refuse)
    all_of_them.prepare()
    stood_by = []
    deadline = time.monotonic() + 10
    while selector.get_map() and time.monotonic() < deadline:
        for key, _ in selector.select(1):
            if selector.get_map().get(key.fd) is key:
                key.data(key.fileobj)
            stood_by.append(all_of_them.standby)
    all_of_them.prepare()

    assert stood_by and not any(stood_by)
    assert not selector.get_map()
