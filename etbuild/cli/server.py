"""`etbuild server`: show or stop the warm compile server of this environment. It starts none.

A server belongs to one interpreter, its packages and its native settings; servers of others are neither shown nor
stopped.
"""

from __future__ import annotations

import argparse
import os
import select
from contextlib import suppress
from typing import Any

from etbuild.build_engine.server import client, protocol
from etbuild.errors import StepError
from etbuild.steps.server import SERVER
from etbuild.system import environment

STOP_S = 10.0
NONE_RUNS = "no compile server runs in this environment"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("status", help="print its process, the steps it has run, and when it ends by itself")
    actions.add_parser("stop", help="stop it; a step that it is running starts again in a process of its own")


def run(arguments: argparse.Namespace) -> int:
    return status() if arguments.action == "status" else stop()


def status() -> int:
    """Print what the server reports; a message when none runs.

    raises: StepError when a server does not answer.
    """
    reply = _ask("status")
    if reply is None:
        allowed = environment.server_allowed()
        print(f"{NONE_RUNS}{'; the first step that needs one starts it' if allowed else ' (ETBUILD_SERVER=off)'}")
        return 0
    print(f"process   {reply['pid']}, for {reply['seconds']:.0f} s")
    print(f"steps     {reply['served']} so far, {reply['running']} now")
    print(f"warm      {'yes' if reply['warmed_up'] else 'not yet'}")
    print(f"ends      after {reply['idle_s']:g} s without a step")
    print(f"log       {protocol.socket_path(SERVER, environment.step_environment()).with_suffix('.log')}")
    return 0


def stop() -> int:
    """Stop the server and wait for its end.

    raises: StepError when it still runs after STOP_S seconds, or does not answer.
    """
    reply = _ask("stop")
    if reply is None:
        print(NONE_RUNS)
        return 0
    pid = int(reply["pid"])
    with suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            if not select.select([process], [], [], STOP_S)[0]:
                raise StepError(f"process {pid}: got a compile server that runs on, wanted its end\n    kill -9 {pid}")
        finally:
            os.close(process)
    print(f"compile server stopped: process {pid}, {reply['served']} steps served")
    return 0


def _ask(question: str) -> dict[str, Any] | None:
    """The server's reply; None when no server runs.

    raises: StepError when one may run, but does not answer.
    """
    try:
        return client.ask(SERVER, question)
    except TimeoutError as error:
        path = protocol.socket_path(SERVER, environment.step_environment())
        remedy = f"it is stopped or stuck: rm {path}, and the next step starts another"
        raise StepError(f"compile server: got {error}, wanted an answer\n    {remedy}") from error
    except (OSError, ValueError) as error:
        raise StepError(f"compile server: got {error}, wanted an answer") from error
