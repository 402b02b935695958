"""Requests to a remote cache: what is asked of its files, how long, and what ends its use."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from typing import Any

import fsspec.core
import pytest

from etbuild.build_engine.cache import remote as module
from etbuild.build_engine.cache.remote import Remote
from etbuild.build_engine.cache.remote_files import _Blocking

URL = "memory://user:password@host/box"


class Files:
    """A file system as fsspec has them, without an event loop.

    fails: what each request raises or does instead. asked: all requests.
    """

    async_impl = False

    def __init__(self) -> None:
        self.content = {"box/v1/name": b"content"}
        self.asked: list[tuple[str, ...]] = []
        self.threads: list[threading.Thread] = []
        self.fails: Callable[[], object] = lambda: None

    def _ask(self, *what: str) -> None:
        self.threads.append(threading.current_thread())
        self.asked.append(what)
        self.fails()

    def open(self, path: str, mode: str) -> io.BytesIO:
        self._ask(mode, path)
        return io.BytesIO(self.content[path])

    def pipe_file(self, path: str, data: bytes) -> None:
        self._ask("write", path)
        self.content[path] = data

    def info(self, path: str) -> dict[str, object]:
        self._ask("info", path)
        if path not in self.content:
            raise FileNotFoundError(path)
        return {"size": len(self.content[path]), "type": "file"}


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    """Behind every URL; its root is box/."""
    made = Files()
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda url, **options: (made, "box/"))
    return made


def fail(error: Exception) -> Callable[[], object]:
    def raised() -> None:
        raise error

    return raised


def message(got: str) -> str:
    return f"memory://host/box: got {got}, wanted the remote cache\n    the build goes on without it\n"


def test_a_name_is_a_path_below_the_format(files: Files, capfd: pytest.CaptureFixture[str]) -> None:
    """Read, written and asked for its size; what there is none of is no failure."""
    remote = Remote(URL, read_only=False)
    remote.write("new", b"more")

    assert [remote.read("name"), remote.read("new"), remote.read("none")] == [b"content", b"more", None]
    assert [remote.has("name", 7), remote.has("name", 6)] == [True, False]
    assert files.asked == [
        ("write", "box/v1/new"),
        *(("info", "box/v1/name"), ("rb", "box/v1/name"), ("info", "box/v1/new"), ("rb", "box/v1/new")),
        *(("info", "box/v1/none"), ("info", "box/v1/name"), ("info", "box/v1/name")),
    ]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("url", "read_only", "writable", "location"),
    [
        ("s3://bucket/cache", False, True, "s3://bucket/cache"),
        ("s3://key:secret@bucket/a@b", False, True, "s3://b"),
        ("s3://bucket", True, False, "s3://bucket"),
        ("http://user:secret@host/cache", False, False, "http://host/cache"),
        ("https://host", False, False, "https://host"),
        ("folder", False, True, "folder"),
    ],
)
def test_a_web_server_is_read_only_and_messages_have_no_password(
    url: str, read_only: bool, writable: bool, location: str
) -> None:
    """Whatever else is asked for."""
    remote = Remote(url, read_only)

    assert (remote.writable, remote.location) == (writable, location)


@pytest.mark.parametrize(
    ("error", "got"),
    [
        (OSError("no route\nto the host"), "no route"),
        (ValueError(), "ValueError"),
        (PermissionError("\nsecond"), "PermissionError"),
    ],
)
def test_the_first_failure_ends_the_use_of_the_remote(
    files: Files, capfd: pytest.CaptureFixture[str], error: Exception, got: str
) -> None:
    """With one message of one line; nothing is asked any more."""
    remote = Remote(URL, read_only=False)
    files.fails = fail(error)
    first = remote.read("name")
    files.fails = lambda: None

    assert [first, remote.read("name"), remote.has("name", 7)] == [None, None, False]
    assert len(files.asked) == 1
    assert capfd.readouterr().err == message(got)


def test_two_failures_at_once_are_reported_once(files: Files, capfd: pytest.CaptureFixture[str]) -> None:
    """Of two threads that asked before the first answer."""
    remote = Remote(URL, read_only=False)
    together = threading.Barrier(2, timeout=60)

    def broken() -> None:
        together.wait()
        raise OSError("broken")

    files.fails = broken
    threads = [threading.Thread(target=remote.has, args=("name", 7)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert capfd.readouterr().err == message("broken")


def test_what_cannot_be_created_is_a_failure(files: Files, capfd: pytest.CaptureFixture[str]) -> None:
    """Not a name that does not exist: such as a bucket that is missing."""
    files.fails = fail(FileNotFoundError("no such bucket"))
    Remote(URL, read_only=False).write("name", b"")

    assert capfd.readouterr().err == message("no such bucket")


@pytest.mark.parametrize(
    ("request_of", "answer", "limit"),
    [
        (lambda remote: remote.read("name"), None, "0.02"),
        (lambda remote: remote.read("name", 30), None, "0.02"),
        (lambda remote: remote.write("name", b"x" * 30), None, "0.05"),
        (lambda remote: remote.has("name", 30), False, "0.02"),
    ],
)
def test_a_request_has_its_time_and_that_of_its_bytes(
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    request_of: Callable[[Remote], Any],
    answer: bool | None,
    limit: str,
) -> None:
    """Of those that have come, not of those that were promised. Then the remote is given up; the thread that hangs
    keeps no process alive."""
    assert (module.TIMEOUT_S, module.BYTES_PER_S) == (10.0, 1_000_000)
    monkeypatch.setattr(module, "TIMEOUT_S", 0.02)
    monkeypatch.setattr(module, "BYTES_PER_S", 1000)
    remote, end = Remote(URL, read_only=False), threading.Event()
    remote._files = _Blocking(files, "box")
    files.fails = end.wait

    assert request_of(remote) is answer
    assert capfd.readouterr().err == message(f"no answer within {limit} s")
    end.set()
    for thread in files.threads:
        assert (thread.daemon, thread.name) == (True, "remote cache")
        thread.join()


def test_an_unknown_protocol_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is asked; the build goes on."""
    remote = Remote("nothing://host", read_only=False)

    assert [remote.has("name", 7), remote.read("name")] == [False, None]
    assert capfd.readouterr().err == (
        "nothing://host: got Protocol not known: nothing, wanted the remote cache\n    the build goes on without it\n"
    )


@pytest.mark.parametrize(
    ("url", "opened", "options"),
    [("file:///mailbox/", "file:///mailbox", {"auto_mkdir": True}), ("memory://a//", "memory://a", {})],
)
def test_a_remote_is_opened_once(
    monkeypatch: pytest.MonkeyPatch, url: str, opened: str, options: dict[str, bool]
) -> None:
    """No answer is cached; folders are created where that is needed."""
    calls: list[tuple[str, dict[str, bool]]] = []
    made = Files()
    monkeypatch.setattr(
        fsspec.core, "url_to_fs", lambda url, **options: calls.append((url, options)) or (made, "box//")
    )
    remote = Remote(url, read_only=False)

    assert [remote.read("name"), remote.read("name")] == [b"content", b"content"]
    assert calls == [(opened, {"use_listings_cache": False, "skip_instance_cache": True, **options})]


def test_without_a_driver_the_message_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It comes with the extra `remote`."""
    monkeypatch.setitem(sys.modules, "fsspec", None)
    remote = Remote(URL, read_only=False)

    assert [remote.has("name", 7), remote.read("name")] == [False, None]
    assert capfd.readouterr().err == (
        "memory://host/box: got import of fsspec halted; None in sys.modules, wanted the remote cache\n"
        "    pip install 'etbuild[remote]' brings the drivers of s3:// and https://\n"
        "    the build goes on without it\n"
    )


def test_without_the_driver_of_a_protocol_the_message_is_the_same(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each protocol has its own."""
    monkeypatch.setitem(sys.modules, "gcsfs", None)

    assert Remote("gs://bucket", read_only=False).read("name") is None
    assert capfd.readouterr().err == (
        "gs://bucket: got Please install gcsfs to access Google Storage, wanted the remote cache\n"
        "    pip install 'etbuild[remote]' brings the drivers of s3:// and https://\n"
        "    the build goes on without it\n"
    )
