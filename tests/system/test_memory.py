"""The available memory, as Linux reports it."""

from pathlib import Path

import pytest

from etbuild.system.memory import available_bytes


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
