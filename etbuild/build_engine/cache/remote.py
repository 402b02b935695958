"""The remote cache: the names of the local store, behind a URL that fsspec understands. It never fails a build.

The first error or time-out is reported once; from then on the process works without the remote. fsspec and the driver
are imported for the first request, which is made only when the local store has no answer. What a remote returns is
untrusted: the caller verifies records and hashes blobs.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from etbuild.build_engine.cache.store import FORMAT

# Of one request, plus the time for its bytes at this speed: a slower remote does not help a build.
TIMEOUT_S = 10.0
BYTES_PER_S = 1_000_000

T = TypeVar("T")


class Remote:
    """url: as fsspec takes it; http and https are read-only."""

    def __init__(self, url: str, read_only: bool):
        protocol, colon, rest = url.partition("://")
        self.writable = not read_only and protocol not in ("http", "https")
        self.location = f"{protocol}{colon}{rest.rpartition('@')[2]}"
        self._url = url
        self._guard = threading.Lock()
        self._in_use = True
        self._opened: tuple[Any, str] | None = None

    def read(self, name: str, size: int = 0) -> bytes | None:
        """The content under a name; None when there is none."""
        return self._ask(lambda files, base: bytes(files.cat_file(f"{base}/{name}")), None, size)

    def write(self, name: str, data: bytes) -> None:
        def put(files: Any, base: str) -> None:
            try:
                files.pipe_file(f"{base}/{name}", data)
            except FileNotFoundError as error:  # No such bucket, or a folder that cannot be created.
                raise OSError(f"{error}") from error

        self._ask(put, None, len(data))

    def has(self, name: str, size: int) -> bool:
        """Whether there is content of that size under the name."""
        return self._ask(lambda files, base: bool(files.info(f"{base}/{name}")["size"] == size), False)

    def _ask(self, request: Callable[[Any, str], T], absent: T, size: int = 0) -> T:
        """The answer; `absent` when there is no such name, and for every request after the first error."""
        if not self._in_use:
            return absent
        try:
            _load_driver(self._url)
        except ImportError as error:
            self._give_up(str(error), "    pip install 'etbuild[remote]' brings the drivers of s3:// and https://\n")
            return absent
        except ValueError as error:
            self._give_up(str(error))
            return absent
        answers: queue.SimpleQueue[tuple[T, Exception | None]] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put((request(*self._open()), None))
            except Exception as error:
                answers.put((absent, error))

        # A daemon thread: one that hangs delays neither the build nor the end of the process.
        threading.Thread(target=ask, name="remote cache", daemon=True).start()
        limit_s = TIMEOUT_S + size / BYTES_PER_S
        try:
            answer, failure = answers.get(timeout=limit_s)
        except queue.Empty:
            self._give_up(f"no answer within {limit_s:g} s")
            return absent
        if failure is not None and not isinstance(failure, FileNotFoundError):
            self._give_up((str(failure).splitlines() or [""])[0] or type(failure).__name__)
        return answer

    def _open(self) -> tuple[Any, str]:
        if self._opened is None:
            import fsspec.core

            options = {"auto_mkdir": True} if self._url.startswith("file:") else {}
            files, root = fsspec.core.url_to_fs(self._url.rstrip("/"), use_listings_cache=False, **options)
            self._opened = files, f"{root.rstrip('/')}/v{FORMAT}"
        return self._opened

    def _give_up(self, got: str, remedy: str = "") -> None:
        with self._guard:
            reported, self._in_use = not self._in_use, False
        if not reported:
            text = f"{self.location}: got {got}, wanted the remote cache\n{remedy}    the build goes on without it"
            print(text, file=sys.stderr)


def _load_driver(url: str) -> None:
    """raises: ImportError when fsspec or the protocol's driver is missing, ValueError for an unknown protocol."""
    import fsspec

    fsspec.get_filesystem_class(url.partition("://")[0])
