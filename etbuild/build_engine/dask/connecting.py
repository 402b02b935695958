"""Connects to a Dask scheduler, and leaves it, in bounded time whatever is behind the address. It gives it no work."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from etbuild.errors import MissingTool

CONNECT_S = 10
GOODBYE_S = 1


def connected(address: str) -> Any:
    """A client of the scheduler at an address.

    raises: MissingTool without Dask; TimeoutError; what Dask raises for its settings and a bad address.
    """
    try:
        import distributed
    except ImportError:
        raise MissingTool(
            f"scheduler {address}: got no Python package distributed, wanted it\n    pip install 'etbuild[dask]'"
        ) from None
    # Problems of the cluster are reported from here, a line a step, not by a traceback at the end.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    _require_connectable(address)
    made: Future[Any] = Future()

    def connect() -> None:
        try:
            client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
        except Exception as error:
            with suppress(InvalidStateError):
                made.set_exception(error)
            return
        try:
            made.set_result(client)
        except InvalidStateError:  # Nobody waits for it any more.
            leave(client)

    # The client's own limit does not hold where a scheduler accepts the connection and does not answer.
    threading.Thread(target=connect, daemon=True).start()
    try:
        return made.result(CONNECT_S + GOODBYE_S)
    except TimeoutError:
        if made.cancel():
            raise TimeoutError(f"no answer in {CONNECT_S + GOODBYE_S} s") from None
        raise


def leave(client: Any) -> None:
    """Close a client, whose remaining tasks the scheduler cancels."""
    with suppress(Exception):  # A scheduler that does not answer needs no goodbye.
        client.close(timeout=2)


def _require_connectable(address: str) -> None:
    """A client that can never connect is not created: it would delay the end of the process.

    raises: ValueError for a malformed address, or one whose certificates are missing.
    """
    from distributed import Security
    from distributed.comm.addressing import get_address_host_port

    get_address_host_port(address)
    if address.startswith("tls:") and not Security().get_connection_args("client").get("ssl_context"):
        raise ValueError("no certificates in Dask's settings (DASK_DISTRIBUTED__COMM__TLS__...)")
