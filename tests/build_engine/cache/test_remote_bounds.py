"""Remote caches that send too much or too slowly: bytes and time of a request are bounded, and it is really stopped."""

import itertools
import os
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec.implementations.http  # noqa: F401 - a second that no test is to measure
import pytest
from cached_project import STEP, Elsewhere, Machine
from raw_server import raw_server

from etbuild.build_engine.cache import remote as remote_module
from etbuild.build_engine.cache.remote import RECORD_BYTES, Remote
from etbuild.build_engine.cache.store import name_of

RECORD = name_of("lists", "ab" * 32)
BLOB = name_of("blobs", "ab" * 32)
PIECE = bytes(1 << 16)
# On a busy machine; otherwise at once.
SOON_S = 5
OK = b"HTTP/1.1 200 OK\r\n"


def endless() -> Iterator[bytes]:
    return itertools.repeat(PIECE)


def slowly(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Each after a while."""
    for piece in pieces:
        threading.Event().wait(0.2)
        yield piece


def gzip_bomb() -> Iterator[bytes]:
    """4 GiB of zeros in 4 MiB."""
    packer = zlib.compressobj(wbits=31)
    yield OK + b"Content-Encoding: gzip\r\n\r\n"
    for _ in range(4096):
        yield packer.compress(bytes(1 << 20))


def announced(size: int) -> bytes:
    return OK + b"Content-Length: %d\r\n\r\n" % size


# name: (size that the record says, None for a record itself; the answer; what is reported).
TOO_MUCH = {
    "gzip bomb": (None, gzip_bomb, 'content encoded with "gzip"'),
    "gzip bomb as a blob": (1 << 30, gzip_bomb, 'content encoded with "gzip"'),
    "endless record": (None, lambda: itertools.chain([OK + b"\r\n"], endless()), f"more than {RECORD_BYTES} bytes"),
    "huge record": (None, lambda: itertools.chain([announced(1 << 40)], endless()), f"more than {RECORD_BYTES} bytes"),
    "endless blob": (1000, lambda: itertools.chain([OK + b"\r\n"], endless()), "more than 1000 bytes"),
    "blob one byte too long": (1000, lambda: [announced(1001), bytes(1001)], "more than 1000 bytes"),
    "endless chunks": (
        1000,
        lambda: itertools.chain(
            [OK + b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"7d0\r\n%s\r\n" % PIECE[:2000])
        ),
        "more than 1000 bytes",
    ),
    "endless error": (
        None,
        lambda: itertools.chain([b"HTTP/1.1 500 \x1b]0;owned\x07\r\n\r\n"], endless()),
        "",
    ),
    "endless headers": (None, lambda: itertools.chain([OK], itertools.repeat(b"X-A: b\r\n" * 1000)), ""),
    "endless header": (None, lambda: itertools.chain([OK + b"X-A: "], itertools.repeat(b"b" * 1000)), ""),
    "endless first line": (None, lambda: itertools.chain([b"HTTP/1.1 200 "], itertools.repeat(b"b" * 1000)), ""),
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_a_server_that_sends_too_much_is_stopped_at_once(case: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Memory holds little more than what was asked for; the server sees its connection closed, and no new one."""
    size, answer, got = TOO_MUCH[case]
    with raw_server(lambda request: answer()) as server:
        remote = Remote(server.url, read_only=True)
        tracemalloc.start()
        started = time.monotonic()
        try:
            read = remote.read(BLOB, size) if size is not None else remote.read(RECORD)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        took_s = time.monotonic() - started
        gone = server.gone.wait(SOON_S)

        assert (read, gone, remote.read(RECORD)) == (None, True, None)
    assert took_s < remote_module.TIMEOUT_S
    assert most < 2 * min(size or RECORD_BYTES, RECORD_BYTES) + (16 << 20)
    assert len(server.requests) == 1
    first, *rest = capfd.readouterr().err.splitlines()
    assert first.startswith(f"{server.url}: got {got}") and first.endswith(", wanted the remote cache")
    assert first.isprintable()
    assert rest == ["    the build goes on without it"]


TOO_SLOW = {
    "nothing": (lambda: [], "no answer within 1 s"),
    "half of it": (lambda: [announced(1 << 30), bytes(700)], "700 bytes within 1 s"),
    "one byte after the other": (
        lambda: slowly(itertools.chain([announced(1 << 30)], itertools.repeat(b"b"))),
        "bytes within 1 s",
    ),
    "one byte of a header after the other": (
        lambda: slowly(itertools.chain([OK], itertools.repeat(b"X"))),
        "no answer within 1 s",
    ),
    "preliminary answers for ever": (
        lambda: itertools.repeat(b"HTTP/1.1 102 Processing\r\n\r\n" * 9),
        "no answer within 1 s",
    ),
}


@pytest.mark.parametrize("case", TOO_SLOW)
def test_a_server_that_sends_too_slowly_is_given_up_whatever_it_announces(
    case: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The time grows with the bytes that came, not with those that were promised. Nothing more is read then."""
    monkeypatch.setattr(remote_module, "TIMEOUT_S", 1)
    answer, got = TOO_SLOW[case]
    with raw_server(lambda request: answer()) as server:
        remote = Remote(server.url, read_only=True)
        started = time.monotonic()
        read = remote.read(BLOB, 1 << 30)
        took_s = time.monotonic() - started

        assert (read, server.gone.wait(SOON_S)) == (None, True)
    assert took_s < 8
    first, *rest = capfd.readouterr().err.splitlines()
    assert first.startswith(f"{server.url}: got ") and first.endswith(f"{got}, wanted the remote cache")
    assert rest == ["    the build goes on without it"]
    ended_by = time.monotonic() + SOON_S
    for thread in (thread for thread in threading.enumerate() if thread.name == "remote cache"):
        thread.join(max(0.0, ended_by - time.monotonic()))
        assert not thread.is_alive()


def test_a_slow_server_that_keeps_up_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large blob takes longer than the time-out of an answer."""
    monkeypatch.setattr(remote_module, "TIMEOUT_S", 1)
    monkeypatch.setattr(remote_module, "BYTES_PER_S", 100_000)
    pieces = [announced(10 * len(PIECE)), *[PIECE] * 10]
    with raw_server(lambda request: slowly(pieces)) as server:
        assert Remote(server.url, read_only=True).read(BLOB, 10 * len(PIECE)) == PIECE * 10


def test_giving_up_stops_the_requests_of_other_threads(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """After the message no byte is read any more."""
    asked = threading.Event()

    def answer(request: str) -> Iterator[bytes]:
        if RECORD in request:
            yield b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"
        else:
            yield announced(1 << 30)
            asked.set()
            yield from slowly(itertools.repeat(PIECE * 10))

    with raw_server(answer) as server:
        remote = Remote(server.url, read_only=True)
        other = threading.Thread(target=remote.read, args=(BLOB, 1 << 30))
        other.start()
        assert asked.wait(30)
        remote.read(RECORD)
        other.join(SOON_S)

        assert not other.is_alive()
        assert server.gone.wait(SOON_S)
    assert capfd.readouterr().err.count("the build goes on without it") == 1


def test_every_request_to_an_s3_server_is_bounded_by_time_and_stopped(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It accepts and sends nothing. Three at once: the driver needs a while before it asks."""
    pytest.importorskip("s3fs")
    monkeypatch.setattr(remote_module, "TIMEOUT_S", 6)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    requests: list[Callable[[Remote], object]] = [
        lambda remote: remote.has(BLOB, 7),
        lambda remote: remote.write(BLOB, b"content"),
        lambda remote: remote.read(BLOB, 7),
    ]
    with raw_server(lambda request: []) as server, ThreadPoolExecutor() as pool:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        started = time.monotonic()
        answers = list(pool.map(lambda request: request(Remote("s3://models", read_only=False)), requests))
        took_s = time.monotonic() - started

        assert answers == [False, None, None]
        assert sorted(line.split()[0] for line in server.requests) == ["GET", "HEAD", "PUT"]
        assert server.wait_until_all_are_gone(SOON_S)
    assert took_s < 15
    assert capfd.readouterr().err.count("s3://models: got no answer within 6 s, wanted the remote cache\n") == 3


def test_of_a_huge_object_in_a_bucket_only_as_much_is_read_as_a_record_has(
    machine: Machine, bucket: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who can write to the bucket can replace a record by gigabytes: no reader gives up the remote for that."""
    import boto3

    boto3.client("s3").put_object(Bucket=bucket, Key=f"etbuild/v1/{RECORD}", Body=bytes(2 * RECORD_BYTES))

    assert len(Remote("s3://models/etbuild", read_only=True).read(RECORD) or b"") == RECORD_BYTES
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("size", [0, 1, (1 << 23) - 1, 1 << 23, (1 << 24) + 1])
def test_a_blob_of_any_size_is_read_from_a_bucket(machine: Machine, bucket: str, size: int) -> None:
    """A large one in several ranges, of which none is empty."""
    remote = Remote("s3://models/etbuild", read_only=False)
    content = os.urandom(size)

    remote.write(BLOB, content)

    assert remote.read(BLOB, size) == content
    assert remote.has(BLOB, size)


@pytest.mark.parametrize("kind", ["large", "endless", "pipe", "folder"])
def test_a_folder_gives_regular_files_of_the_right_size(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    """Not a device that never ends, nor a pipe that never begins."""
    path = tmp_path / "v1" / RECORD
    path.parent.mkdir(parents=True)
    if kind == "large":
        os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), RECORD_BYTES + 1)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()

    started = time.monotonic()
    assert Remote(f"file://{tmp_path}", read_only=True).read(RECORD) is None
    assert time.monotonic() - started < 5
    assert capfd.readouterr().err.count("the build goes on without it") == 1


def test_a_file_system_in_memory_is_a_remote_too() -> None:
    """Any driver of fsspec: read, write, and the size of what is there."""
    remote = Remote("memory://etbuild", read_only=False)

    remote.write(BLOB, b"content")

    assert (remote.read(BLOB, 7), remote.has(BLOB, 7), remote.has(BLOB, 8)) == (b"content", True, False)
    assert (remote.read(RECORD), remote.has(RECORD, 7)) == (None, False)


def test_a_record_that_nobody_would_read_is_not_written(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would make every reader give up the remote."""
    monkeypatch.setattr(remote_module, "RECORD_BYTES", 10)

    assert elsewhere("first").run(STEP).how == "ran"
    assert list((shared / "v1").glob("actions/*/*")) == []


def test_a_blob_larger_than_its_record_says_is_reported_and_the_step_runs(
    machine: Machine, shared: Path, elsewhere: Elsewhere, capfd: pytest.CaptureFixture[str]
) -> None:
    """The record's size is signed; the bucket's is anybody's."""
    elsewhere("first").run(STEP)
    for path in shared.glob("v1/blobs/*/*"):
        path.write_bytes(path.read_bytes() + b"x")

    assert elsewhere("second").run(STEP).how == "ran"
    assert capfd.readouterr().err.count("the build goes on without it") == 1
