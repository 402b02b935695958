"""What is behind the URL of a remote cache: files by name, read with a bound and until somebody stops it.

fsspec and its drivers do the work; HTTP is read here, since fsspec bounds neither the bytes of an answer nor what they
are decompressed to. It reports nothing, and knows no time-out: `Transfer.stop` is called from another thread.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

# Of one read of a file, and of one range of an object: well within the time-out of a request.
_READ_BYTES = 1 << 18
_RANGE_BYTES = 1 << 23


class StoppedError(Exception):
    """Nobody waits for the request any more."""


class Transfer:
    """One request.

    most:  bytes that it may bring.
    moved: bytes so far, which decide how long it may take.
    data:  what it has brought.
    """

    def __init__(self, most: int = 0, moved: int = 0):
        self.most = most
        self.moved = moved
        self.data = bytearray()
        self._stopped = False
        self._task: Future[Any] | None = None

    def add(self, piece: bytes) -> None:
        """raises: OSError for more than was asked for, StoppedError."""
        if self._stopped:
            raise StoppedError
        if len(self.data) + len(piece) > self.most:
            raise OSError(f"more than {self.most} bytes")
        self.data += piece
        self.moved = len(self.data)

    def wait(self, work: Coroutine[Any, Any, T], loop: Any) -> T:
        """The result of work in the event loop of another thread; raises what it raises, and StoppedError."""
        import asyncio
        import concurrent.futures

        task = asyncio.run_coroutine_threadsafe(work, loop)
        self._task = task
        if self._stopped:
            task.cancel()
        try:
            return task.result()
        except concurrent.futures.CancelledError:
            raise StoppedError from None

    def stop(self) -> None:
        """End it, from another thread: its connection is closed, and no more is read."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()


class RemoteFiles(Protocol):
    """Each raises FileNotFoundError when there is no such file, and other exceptions when the remote fails."""

    def read(self, name: str, transfer: Transfer) -> bytes: ...

    def write(self, name: str, data: bytes, transfer: Transfer) -> None: ...

    def size(self, name: str, transfer: Transfer) -> int: ...


def load_driver(url: str) -> None:
    """raises: ImportError when fsspec or the protocol's driver is missing, ValueError for an unknown protocol."""
    import fsspec

    fsspec.get_filesystem_class(url.partition("://")[0])


def open_files(url: str, folder: str) -> RemoteFiles:
    """The files in a folder of the URL; some drivers connect here."""
    import fsspec.core

    protocol = url.partition(":")[0]
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if protocol == "file":
        options["auto_mkdir"] = True
    if protocol in ("http", "https"):
        import aiohttp

        # How long it may take is the caller's business.
        options["client_kwargs"] = {"auto_decompress": False, "timeout": aiohttp.ClientTimeout(total=None)}
    files, root = fsspec.core.url_to_fs(url.rstrip("/"), **options)
    base = f"{root.rstrip('/')}/{folder}"
    if protocol in ("http", "https"):
        return _Http(files, base)
    return _Asynchronous(files, base) if files.async_impl else _Blocking(files, base)


class _Asynchronous:
    """Drivers that work in the event loop of fsspec's thread, e.g. of S3: a request can be cancelled at any time."""

    def __init__(self, files: Any, base: str):
        self._files = files
        self._base = base

    def read(self, name: str, transfer: Transfer) -> bytes:
        # In ranges: whoever may write to a bucket decides how large an object is, its server does not.
        while (start := transfer.moved) < transfer.most:
            end = min(start + _RANGE_BYTES, transfer.most)
            work = self._files._cat_file(f"{self._base}/{name}", start=start, end=end)
            transfer.add(transfer.wait(work, self._files.loop))
            if transfer.moved < end:
                break
        return bytes(transfer.data)

    def write(self, name: str, data: bytes, transfer: Transfer) -> None:
        transfer.wait(self._files._pipe_file(f"{self._base}/{name}", data), self._files.loop)

    def size(self, name: str, transfer: Transfer) -> int:
        return int(transfer.wait(self._files._info(f"{self._base}/{name}"), self._files.loop)["size"])


class _Http(_Asynchronous):
    """Only to read from."""

    def read(self, name: str, transfer: Transfer) -> bytes:
        transfer.wait(self._get(f"{self._base}/{name}", transfer), self._files.loop)
        return bytes(transfer.data)

    async def _get(self, url: str, transfer: Transfer) -> None:
        session = await self._files.set_session()
        try:
            async with session.get(self._files.encode_url(url), headers={"Accept-Encoding": "identity"}) as response:
                if response.status == 404:
                    raise FileNotFoundError(url)
                if response.status != 200:
                    raise OSError(f"HTTP status {response.status}")
                encoding = response.headers.get("Content-Encoding", "identity")
                if encoding.lower() != "identity":
                    raise OSError(f'content encoded with "{encoding}"')
                async for piece in response.content.iter_any():
                    transfer.add(piece)
        except FileNotFoundError:
            raise
        except BaseException:  # Nothing is asked after an error: no connection stays open.
            await session.close()
            raise


class _Blocking:
    """Drivers without an event loop, e.g. of folders. One that hangs cannot be stopped before its next piece."""

    def __init__(self, files: Any, base: str):
        self._files = files
        self._base = base

    def read(self, name: str, transfer: Transfer) -> bytes:
        path = f"{self._base}/{name}"
        kind = self._files.info(path)["type"]
        if kind != "file":
            raise OSError(f"{path}, which is no regular file")
        with self._files.open(path, "rb") as file:
            while piece := file.read(_READ_BYTES):
                transfer.add(piece)
        return bytes(transfer.data)

    def write(self, name: str, data: bytes, transfer: Transfer) -> None:
        self._files.pipe_file(f"{self._base}/{name}", data)

    def size(self, name: str, transfer: Transfer) -> int:
        return int(self._files.info(f"{self._base}/{name}")["size"])
