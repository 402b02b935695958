"""Whether a step that starts beside others fits into memory. It kills nothing and measures no step.

What a step will need is what its last run had at most; for one that never ran, a guess for its
kind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Guesses, on the safe side of the 655 MB that aot_arm_compiler had with MobileNetV2; used for a step's first run only.
KIND_BYTES = {"export": 700 << 20, "quantize": 900 << 20, "lower": 1200 << 20, "golden": 900 << 20, "pte": 700 << 20}
OTHER_BYTES = 200 << 20
# Memory may be given back by others than our steps, who tell nobody.
LOOK_S = 1.0


def available_bytes(root: Path = Path("/")) -> int:
    """What may still be taken: of the machine, and of the control group (v2 or v1) that this process is in."""
    return min([_of_machine(root), *_of_groups(root)])


class Room:
    """The memory for the steps of this process. available: in bytes, now."""

    def __init__(self, available: Callable[[], int] = available_bytes):
        self._available = available
        self._taken: list[int] = []
        self._total = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, kind: str, last_peak_bytes: int) -> Iterator[None]:
        """Wait until the step fits, or nothing else runs; then its memory counts as taken while the block lasts.

        last_peak_bytes: of the step's last run; 0 when it has none.
        """
        expected = last_peak_bytes or KIND_BYTES.get(kind, OTHER_BYTES)
        with self._changed:
            while not self._fits(expected):
                self._changed.wait(LOOK_S)
            self._taken.append(expected)
        try:
            yield
        finally:
            with self._changed:
                self._taken.remove(expected)
                self._changed.notify_all()

    def _fits(self, expected: int) -> bool:
        """What runs has not yet grown to its peak, so it also has to fit into what there was before it began."""
        now = self._available()
        if not self._taken:
            self._total = now
            return True
        return expected <= now and sum(self._taken) + expected <= self._total


def _of_machine(root: Path) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 1 << 62


def _of_groups(root: Path) -> Iterator[int]:
    """What each group that holds this process has left, at any depth; page cache that nothing uses counts as free."""
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
            # In a container the path may be the host's: then only the mount's own root is there.
            own = Path(path.lstrip("/"))
            for folder in (base / own, *(base / above for above in own.parents)):
                with suppress(OSError, ValueError):
                    limit, used = (int((folder / name).read_text()) for name in names[:2])
                    stat = (folder / "memory.stat").read_text().splitlines()
                    idle = sum(int(line.removeprefix(names[2])) for line in stat if line.startswith(names[2]))
                    yield max(0, limit - used + idle)
