"""Commands on a Linux board over ssh, with a time limit for each. It knows nothing of firmware.

It logs in with keys only: of the ssh agent, of ~/.ssh, or the file that the user's own settings name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from etbuild.errors import MissingTool, StepError

if TYPE_CHECKING:
    from etbuild.deploy.site import Site

T = TypeVar("T")

CONNECT_S = 10.0
COMMAND_S = 10.0
# A board that answers nothing for this long is gone; the time of a copy has no other limit.
ALIVE_S = 2.0
ALIVE_COUNT = 3
LONGEST_S = 3600.0


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    output: bytes
    error: str


class Ssh:
    """One connection, used by one thread."""

    def __init__(self, site: Site, user: str):
        """raises: StepError when the board cannot be reached or lets us not in; MissingTool without asyncssh."""
        self._library = _asyncssh()
        name, self._host, port = _parts(site.required("host"))
        self.where = f"{name or user}@{self._host}" + (f":{port}" if port != 22 else "")
        self._loop = asyncio.new_event_loop()
        self._connection: Any = None
        try:
            self._connection = self._wait(self._connect(site, name or user, port), CONNECT_S)
        except BaseException:
            self._loop.close()
            raise

    def run(self, command: str, data: Path | None = None) -> Done:
        """Run a command of the board's shell.

        data:   a file for its standard input.
        raises: StepError when the connection is lost, or the command does not end in time.
        """
        options: dict[str, Any] = {"encoding": None, "check": False}
        if data is not None:
            options["stdin"] = str(data)
        limit_s = COMMAND_S if data is None else LONGEST_S
        done = self._wait(self._connection.run(command, **options), limit_s, command)
        if done.exit_status is None:
            raise self._lost(f"`{command}`")
        return Done(int(done.exit_status), bytes(done.stdout), bytes(done.stderr).decode("utf-8", "replace").strip())

    def close(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        # What the connection has left to do ends before its loop does.
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _connect(self, site: Site, user: str, port: int) -> Any:
        options: dict[str, Any] = {"password": None, "kbdint_auth": False, "password_auth": False}
        if site.place.key:
            options |= {"client_keys": [str(Path(site.place.key).expanduser())], "agent_path": None}
        if site.place.known_hosts:
            options["known_hosts"] = str(Path(site.place.known_hosts).expanduser())
        return await self._library.connect(
            self._host,
            port,
            username=user,
            connect_timeout=CONNECT_S,
            login_timeout=CONNECT_S,
            keepalive_interval=ALIVE_S,
            keepalive_count_max=ALIVE_COUNT,
            **options,
        )

    def _wait(self, work: Coroutine[Any, Any, T], limit_s: float, command: str = "") -> T:
        library = self._library
        what = f"`{command}`" if command else "a connection"
        try:
            return self._loop.run_until_complete(asyncio.wait_for(work, limit_s))
        except TimeoutError:
            problem, remedy = f"no answer to {what} within {limit_s:g} s", "is the board on, and on this network?"
        except library.PermissionDenied:
            problem = "no access: the board accepts none of the keys"
            remedy = "add the key to the ssh agent (ssh-add), or name it: `key` in ~/.config/etbuild/boards.yaml"
        except library.HostKeyNotVerifiable as error:
            problem, remedy = f"a host key that is not known ({error.reason})", f"log in once: ssh {self.where}"
        except (library.KeyImportError, library.KeyEncryptionError) as error:
            problem, remedy = f"a key that cannot be used ({error})", "add it to the ssh agent: ssh-add FILE"
        except (library.ConnectionLost, library.ChannelOpenError):
            raise self._lost(what) from None
        except library.DisconnectError as error:
            problem, remedy = f"{what} refused: {error.reason}", "see the log of the board's ssh server"
        except ValueError as error:
            problem, remedy = f"`{error}`", "the ssh client asks for the name of this machine's user"
        except (OSError, library.Error) as error:
            text = getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
            problem, remedy = f"{text}", "is the board on, and on this network?"
        raise StepError(f"{self.where}: got {problem}, wanted the board\n    {remedy}") from None

    def _lost(self, what: str) -> StepError:
        remedy = "cable, power and network of the board; what was sent has not replaced what was there"
        return StepError(f"{self.where}: got the connection lost during {what}, wanted the board\n    {remedy}")


def _asyncssh() -> Any:
    try:
        import asyncssh
    except ImportError:
        raise MissingTool(
            "asyncssh: got no such Python package, wanted it for ssh-remoteproc\n    pip install 'etbuild[deploy]'"
        ) from None
    return asyncssh


def _parts(host: str) -> tuple[str, str, int]:
    """User, host and port of USER@HOST:PORT; "" and 22 for those that are not there."""
    user, _, rest = host.rpartition("@")
    if rest.startswith("["):
        name, _, port = rest[1:].partition("]")
        return user, name, int(port.lstrip(":") or 22)
    name, _, port = rest.partition(":")
    return user, name, int(port or 22)
