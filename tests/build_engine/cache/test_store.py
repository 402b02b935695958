"""The store alone: many processes, killed writers, and files that share blocks."""

import fcntl
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etbuild.build_engine.cache import store as module
from etbuild.build_engine.cache.store import Store, copy, name_of
from etbuild.cli.cache import verify

# Puts, gets and writes without end: blobs of up to 256 KiB and records of the same few names as every other writer.
WRITER = """
import hashlib, random, sys
from pathlib import Path
from etbuild.cli.cache import collect
from etbuild.build_engine.cache.signing import NO_MARK, seal, unseal
from etbuild.build_engine.cache.store import Store, name_of
folder, work, seed, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
store, order = Store(folder), random.Random(seed)
work.mkdir()
print("started", flush=True)
for number in range(rounds):
    content = random.Random(order.randrange(8)).randbytes(256 * 1024)
    digest = hashlib.sha256(content).hexdigest()
    (work / "source").write_bytes(content)
    store.put(work / "source", digest)
    name = name_of("actions", hashlib.sha256(digest.encode()).hexdigest())
    store.write(name, seal(name, content))
    if store.get(digest, work / "target", False):
        assert (work / "target").read_bytes() == content
        (work / "target").unlink()
    data = store.read(name)
    assert data is None or unseal(name, data) == (content, NO_MARK)
    if seed == 0:
        collect(store, 600 * 1024)
"""


def writer(store: Path, work: Path, seed: int, rounds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(store), str(work), str(seed), str(rounds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def stored(store: Store) -> list[str]:
    return sorted(file.name for file in store.files())


def test_many_processes_and_gc_on_one_store(tmp_path: Path) -> None:
    """Four write the same names and read them, one of them removes all the time: each sees complete entries or none."""
    writers = [writer(tmp_path / "store", tmp_path / str(seed), seed, 40) for seed in range(4)]
    for process in writers:
        process.communicate()

    assert [process.returncode for process in writers] == [0, 0, 0, 0]
    assert verify(Store(tmp_path / "store")) == 0


def test_a_killed_writer_leaves_complete_entries(tmp_path: Path) -> None:
    """SIGKILL at ten random moments; no incomplete file has a final name, and gc removes the rest after a day."""
    store = Store(tmp_path / "store")
    moments = random.Random(7)
    for number in range(10):
        process = writer(store.folder, tmp_path / str(number), number + 1, 1_000_000)
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()

    assert stored(store)
    assert verify(store) == 0
    store.remove_abandoned(time.time_ns() + 25 * 3600 * 10**9)
    assert list((store.folder / "v1/tmp").iterdir()) == []


def test_the_claim_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """The kernel frees it."""
    script = (
        "import sys, signal\nfrom pathlib import Path\nfrom etbuild.build_engine.cache.store import Store\n"
        "with Store(Path(sys.argv[1])).claimed('key', 'step'):\n    print('held', flush=True)\n    signal.pause()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()

    with Store(tmp_path).claimed("key", "step"):
        assert [path.name for path in (tmp_path / "v1/tmp").iterdir()] == ["key.lock"]

    assert list((tmp_path / "v1/tmp").iterdir()) == []


def test_blocks_are_shared_where_the_file_system_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FICLONE of the new file, from the old one; no byte goes through the process."""
    (tmp_path / "old").write_bytes(b"content")
    asked: list[int] = []

    def share(new: object, request: int, old: int) -> None:
        asked.append(request)
        os.write(new.fileno(), os.pread(old, 100, 0))  # type: ignore[attr-defined]

    monkeypatch.setattr(fcntl, "ioctl", share)
    monkeypatch.setattr(module.shutil, "copyfileobj", None)

    assert copy(tmp_path / "old", tmp_path / "new") == hashlib.sha256(b"content").hexdigest()
    assert (tmp_path / "new").read_bytes() == b"content"
    assert asked == [0x40049409]


def test_a_blob_that_changed_is_deleted_when_it_is_read(tmp_path: Path) -> None:
    """And no target file is left."""
    store, digest = Store(tmp_path / "store"), hashlib.sha256(b"content").hexdigest()
    (tmp_path / "source").write_bytes(b"content")
    store.put(tmp_path / "source", digest)
    (store.folder / "v1" / name_of("blobs", digest)).write_bytes(b"CONTENT")

    assert store.get(digest, tmp_path / "target", False) is False
    assert not (tmp_path / "target").exists()
    assert stored(store) == []
