"""Steps beside others within the memory that there is."""

import threading
from pathlib import Path

import pytest

from etbuild.build_engine.admission import KIND_BYTES, OTHER_BYTES, Room, available_bytes

MB = 1 << 20


def started(room: Room, kind: str, peak: int) -> tuple[threading.Thread, threading.Event]:
    """A step in a thread of its own, and the event that says it has begun."""
    begun = threading.Event()

    def run() -> None:
        with room.taken(kind, peak):
            begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, begun


def test_a_step_alone_starts_however_large_it_is() -> None:
    """Else nothing would ever be built."""
    with Room(lambda: 1).taken("lower", 1 << 40):
        pass


def test_a_step_that_fits_starts_beside_another() -> None:
    """doit -n 2 on a machine with room."""
    room = Room(lambda: 1000 * MB)
    with room.taken("lower", 400 * MB):
        thread, begun = started(room, "lower", 600 * MB)

        assert begun.wait(10)
    thread.join()


@pytest.mark.parametrize(("kind", "peak"), [("lower", 601 * MB), ("lower", 0)])
def test_a_step_that_does_not_fit_waits_for_the_other_to_end(kind: str, peak: int) -> None:
    """By its last run's peak, or by its kind's; the other may not have grown to its own yet."""
    room = Room(lambda: 1000 * MB)
    with room.taken("lower", 400 * MB):
        thread, begun = started(room, kind, peak)

        assert not begun.wait(0.1)
    thread.join(10)
    assert begun.is_set()


def test_memory_that_others_took_counts() -> None:
    """Another doit, a browser: what was there when the first step began may be gone."""
    free = iter([1000 * MB, *[100 * MB] * 100])
    room = Room(lambda: next(free))
    with room.taken("header", 1 * MB):
        thread, begun = started(room, "header", 0)

        assert OTHER_BYTES not in KIND_BYTES.values()
        assert not begun.wait(0.1)
    thread.join(10)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("line", "files", "left"),
    [
        ("0::/job", {"job/memory.max": "max\n", "job/memory.current": "5", "job/memory.stat": ""}, 1000 * 1024),
        (
            "0::/job",
            {"job/memory.max": "900", "job/memory.current": "500", "job/memory.stat": "inactive_file 100"},
            500,
        ),
        (
            "0::/slice/job",
            {
                "slice/job/memory.max": "max",
                "slice/job/memory.current": "5",
                "slice/job/memory.stat": "",
                "slice/memory.max": "900",
                "slice/memory.current": "500",
                "slice/memory.stat": "inactive_file 3",
            },
            403,
        ),
        ("0::/gone", {"memory.max": "900", "memory.current": "950", "memory.stat": ""}, 0),
        (
            "4:cpu,memory:/job",
            {
                "memory/job/memory.limit_in_bytes": "900",
                "memory/job/memory.usage_in_bytes": "500",
                "memory/job/memory.stat": "total_inactive_file 7",
            },
            407,
        ),
    ],
)
def test_what_is_available_is_the_least_of_machine_and_group(
    tmp_path: Path, line: str, files: dict[str, str], left: int
) -> None:
    """A container's limit counts, its own or one above it, version 2 or 1, with the page cache that nobody uses."""
    write(tmp_path / "proc/meminfo", "MemTotal: 9999 kB\nMemAvailable:    1000 kB\n")
    write(tmp_path / "proc/self/cgroup", f"{line}\n")
    for name, text in files.items():
        write(tmp_path / "sys/fs/cgroup" / name, text)

    assert available_bytes(tmp_path) == left
