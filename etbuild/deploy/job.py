"""What the steps do with a board: deploy an image, run it and return what it printed, or show what it prints."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.deploy.listen import Expected, listen
from etbuild.deploy.monitor import Reader
from etbuild.deploy.session import opened
from etbuild.deploy.site import Image, Site
from etbuild.firmware.elf_texts import Texts
from etbuild.hardware.places import place_of
from etbuild.system import environment
from etbuild.system.files import locked

if TYPE_CHECKING:
    from etbuild.firmware.simulators import SimulatorResult
    from etbuild.hardware.board import Board
    from etbuild.hardware.deploy_sections import Place

WAIT_S = 1.0


def image_of(board: Board, name: str, elf: Path) -> Image:
    """The image that step firmware has written, its files beside each other. name: the recipe's."""
    address = board.region(board.placement.code).address
    return Image(name, elf, elf.with_suffix(".bin"), elf.with_suffix(".hex"), address)


def site_of(board: Board, recipe: Place) -> Site:
    """A board and where this one is. recipe: what the recipe says of that.

    raises: as `places.place_of`.
    """
    return Site(board, place_of(board.name, recipe))


def deploy(site: Site, image: Image, say: Callable[[str], None]) -> None:
    """Bring the image onto the board and start it. say: gets one line for each thing that was done.

    raises: as `session.opened`; StepError for what fails.
    """
    with _alone(site), opened(site, console=False) as session:
        for line in filter(None, (session.transport.put(image), session.start(image))):
            say(line)


def run(site: Site, image: Image, limit_s: float, pte: Path, vectors: int) -> SimulatorResult:
    """Bring the image onto the board, start it, and read its frames until the end.

    limit_s: from the start on. pte, vectors: what the image was made from.
    """
    expected = Expected(site.board.name, hashlib.sha256(pte.read_bytes()).hexdigest(), vectors)
    with _alone(site), opened(site) as session:
        session.transport.put(image)
        session.start(image)
        return listen(session.console, limit_s, expected)


def monitor(site: Site, elf: Path, say: Callable[[str], None]) -> None:
    """Show what the board prints, its frames in words, until the process is ended."""
    reader = Reader(Texts(elf).at)
    with opened(site, transport=False) as session:
        while True:
            for line in reader.lines(session.console.read(WAIT_S)):
                say(line)


@contextmanager
def _alone(site: Site) -> Iterator[None]:
    """One program of this user at a time changes a board."""
    with locked(environment.cache_folder() / f"boards/{site.board.name}.lock", site.board.name):
        yield
