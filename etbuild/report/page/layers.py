"""Time and memory of each layer as Vela estimates them, and their sum for each source line. It measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

RESOURCES = {
    "npu": "compute",
    "sram_access": "SRAM",
    "dram_access": "DRAM",
    "on_chip_flash_access": "on-chip flash",
    "off_chip_flash_access": "off-chip flash",
}


@dataclass(frozen=True)
class Layer:
    """One operation of a delegate.

    number:   over all delegates, in the order of execution.
    by:       cycles that each resource needs, by its name for people.
    share:    of the cycles of all delegates.
    about:    node, module and line that it is made from, as far as they are known.
    """

    number: int
    delegate: int
    name: str
    operator: str
    original: str
    cycles: int
    by: Mapping[str, int]
    share: float
    macs: int
    utilisation: float
    staging_bytes: int
    about: Mapping[str, str]

    @property
    def bound(self) -> str:
        """The resource that needs the most cycles: compute, or the memory that it waits for."""
        return max(self.by, key=lambda name: self.by[name]) if any(self.by.values()) else ""

    @property
    def line(self) -> str:
        return self.about.get("line", "")

    @property
    def module(self) -> str:
        return self.about.get("module", "")


@dataclass(frozen=True)
class Line:
    """What the layers of one source line need together. text: the line itself, "" where the file is not known."""

    line: str
    text: str
    layers: int
    cycles: int
    share: float
    macs: int


def layers_of(delegates: Sequence[Json], tensors: Sequence[Mapping[str, Json]]) -> list[Layer]:
    """The layers of all delegates.

    delegates: of vela.json.
    tensors:   for each delegate what its tensors are made from, of operators.json; may be empty.

    What Vela adds for an operation (see `_origins`) has that operation's node, module and line.
    """
    total = sum(layer["cycles"]["total"] for one in delegates for layer in one["layers"])
    found: list[Layer] = []
    for number, one in enumerate(delegates):
        about = _origins(one["layers"], tensors[number] if number < len(tensors) else {})
        for layer, origin in zip(one["layers"], about, strict=True):
            cycles = layer["cycles"]
            found.append(
                Layer(
                    len(found),
                    one["delegate"],
                    layer["name"],
                    layer["operator"],
                    layer["original_operator"],
                    cycles["total"],
                    {title: cycles[name] for name, title in RESOURCES.items() if cycles[name]},
                    cycles["total"] / total if total else 0.0,
                    layer["macs"],
                    layer["mac_utilisation"],
                    layer["staging_bytes"],
                    {key: text for key, text in origin.items() if isinstance(text, str)},
                )
            )
    return found


def _origins(rows: Sequence[Json], tensors: Mapping[str, Json]) -> list[Json]:
    """What each row of a delegate is made from.

    Vela names an operation by the tensor that it computes, and one that it adds by a number or a suffix: X_transpose is
    X transposed for the operation that follows, X_reducesum the sum that becomes X. An added operation has the original
    operator of the one that it is for.
    """
    found: list[Json] = []
    after, original = Json(), ""
    for row in reversed(rows):
        name, is_same = row["name"], row["original_operator"] == original
        is_added = name.startswith("#") or name.endswith("_transpose")
        own = tensors.get(name) or tensors.get(name.removesuffix("_reducesum"))
        after, original = own or (after if is_same and is_added else {}), row["original_operator"]
        found.append(after)
    return found[::-1]


def lines_of(layers: Sequence[Layer], texts: Mapping[str, str]) -> list[Line]:
    """The source lines with the most cycles first. texts: of "file:line"."""
    found: dict[str, list[Layer]] = {}
    for layer in layers:
        if layer.line:
            found.setdefault(layer.line, []).append(layer)
    rows = [
        Line(
            line,
            texts.get(line, ""),
            len(some),
            sum(one.cycles for one in some),
            sum(one.share for one in some),
            sum(one.macs for one in some),
        )
        for line, some in found.items()
    ]
    return sorted(rows, key=lambda row: -row.cycles)
