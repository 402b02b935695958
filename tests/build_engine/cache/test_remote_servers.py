"""Remote caches on real HTTP and S3 servers, and on servers that fail."""

import contextlib
import functools
import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cached_project import STEP, TRACED, Elsewhere, Machine, outputs, stored_files


@contextlib.contextmanager
def serving(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a real HTTP server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Files(http.server.SimpleHTTPRequestHandler):
    """A folder, with nothing on stderr."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Failing(Files):
    """A server that is broken."""

    def do_GET(self) -> None:
        self.send_error(500)


class Breaking(Files):
    """A server that closes the connection in the middle of its answer."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"etbuild ")


def test_an_http_server_is_read_and_not_written(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read-only whatever the mode; what it lacks is built and stored locally, and nothing is sent to it."""
    machine.behave(imports=("blocks.py",))
    elsewhere("first").run(TRACED)
    before = stored_files(shared)
    with serving(functools.partial(Files, directory=str(shared))) as url:
        monkeypatch.setenv("ETBUILD_REMOTE_CACHE", url)
        second = elsewhere("second")

        assert (second.run(TRACED).how, second.run(STEP).how) == ("cached", "ran")
    assert stored_files(shared) == before


def test_an_s3_server_is_read_and_written(machine: Machine, bucket: str, elsewhere: Elsewhere) -> None:
    """Found from another machine; a blob that is there is not sent again; a damaged one is replaced."""
    import boto3

    machine.behave(imports=("blocks.py",))
    first, second = elsewhere("first"), elsewhere("second")
    first.run(TRACED)
    found = second.run(TRACED).how
    client = boto3.client("s3")
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]]
    for key in keys:
        if "/blobs/" in key:
            size = client.head_object(Bucket=bucket, Key=key)["ContentLength"]
            client.put_object(Bucket=bucket, Key=key, Body=b"x" * size)
    third, fourth = elsewhere("third"), elsewhere("fourth")

    assert found == "cached"
    assert outputs(second) == outputs(first)
    assert sorted(key.split("/")[2] for key in keys) == ["actions", "blobs", "blobs", "lists"]
    assert (third.run(TRACED).how, fourth.run(TRACED).how) == ("ran", "cached")


@pytest.mark.parametrize(("handler", "got"), [(Failing, "500"), (Breaking, "")])
def test_a_server_that_fails_is_reported_once(
    machine: Machine,
    elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    handler: type[Files],
    got: str,
) -> None:
    """The build goes on, and does not ask it again."""
    with serving(handler) as url:
        monkeypatch.setenv("ETBUILD_REMOTE_CACHE", url)
        first = elsewhere("first")
        how = [first.run(STEP).how, first.run(TRACED).how]

    lines = capfd.readouterr().err.splitlines()
    assert how == ["ran", "ran"]
    assert lines[0].startswith(f"{url}: got ") and got in lines[0]
    assert lines[1:] == ["    the build goes on without it"]


SILENT = """
import sys; sys.path[:0] = [sys.argv[1]]
import fake_project
from cached_project import STEP, TRACED
from etbuild.build_engine.cache import remote
remote.TIMEOUT_S = 0.5
executor = fake_project.executor(sys.argv[2])
print(executor.run(STEP).how, executor.run(TRACED).how)
"""


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_a_server_that_never_answers_costs_one_timeout(
    machine: Machine, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """It accepts and sends nothing: the build goes on, and its process ends though the request still waits."""
    fakes = Path(sys.modules["fake_project"].__file__ or "").parent
    root = elsewhere("first").workspace.root
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        url = f"http://{address}" if scheme == "http" else "s3://models"
        monkeypatch.setenv("ETBUILD_REMOTE_CACHE", url)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")

        done = subprocess.run(
            [sys.executable, "-c", SILENT, str(fakes), str(root / "dodo.py")],
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert (done.returncode, done.stdout) == (0, "ran ran\n")
    assert done.stderr == (
        f"{url}: got no answer within 0.5 s, wanted the remote cache\n    the build goes on without it\n"
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuch://me:secret@host/x", "nosuch://host/x: got Protocol not known: nosuch, wanted the remote cache\n"),
        ("file:///proc/nowhere", "file:///proc/nowhere: got "),
    ],
)
def test_a_url_that_cannot_be_used_is_reported_once(
    machine: Machine,
    elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    url: str,
    message: str,
) -> None:
    """And no password is shown."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE", url)
    first = elsewhere("first")

    assert (first.run(STEP).how, first.run(TRACED).how) == ("ran", "ran")
    printed = capfd.readouterr().err
    assert printed.startswith(message)
    assert printed.count("the build goes on without it") == 1
