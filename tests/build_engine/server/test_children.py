"""Step processes by themselves: what they do before they have a step, or when none comes."""

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
def all_of_them(selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch) -> Children:
    monkeypatch.setattr(children, "SPARE_BYTES", 0)
    monkeypatch.setattr(children, "PROCESSORS", 8)
    monkeypatch.setattr(children, "PAUSE_S", 0)
    return Children(selector, OwnFiles.now(), lambda: None)


def run(selector: selectors.BaseSelector) -> None:
    """Until nothing can happen any more."""
    deadline = time.monotonic() + 10
    while selector.get_map() and time.monotonic() < deadline:
        handle_events(selector, 1)


def begun(all_of_them: Children, descriptors: list[int]) -> socket.socket:
    """The client of a step that ends at once with exit code 2, since its arguments are missing."""
    ours, theirs = socket.socketpair()
    all_of_them.begin(theirs, {"kind": "header", "argv": [], "env": {}, "cwd": "/"}, descriptors)
    return ours


def test_one_that_cannot_prepare_does_its_step(
    all_of_them: Children, selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Slower, and that is all."""

    def refuse() -> Iterator[None]:
        raise OSError("as on a strange kernel")

    monkeypatch.setattr(children, "own_memory", refuse)
    all_of_them.prepare()
    time.sleep(0.1)  # It may prepare now.
    with (tmp_path / "log").open("wb") as log:
        client = begun(all_of_them, [log.fileno(), log.fileno()])
    run(selector)

    assert protocol.receive(client)[0]["exit"] == 2


def test_one_that_got_something_else_dies_by_a_signal(all_of_them: Children, selector: selectors.BaseSelector) -> None:
    """A plain process does the step then; an exit code would be taken for the step's."""
    client = begun(all_of_them, [])
    run(selector)

    assert protocol.receive(client)[0]["exit"] == -signal.SIGKILL


def test_one_that_dies_before_it_has_a_step_is_the_last(
    all_of_them: Children, selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one might die as well."""
    monkeypatch.setattr(children, "stand_apart", lambda server: os._exit(1))
    all_of_them.prepare()
    run(selector)

    all_of_them.prepare()

    assert not all_of_them.standby
    assert not selector.get_map()
