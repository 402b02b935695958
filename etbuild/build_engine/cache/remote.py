"""The remote cache: the names of the local store, behind a URL that fsspec understands. It never fails a build.

The first error or time-out is reported once; from then on the process works without the remote, and requests that are
under way are stopped. fsspec and the driver are imported for the first request, which is made only when the local store
has no answer. What a remote returns is untrusted: its size is bounded here, the caller verifies records and hashes
blobs.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from etbuild.build_engine.cache.remote_files import RemoteFiles, StoppedError, Transfer, load_driver, open_files
from etbuild.build_engine.cache.store import FORMAT

# Of one request, plus the time for the bytes that have come, at this speed: a slower remote does not help a build.
TIMEOUT_S = 10.0
BYTES_PER_S = 1_000_000

# Of a record. An export that reads 10,000 files has one of 1 MB, and 16 lists of these files.
RECORD_BYTES = 16 << 20

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
        self._under_way: set[Transfer] = set()
        self._files: RemoteFiles | None = None

    def read(self, name: str, size: int | None = None) -> bytes | None:
        """The content under a name; None when there is none.

        size: of a blob; a record has at most RECORD_BYTES.
        """
        if size == 0:
            return b""  # Some servers refuse to send a range of nothing.
        transfer = Transfer(RECORD_BYTES if size is None else size)
        return self._ask(lambda files: files.read(name, transfer), None, transfer)

    def write(self, name: str, data: bytes) -> None:
        """A record that is too large to be read is not written."""
        if len(data) > RECORD_BYTES and not name.startswith("blobs/"):
            return
        transfer = Transfer(moved=len(data))

        def put(files: RemoteFiles) -> None:
            try:
                files.write(name, data, transfer)
            except FileNotFoundError as error:  # No such bucket, or a folder that cannot be created.
                raise OSError(f"{error}") from error

        self._ask(put, None, transfer)

    def has(self, name: str, size: int) -> bool:
        """Whether there is content of that size under the name."""
        transfer = Transfer()
        return self._ask(lambda files: files.size(name, transfer) == size, False, transfer)

    def _ask(self, request: Callable[[RemoteFiles], T], absent: T, transfer: Transfer) -> T:
        """The answer; `absent` when there is no such name, and for every request after the first error."""
        with self._guard:
            if not self._in_use:
                return absent
            self._under_way.add(transfer)
        try:
            load_driver(self._url)
            return self._answer(request, absent, transfer)
        except (FileNotFoundError, StoppedError):
            pass
        except ImportError as error:
            self._give_up(str(error), "    pip install 'etbuild[remote]' brings the drivers of s3:// and https://\n")
        except Exception as error:
            self._give_up((str(error).splitlines() or [""])[0] or type(error).__name__)
        finally:
            with self._guard:
                self._under_way.discard(transfer)
        return absent

    def _answer(self, request: Callable[[RemoteFiles], T], absent: T, transfer: Transfer) -> T:
        """raises: TimeoutError, and what the request raises; StoppedError after another request has failed."""
        answers: queue.SimpleQueue[tuple[T, Exception | None]] = queue.SimpleQueue()

        def ask() -> None:
            try:
                if self._files is None:
                    self._files = open_files(self._url, f"v{FORMAT}")
                answers.put((request(self._files), None))
            except Exception as error:
                answers.put((absent, error))

        # A daemon thread: one that hangs delays neither the build nor the end of the process.
        threading.Thread(target=ask, name="remote cache", daemon=True).start()
        started = time.monotonic()
        while True:
            limit_s = TIMEOUT_S + transfer.moved / BYTES_PER_S
            left_s = started + limit_s - time.monotonic()
            try:
                answer, failure = answers.get(timeout=max(0.0, left_s))
            except queue.Empty:
                if left_s <= 0:
                    came = f"{len(transfer.data)} bytes" if transfer.data else "no answer"
                    raise TimeoutError(f"{came} within {limit_s:.3g} s") from None
                continue
            if failure is not None:
                raise failure
            return answer

    def _give_up(self, got: str, remedy: str = "") -> None:
        """Say so once, and stop every request."""
        with self._guard:
            reported, self._in_use = not self._in_use, False
            for transfer in self._under_way:
                transfer.stop()
        if not reported:
            shown = "".join(letter if letter.isprintable() else "?" for letter in got)
            text = f"{self.location}: got {shown}, wanted the remote cache\n{remedy}    the build goes on without it"
            print(text, file=sys.stderr)
