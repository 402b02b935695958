"""What the tests of the cache share: a machine with a cache of its own, other machines, a remote cache in a folder."""

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from cached_project import Elsewhere, Machine

from etbuild.build_engine.cache.store import Store
from etbuild.build_engine.execute import Executor


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    made.behave()
    for name in [name for name in os.environ if name.startswith("ETBUILD_REMOTE_CACHE")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_TRUST", "unsigned")
    monkeypatch.setenv("FAKE_CONTROL", str(tmp_path / "control.json"))
    monkeypatch.setenv("FAKE_RAN", str(tmp_path / "ran"))
    monkeypatch.setenv("ETBUILD_CACHE", str(made.store))
    return made


@pytest.fixture
def elsewhere(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """Makes checkouts on machines of their own: the local cache is empty, the environment is the current one."""

    def checkout(name: str) -> Executor:
        monkeypatch.setenv("ETBUILD_CACHE", str(machine.base / f"cache of {name}"))
        executor = machine.checkout(name)
        assert executor.cache
        return executor

    return checkout


@pytest.fixture
def shared(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder behind ETBUILD_REMOTE_CACHE."""
    folder = machine.base / "shared"
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE", f"file://{folder}")
    return folder


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
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()  # It keeps all in this process.
    server.stop()


@pytest.fixture
def local(tmp_path: Path) -> Store:
    """An empty one."""
    return Store(tmp_path / "local")


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """The folder of a run."""
    (tmp_path / "ran").mkdir()
    return tmp_path / "ran"
