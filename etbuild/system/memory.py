"""How much memory is available: on the machine, and in the control groups of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def available_bytes(root: Path = Path("/")) -> int:
    """The least available memory of the machine and each control group (v2 or v1). root: with proc and sys."""
    return min([_of_machine(root), *_of_groups(root)])


def _of_machine(root: Path) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 1 << 62


def _of_groups(root: Path) -> Iterator[int]:
    """What is left in each group that contains this process, at any depth; unused page cache counts as free."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            base = root / "sys/fs/cgroup"
            names = ("memory.max", "memory.current", "inactive_file ")
            if "memory" in controllers.split(","):
                base /= "memory"
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
            elif number != "0":
                continue
            # In a container the path may be that of the host; then only the mount's root exists.
            own = Path(path.lstrip("/"))
            for folder in (base / own, *(base / parent for parent in own.parents)):
                with suppress(OSError, ValueError):
                    limit, used = (int((folder / name).read_text()) for name in names[:2])
                    stat = (folder / "memory.stat").read_text().splitlines()
                    idle = sum(int(line.removeprefix(names[2])) for line in stat if line.startswith(names[2]))
                    yield max(0, limit - used + idle)
