"""`etbuild server`: whether the warm compile server of this environment runs, and its end. It starts none.

A server is one of an interpreter, its packages and its native settings: others are neither seen nor stopped.
"""

from __future__ import annotations

import argparse
import os
import select
from contextlib import suppress
from typing import Any

from etbuild.build_engine.server import client, protocol
from etbuild.compile_server.spec import SERVER
from etbuild.errors import StepError
from etbuild.system import environment

STOP_S = 10.0
NONE_RUNS = "no compile server runs in this environment"


def run(arguments: argparse.Namespace) -> int:
    return status() if arguments.action == "status" else stop()


def status() -> int:
    told = _ask("status")
    if told is None:
        allowed = environment.server_allowed()
        print(f"{NONE_RUNS}{'; the first step that needs one starts it' if allowed else ' (ETBUILD_SERVER=off)'}")
        return 0
    print(f"process   {told['pid']}, for {told['seconds']:.0f} s")
    print(f"steps     {told['served']} so far, {told['running']} now")
    print(f"warm      {'yes' if told['warmed_up'] else 'not yet'}")
    print(f"ends      after {told['idle_s']:g} s without a step")
    print(f"log       {protocol.socket_path(SERVER, environment.step_environment()).with_suffix('.log')}")
    return 0


def stop() -> int:
    """raises: StepError when it is still there after a while."""
    told = _ask("stop")
    if told is None:
        print(NONE_RUNS)
        return 0
    pid = int(told["pid"])
    with suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            if not select.select([process], [], [], STOP_S)[0]:
                raise StepError(f"process {pid}: got a compile server that runs on, wanted its end\n    kill -9 {pid}")
        finally:
            os.close(process)
    print(f"compile server stopped: process {pid}, {told['served']} steps served")
    return 0


def _ask(question: str) -> dict[str, Any] | None:
    """raises: StepError when there may be one and it cannot be asked."""
    try:
        return client.ask(SERVER, question)
    except (OSError, ValueError) as error:
        raise StepError(f"compile server: got {error}, wanted an answer") from error
