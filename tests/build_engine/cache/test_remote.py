"""The remote cache: folders, a real HTTP server, a real S3 server, servers that misbehave, and writers not to trust."""

import contextlib
import functools
import hashlib
import http.server
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cached_project import STEP, TRACED, Machine, outputs

from etbuild.build_engine.cache.action import StoredFile
from etbuild.build_engine.cache.cache import action as action_module
from etbuild.build_engine.cache.signing import seal, unseal
from etbuild.build_engine.cache.store import name_of
from etbuild.build_engine.workspace import Workspace

Elsewhere = Callable[[str], Workspace]


@pytest.fixture
def elsewhere(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """A checkout on a machine of its own: its local cache is empty, its environment is that of now."""

    def checkout(name: str) -> Workspace:
        monkeypatch.setenv("ETBUILD_CACHE", str(machine.base / f"cache of {name}"))
        space = machine.checkout(name)
        assert space.cache
        return space

    return checkout


@pytest.fixture
def shared(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder behind ETBUILD_REMOTE_CACHE."""
    folder = machine.base / "shared"
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE", f"file://{folder}")
    return folder


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
    """A folder, without a word on stderr."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Failing(Files):
    """A server that is broken."""

    def do_GET(self) -> None:
        self.send_error(500)


class Breaking(Files):
    """A server that goes away in the middle of its answer."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"etbuild ")


def files(folder: Path, kind: str = "") -> list[Path]:
    return sorted(path for path in (folder / "v1" / kind).rglob("*") if path.is_file())


def test_another_machine_finds_what_was_built(machine: Machine, shared: Path, elsewhere: Elsewhere) -> None:
    """With what the step read besides its inputs."""
    machine.behave(imports=("blocks.py",))
    first, second = elsewhere("first"), elsewhere("second")
    first.run(TRACED)

    assert second.run(TRACED).how == "cached"
    assert outputs(second) == outputs(first)
    assert second.record(TRACED) == first.record(TRACED)
    assert machine.runs == 1


def test_what_came_from_the_remote_is_local_from_then_on(
    machine: Machine, shared: Path, elsewhere: Elsewhere, capfd: pytest.CaptureFixture[str]
) -> None:
    """Blobs, record and lists: the remote is not asked again."""
    machine.behave(imports=("blocks.py",))
    elsewhere("first").run(TRACED)
    elsewhere("second").run(TRACED)
    shutil.rmtree(shared)

    assert machine.checkout("beside the second").run(TRACED).how == "cached"
    assert capfd.readouterr().err == ""


def test_a_local_hit_does_not_even_import_the_remote(machine: Machine, shared: Path, elsewhere: Elsewhere) -> None:
    """Nor anything else that takes time."""
    first = elsewhere("first")
    first.run(STEP)
    first.clean(STEP)
    fakes = Path(sys.modules["fake_project"].__file__ or "").parent
    script = (
        "import sys; sys.path[:0] = [sys.argv[1]]\n"
        "import fake_project\nfrom cached_project import STEP\n"
        "print(fake_project.workspace(sys.argv[2]).run(STEP).how)\n"
        "print([name for name in ('fsspec', 'numpy', 'torch', 'asyncio', 'http') if name in sys.modules])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(fakes), str(first.root / "dodo.py")], capture_output=True, text=True
    )

    assert (done.stdout, done.stderr) == ("cached\n[]\n", "")


def test_a_read_only_remote_is_read_and_not_written(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a CI that runs what strangers send."""
    elsewhere("first").run(STEP)
    before = files(shared)
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_MODE", "read-only")
    stranger = elsewhere("stranger")

    assert (stranger.run(STEP).how, stranger.run(TRACED).how) == ("cached", "ran")
    assert files(shared) == before


def test_a_local_cache_that_cannot_be_written_leaves_the_remote(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container whose home is read-only still builds from it and fills it."""
    elsewhere("first").run(STEP)
    (machine.base / "file").write_text("")
    monkeypatch.setenv("ETBUILD_CACHE", str(machine.base / "file/cache"))
    container = machine.checkout("container")
    machine.behave(imports=("blocks.py",))

    assert (container.run(STEP).how, container.run(TRACED).how) == ("cached", "ran")
    assert elsewhere("third").run(TRACED).how == "cached"


def test_an_http_server_is_read_and_not_written(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read-only whatever the mode; what it lacks is built and kept here, without a word to it."""
    machine.behave(imports=("blocks.py",))
    elsewhere("first").run(TRACED)
    before = files(shared)
    with serving(functools.partial(Files, directory=str(shared))) as url:
        monkeypatch.setenv("ETBUILD_REMOTE_CACHE", url)
        second = elsewhere("second")

        assert (second.run(TRACED).how, second.run(STEP).how) == ("cached", "ran")
    assert files(shared) == before


@pytest.fixture
def bucket(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket on a real S3-protocol server, behind ETBUILD_REMOTE_CACHE."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "ETBUILD_REMOTE_CACHE": "s3://models/etbuild",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="models")
    yield "models"
    server.stop()


def test_an_s3_server_is_read_and_written(machine: Machine, bucket: str, elsewhere: Elsewhere) -> None:
    """Found from another machine; a blob that is there is not sent again; what was damaged there is mended."""
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
def test_a_server_that_fails_is_told_of_once(
    machine: Machine,
    elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    handler: type[Files],
    got: str,
) -> None:
    """The build goes on, and asks it no more."""
    with serving(handler) as url:
        monkeypatch.setenv("ETBUILD_REMOTE_CACHE", url)
        space = elsewhere("first")
        how = [space.run(STEP).how, space.run(TRACED).how]

    lines = capfd.readouterr().err.splitlines()
    assert how == ["ran", "ran"]
    assert lines[0].startswith(f"{url.removeprefix('http://')}: got ".join(["http://", ""])) and got in lines[0]
    assert lines[1:] == ["    the build goes on without it"]


SILENT = """
import sys; sys.path[:0] = [sys.argv[1]]
import fake_project
from cached_project import STEP, TRACED
from etbuild.build_engine.cache.cache import remote
remote.TIMEOUT_S = 0.5
space = fake_project.workspace(sys.argv[2])
print(space.run(STEP).how, space.run(TRACED).how)
"""


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_a_server_that_never_answers_costs_one_timeout(
    machine: Machine, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """It accepts and says nothing: the build goes on, and its process ends though the question still hangs."""
    fakes = Path(sys.modules["fake_project"].__file__ or "").parent
    root = elsewhere("first").root
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
def test_a_url_that_leads_nowhere_is_told_of_once(
    machine: Machine,
    elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    url: str,
    message: str,
) -> None:
    """And no password is shown."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE", url)
    space = elsewhere("first")

    assert (space.run(STEP).how, space.run(TRACED).how) == ("ran", "ran")
    said = capfd.readouterr().err
    assert said.startswith(message)
    assert said.count("the build goes on without it") == 1


def test_a_driver_that_is_missing_is_named(
    machine: Machine, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the command that brings it."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE", "file:///tmp/nowhere")
    monkeypatch.setitem(sys.modules, "fsspec", None)

    assert elsewhere("first").run(STEP).how == "ran"
    assert capfd.readouterr().err == (
        "file:///tmp/nowhere: got import of fsspec halted; None in sys.modules, wanted the remote cache\n"
        "    pip install 'etbuild[remote]' brings the drivers of s3:// and https://\n"
        "    the build goes on without it\n"
    )


def forge(shared: Path, secret: bytes) -> None:
    """What a writer without the key can do: other outputs behind records that say so, blobs and all."""
    blob = b"poison"
    digest = hashlib.sha256(blob).hexdigest()
    target = shared / "v1" / name_of("blobs", digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(blob)
    for path in files(shared, "actions"):
        name = name_of("actions", path.name)
        body = unseal(name, path.read_bytes(), b"")
        assert body is not None
        head, _, record = body.partition(b"\n")
        rows = [[*row[:2], digest, len(blob), False] for row in json.loads(head)]
        path.write_bytes(seal(name, json.dumps(rows).encode() + b"\n" + record, secret))


@pytest.mark.parametrize("secret", [b"", b"another key"])
def test_a_writer_without_the_key_poisons_nothing(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, secret: bytes
) -> None:
    """Its records are ignored, and replaced by right ones."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_KEY", "the key")
    first = elsewhere("first")
    first.run(STEP)
    forge(shared, secret)
    second, third = elsewhere("second"), elsewhere("third")

    assert (second.run(STEP).how, third.run(STEP).how) == ("ran", "cached")
    assert outputs(second) == outputs(third) == outputs(first)


def test_a_signed_record_under_another_name_is_ignored(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old action cannot be passed off as a new one."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_KEY", "the key")
    first = elsewhere("first")
    first.run(STEP)
    (old,) = files(shared, "actions")
    (first.root / "model.py").write_text("two")
    first.run(STEP)
    (new,) = (path for path in files(shared, "actions") if path != old)
    new.write_bytes(old.read_bytes())
    second = elsewhere("second")
    (second.root / "model.py").write_text("two")

    assert second.run(STEP).how == "ran"


def test_a_signed_cache_serves_those_without_the_key_too(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They read; what they write, only their like believes."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_KEY", "the key")
    elsewhere("first").run(STEP)
    monkeypatch.delenv("ETBUILD_REMOTE_CACHE_KEY")
    keyless = elsewhere("keyless")
    how = [keyless.run(STEP).how, keyless.run(TRACED).how]
    another = elsewhere("another keyless").run(TRACED).how
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_KEY", "the key")

    assert how == ["cached", "ran"]
    assert another == "cached"
    assert elsewhere("with the key").run(TRACED).how == "ran"


def test_a_blob_that_is_not_its_digest_is_built_again_and_mended(
    machine: Machine, shared: Path, elsewhere: Elsewhere
) -> None:
    """With or without a key."""
    first = elsewhere("first")
    first.run(STEP)
    for path in files(shared, "blobs"):
        path.write_bytes(b"x" * path.stat().st_size)
    second, third = elsewhere("second"), elsewhere("third")

    assert (second.run(STEP).how, third.run(STEP).how) == ("ran", "cached")
    assert outputs(second) == outputs(third) == outputs(first)


@pytest.mark.parametrize(
    "place",
    [
        ["build/r/folder", "../../../escaped"],
        ["build/r/folder", "a/../../../../escaped"],
        ["build/r/folder", "/escaped"],
        ["build/r/folder", "a\0b"],
        ["build/r/folder", "a\ud800b"],
        ["build/r/folder", 7],
        ["build/r/../../escaped", ""],
        ["model.py", ""],
        [["build/r/folder"], ""],
    ],
)
def test_a_record_that_would_write_elsewhere_is_none(
    machine: Machine, shared: Path, elsewhere: Elsewhere, place: list[object]
) -> None:
    """A cache may write the step's outputs and nothing else, whoever has filled it."""
    elsewhere("first").run(STEP)
    (action,) = files(shared, "actions")
    name = name_of("actions", action.name)
    head, _, record = (unseal(name, action.read_bytes(), b"") or b"").partition(b"\n")
    rows = [[*place, *json.loads(head)[0][2:]], *json.loads(head)]
    action.write_bytes(seal(name, json.dumps(rows).encode() + b"\n" + record, b""))

    assert not action_module._is_of(StoredFile(*rows[0]), STEP)
    assert elsewhere("second").run(STEP).how == "ran"
    assert not list(machine.base.rglob("escaped"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seconds", "soon"),
        ("peak_bytes", "many"),
        ("peak_bytes", 0.5),
        ("argv", ["--x", "2"]),
        ("inputs", {"model.py": 7}),
        ("outputs", {"build/r/a.bin": None, "build/r/folder": None}),
        # What lies there is right, each by itself; only the record would have it otherwise.
        ("outputs", {"build/r/a.bin": "0" * 64, "build/r/folder": "0" * 64}),
        ("discovered", {"blocks.py": ["7"]}),
        ("tools", {"python": {}}),
    ],
)
def test_a_record_with_fields_that_cannot_be_is_a_miss(
    machine: Machine, shared: Path, elsewhere: Elsewhere, field: str, value: object
) -> None:
    """It would become the checkout's own record, and fail one build after the other."""
    elsewhere("first").run(STEP)
    (action,) = files(shared, "actions")
    name = name_of("actions", action.name)
    head, _, record = (unseal(name, action.read_bytes(), b"") or b"").partition(b"\n")
    forged = json.dumps(json.loads(record) | {field: value}).encode()
    action.write_bytes(seal(name, head + b"\n" + forged, b""))

    assert elsewhere("second").run(STEP).how == "ran"
    assert elsewhere("third").run(STEP).how == "cached"


@pytest.mark.parametrize("size", [-1, 10**30])
def test_a_blob_of_a_size_that_cannot_be_is_not_asked_for(
    machine: Machine, shared: Path, elsewhere: Elsewhere, size: int
) -> None:
    """The time that it may take to come grows with its size."""
    elsewhere("first").run(STEP)
    (action,) = files(shared, "actions")
    name = name_of("actions", action.name)
    head, _, record = (unseal(name, action.read_bytes(), b"") or b"").partition(b"\n")
    rows = [[*row[:3], size, row[4]] for row in json.loads(head)]
    action.write_bytes(seal(name, json.dumps(rows).encode() + b"\n" + record, b""))

    assert elsewhere("second").run(STEP).how == "ran"


@pytest.mark.parametrize("path", ["/dev/zero", "../../../../../../../../../../dev/zero", "/"])
def test_a_list_leads_to_files_and_not_to_devices(
    machine: Machine, shared: Path, elsewhere: Elsewhere, path: str
) -> None:
    """What never ends is never read."""
    machine.behave(imports=("blocks.py",))
    elsewhere("first").run(TRACED)
    (known,) = files(shared, "lists")
    name = name_of("lists", known.name)
    known.write_bytes(seal(name, json.dumps([[path]]).encode(), b""))

    assert elsewhere("second").run(TRACED).how == "ran"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[[]]\n{}",
        b"[[1, 2, 3, 4]]\n",
        b"\xff\n\xff",
        b"7\n7",
        b"[7]\n{}",
        b"[" * 99999,
        b"[]\n" + b"[" * 99999,
    ],
    ids=lambda body: body[:9].decode(errors="replace"),
)
def test_a_record_that_is_none_is_a_miss(machine: Machine, shared: Path, elsewhere: Elsewhere, body: bytes) -> None:
    """Of actions and of lists, sealed or not."""
    machine.behave(imports=("blocks.py",))
    elsewhere("first").run(TRACED)
    for kind in ("actions", "lists"):
        for path in files(shared, kind):
            path.write_bytes(seal(name_of(kind, path.name), body, b""))

    assert elsewhere("second").run(TRACED).how == "ran"
    assert elsewhere("third").run(TRACED).how == "cached"
