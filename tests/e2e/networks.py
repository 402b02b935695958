"""The whole networks that the slow test builds, and docs/networks.md, which is made from their results.

`python -m tests.e2e.networks` writes the page from docs/networks.json; test_architectures.py shows that what it says is
so. It builds nothing.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "docs/networks.json"
PAGE = DATA.with_suffix(".md")


@dataclass(frozen=True)
class Network:
    """name: the function of tests/e2e/architectures/<source>.py that makes it. what, input: for people."""

    name: str
    source: str
    what: str
    input: str


@dataclass(frozen=True)
class Fault:
    """Builds that fail because of a compiler. said: words of the message. why: what happens, and what shows it."""

    networks: tuple[str, ...]
    scheme: str
    npus: tuple[str, ...]
    said: str
    whose: str
    why: str


@dataclass(frozen=True)
class Networks:
    """npus: the system configuration of each."""

    npus: dict[str, str]
    schemes: tuple[str, ...]
    networks: tuple[Network, ...]
    faults: tuple[Fault, ...]

    def fault(self, network: str, scheme: str, npu: str) -> Fault | None:
        """Why a build fails; None for one whose integers are those of the reference model."""
        found = (
            one for one in self.faults if network in one.networks and (scheme, npu in one.npus) == (one.scheme, True)
        )
        return next(found, None)


def load() -> Networks:
    """The content of docs/networks.json."""
    data: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    faults = ({**one, "networks": tuple(one["networks"]), "npus": tuple(one["npus"])} for one in data["faults"])
    return Networks(
        data["npus"],
        tuple(data["schemes"]),
        tuple(Network(**one) for one in data["networks"]),
        tuple(Fault(**one) for one in faults),
    )


def page(data: Networks) -> str:
    """The text of docs/networks.md."""
    builds = len(data.networks) * len(data.npus) * len(data.schemes)
    failing = sum(len(one.networks) * len(one.npus) for one in data.faults)
    introduction = (
        "Networks with all their layers and with weights by seed, on small inputs, built for three NPUs and run on the "
        'emulated NPU: "exact" is one whose every delegate gives the integers of the TOSA reference model on all test '
        f"vectors. Of {builds} builds {builds - failing} are exact, and {failing} fail with a message, for a fault of "
        "a compiler that the list below explains. `pytest -m slow tests/e2e/test_architectures.py` builds them all; it "
        "fails when a build fails with another message, and when a fault is gone."
    )
    return "\n".join(
        [
            "# Whole networks",
            "",
            "<!-- Made from docs/networks.json by `python -m tests.e2e.networks`; do not edit. -->",
            "",
            textwrap.fill(introduction, 118, break_on_hyphens=False),
            "",
            *_table(data),
            "",
            "## Faults of compilers",
            "",
            *(line for number, one in enumerate(data.faults, 1) for line in _fault(number, one)),
        ]
    )


def _table(data: Networks) -> Iterator[str]:
    columns = [(npu, scheme) for npu in data.npus for scheme in data.schemes]
    heads = ["network", "", "input", *(f"{npu.removeprefix('ethos-').upper()} {scheme}" for npu, scheme in columns)]
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for one in data.networks:
        faults = (data.fault(one.name, scheme, npu) for npu, scheme in columns)
        cells = [f"fails: {data.faults.index(fault) + 1}" if fault else "exact" for fault in faults]
        yield f"| {' | '.join([f'`{one.name}`', one.what, one.input, *cells])} |"


def _fault(number: int, one: Fault) -> Iterator[str]:
    npus = ", ".join(npu.removeprefix("ethos-").upper() for npu in one.npus)
    where = f"{', '.join(f'`{name}`' for name in one.networks)} in {one.scheme} on {npus}"
    text = f"**{one.whose}**: {where}. {one.why} The message has: `{one.said}`."
    indent = {"initial_indent": f"{number}. ", "subsequent_indent": "   "}
    yield textwrap.fill(text, 118, break_long_words=False, break_on_hyphens=False, **indent)


if __name__ == "__main__":
    PAGE.write_text(page(load()) + "\n", encoding="utf-8")
