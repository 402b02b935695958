"""The children of a server by themselves: what they do before they have a step, or when none arrives."""

import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etbuild.build_engine.server import children, protocol
from etbuild.build_engine.server.child import OwnFiles
from etbuild.build_engine.server.children import Children, handle_events


@pytest.fixture
def selector() -> selectors.BaseSelector:
    return selectors.DefaultSelector()


@pytest.fixture
def server_children(selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch) -> Children:
    monkeypatch.setattr(children, "SPARE_BYTES", 0)
    monkeypatch.setattr(children, "PROCESSORS", 8)
    monkeypatch.setattr(children, "PAUSE_S", 0)
    return Children(selector, OwnFiles.now(), lambda: None)


def run(selector: selectors.BaseSelector) -> None:
    """Handle events until none can follow."""
    deadline = time.monotonic() + 10
    while selector.get_map() and time.monotonic() < deadline:
        handle_events(selector, 1)


def begun(server_children: Children, descriptors: list[int]) -> socket.socket:
    """The client of a step that ends at once with exit code 2, since its arguments are missing."""
    ours, theirs = socket.socketpair()
    server_children.begin(theirs, {"module": "etbuild.steps.header", "argv": [], "env": {}, "cwd": "/"}, descriptors)
    return ours


def test_a_child_that_cannot_copy_memory_runs_its_step(
    server_children: Children, selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only slower."""

    def refuse() -> Iterator[None]:
        raise OSError("as on a strange kernel")

    monkeypatch.setattr(children, "copy_memory", refuse)
    server_children.prepare()
    time.sleep(0.1)  # The child copies memory now.
    with (tmp_path / "log").open("wb") as log:
        client = begun(server_children, [log.fileno(), log.fileno()])
    run(selector)

    assert protocol.receive(client)[0]["exit"] == 2


def test_a_child_that_receives_no_step_dies_by_a_signal(
    server_children: Children, selector: selectors.BaseSelector
) -> None:
    """Then a plain process runs the step; an exit code would be taken for the step's."""
    client = begun(server_children, [])
    run(selector)

    assert protocol.receive(client)[0]["exit"] == -signal.SIGKILL


def test_no_standby_child_follows_one_that_died(
    server_children: Children, selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one might die as well."""
    monkeypatch.setattr(children, "detach", lambda server: os._exit(1))
    server_children.prepare()
    run(selector)

    server_children.prepare()

    assert not server_children.standby
    assert not selector.get_map()
