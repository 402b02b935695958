"""One board as a program reaches it: what it is, where it is, and the interfaces of what brings an image onto it and of
what reads it. It reaches nothing itself.

A transport puts the image onto the board and starts it; a console gives the bytes that the board prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etbuild.errors import UsageError

if TYPE_CHECKING:
    from etbuild.hardware.board import Board
    from etbuild.hardware.deploy_sections import Deploy, OwnPlace

# What a user may set, in a message.
WAYS = "set ETBUILD_BOARD_{}, or {} of the board in ~/.config/etbuild/boards.yaml, or deploy: {{{}: ...}} in the recipe"


@dataclass(frozen=True)
class Image:
    """The files of a firmware. name: the recipe's. address: where the content of `bin` goes."""

    name: str
    elf: Path
    bin: Path
    hex: Path
    address: int


@dataclass(frozen=True)
class Site:
    """One board: what is true of all of its kind, and where this one is."""

    board: Board
    place: OwnPlace

    @property
    def deploy(self) -> Deploy:
        """The board's section `deploy`.

        raises: UsageError when the board has none.
        """
        if self.board.deploy is None:
            wanted = "wanted one that says how firmware gets onto it: docs/deploy.md"
            raise UsageError(f"{self.board.file}: got a board without a section deploy, {wanted}")
        return self.board.deploy

    def required(self, key: str) -> str:
        """A setting of the place.

        raises: UsageError when it is not set.
        """
        value = str(getattr(self.place, key))
        if not value:
            remedy = WAYS.format(key.upper(), key, key)
            raise UsageError(f"{self.board.name}: {key}: got nothing, wanted where the board is\n    {remedy}")
        return value


class Transport(Protocol):
    """Brings an image onto a board. Each method raises StepError for what fails, within a time limit."""

    def put(self, image: Image) -> str:
        """Copy the image as far as that is possible without a start; what was done, "" for nothing."""

    def start(self, image: Image) -> str:
        """Start the board with the image from its beginning; what was done."""

    def close(self) -> None: ...


class Console(Protocol):
    """What a board prints."""

    def before_start(self) -> None:
        """The board is about to be started: what it has printed before is of no interest."""

    def after_start(self) -> None:
        """The board has been started."""

    def read(self, wait_s: float) -> bytes:
        """What came since the last call; b"" when nothing came within `wait_s`.

        raises: StepError when the console is gone.
        """

    def close(self) -> None: ...
