"""One transfer from or to a remote cache: how much it may bring, and that it ends when it is stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from raw_server import raw_server

from etbuild.build_engine.cache import remote as remote_module
from etbuild.build_engine.cache.remote import Remote
from etbuild.build_engine.cache.remote_files import StoppedError, Transfer
from etbuild.build_engine.cache.store import name_of


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in another thread, as fsspec has one."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


def test_a_transfer_brings_as_much_as_was_asked_for_and_no_more() -> None:
    """To the byte; the message is part of what the user sees."""
    transfer = Transfer(most=4)
    transfer.add(b"ab")
    transfer.add(b"cd")

    with pytest.raises(OSError, match=r"^more than 4 bytes$"):
        transfer.add(b"e")
    assert (bytes(transfer.data), transfer.moved) == (b"abcd", 4)


def test_a_stopped_transfer_takes_no_more_bytes() -> None:
    """A driver that cannot be interrupted ends at its next piece."""
    transfer = Transfer(most=4)
    transfer.stop()

    with pytest.raises(StoppedError):
        transfer.add(b"ab")
    assert bytes(transfer.data) == b""


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("before", [True, False])
def test_a_stopped_transfer_waits_no_longer(loop: asyncio.AbstractEventLoop, before: bool) -> None:
    """Whether it is stopped before its work begins, or while it waits; the work does not go on."""
    transfer, begun, ended = Transfer(), threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(3)
        ended.set()

    def stop() -> None:
        begun.wait()
        transfer.stop()

    thread = threading.Thread(target=stop)
    if before:
        transfer.stop()
    else:
        thread.start()

    with pytest.raises(StoppedError):
        transfer.wait(work(), loop)
    assert not ended.is_set()


def test_a_record_of_the_largest_size_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be read again is not; a blob has the size that its record says."""
    monkeypatch.setattr(remote_module, "RECORD_BYTES", 10)
    remote = Remote(tmp_path.as_uri(), read_only=False)
    record, other, blob = (
        name_of(kind, digit * 64) for kind, digit in (("lists", "a"), ("lists", "b"), ("blobs", "a"))
    )

    remote.write(record, bytes(10))
    remote.write(other, bytes(11))
    remote.write(blob, bytes(11))

    assert (remote.read(record), remote.has(other, 11), remote.read(blob, 11)) == (bytes(10), False, bytes(11))


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "HTTP status 500"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\x1b\r\nContent-Length: 0\r\n\r\n", 'content encoded with "br?"'),
    ],
)
def test_a_wrong_answer_is_one_message(capfd: pytest.CaptureFixture[str], answer: bytes, got: str) -> None:
    """The whole text; it has no control characters of the server's."""
    with raw_server(lambda request: [answer]) as server:
        remote = Remote(server.url, read_only=True)

        assert remote.read(name_of("lists", "a" * 64)) is None
    assert capfd.readouterr().err == (
        f"{server.url}: got {got}, wanted the remote cache\n    the build goes on without it\n"
    )


def test_what_a_server_does_not_have_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    """There is no content, and it is asked again."""
    with raw_server(lambda request: [b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"]) as server:
        remote = Remote(server.url, read_only=True)

        assert [remote.read(name_of("lists", digit * 64)) for digit in "ab"] == [None, None]
    assert len(server.requests) == 2
    assert capfd.readouterr().err == ""


def test_a_folder_in_place_of_a_record_is_one_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With its path."""
    name = name_of("lists", "a" * 64)
    (tmp_path / f"v1/{name}").mkdir(parents=True)

    assert Remote(tmp_path.as_uri(), read_only=True).read(name) is None
    assert capfd.readouterr().err == (
        f"{tmp_path.as_uri()}: got {tmp_path}/v1/{name}, which is no regular file, wanted the remote cache\n"
        "    the build goes on without it\n"
    )
