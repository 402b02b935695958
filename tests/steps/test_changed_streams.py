"""A command stream that is not what its TOSA graph says: the layer is named in which it first differs."""

from __future__ import annotations

import json
import random
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from project import Project

from etbuild.host.recording import RecordedProgram
from etbuild.npu.command_stream import decode, parse_payload
from etbuild.npu.debug_database import read_layers
from etbuild.pte.reader import read
from etbuild.pte.vela import read_stream
from etbuild.recipe.load import load_all
from etbuild.steps import export, golden, lower, pte, quantize, vela
from etbuild.verify.executed_values import Built, OperationError, executed, references_of
from etbuild.verify.host_run import vectors_of
from etbuild.verify.tosa_reference import TosaGraph

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
RECORD_BYTES, SHIFT = 10, 9  # of a channel's scale, and where in it the shift is


@dataclass(frozen=True)
class Place:
    """Bits of a .pte, by byte, of which one is changed. tensor: of the layer that it changes."""

    tensor: str
    what: str
    bytes: range
    bits: range


def places_of(path: Path) -> Iterator[Place]:
    """The weights and shifts of each operation of the first delegate, and the shift of an elementwise one."""
    program, data = read(path), path.read_bytes()
    stream = read_stream(program, program.methods[0].delegates[0])
    payload = bytes(stream.block("cmd_data").data or b"")
    weights, code = data.index(bytes(stream.block("weight_data").data or b"")), data.index(payload)
    job = parse_payload(payload)
    words = code + payload.index(np.array(job.words, "<u4").tobytes())
    layers = read_layers(path.parent / "vela/0_debug.xml")
    registers: dict[str, Any] = {}
    for command in decode(job.words, job.family):
        assert command.entry is not None
        name, tensor = command.entry.name, layers.tensor_at(command.word)
        if not command.is_operation:
            registers[name] = command
        elif name in ("CONV", "DEPTHWISE"):
            value = {key: one.raw for key, one in registers.items()}
            for what, its in (("weight", "WEIGHT"), ("shift", "SCALE")):
                at = weights + value[f"{its}_BASE"]
                if value[f"{its}_REGION"] == 1:  # copied by a DMA before
                    at += value["DMA0_SRC"] - value["DMA0_DST"]
                size = value[f"{its}_LENGTH"]
                if what == "weight":
                    yield Place(tensor, what, range(at + size // 3, at + size), range(8))
                else:
                    yield Place(tensor, what, range(at + SHIFT, at + size, RECORD_BYTES), range(1))
        elif name == "ELEMENTWISE":
            at = words + 4 * registers["OFM_SCALE"].word + 2  # the upper half of the command has bits 32 to 47
            yield Place(tensor, "OFM_SCALE", range(at, at + 1), range(1))


@dataclass
class Checked:
    """A built program, with what its TOSA graphs compute of the first vector."""

    folder: Path
    built: Built
    inputs: Any
    references: Any

    def first_wrong(self, path: Path) -> str:
        """The tensor of the layer in which a program first differs, or fails; "" where it does not."""
        try:
            found = executed(RecordedProgram(path), self.built, self.inputs, self.references).differences
        except OperationError as stopped:
            return stopped.tensor
        return found[0].tensor if found else ""


def checked(folder: Path, profile: str, variant: str) -> Checked:
    lowered, known = folder / profile, json.loads((folder / profile / "operators.json").read_text())
    numbers = range(len(known["delegates"]))
    layers = [read_layers(folder / variant / f"vela/{number}_debug.xml") for number in numbers]
    graphs = [TosaGraph(lowered / f"delegates/{number}.tosa") for number in numbers]
    built = Built(known["delegates"], known["instructions"], layers, graphs)
    with np.load(lowered / "golden.npz") as file:
        arrays = dict(file)
    inputs = vectors_of(RecordedProgram(folder / variant / "model.pte"), arrays)[0]
    return Checked(folder / variant, built, inputs, references_of(built, arrays, 0))


def named(one: Checked, places: list[Place], file: Path) -> Iterator[tuple[str, str, float]]:
    """For each place the layer changed, the layer named, and the seconds that it took; of the first bit there that
    changes any value."""
    right, chosen = (one.folder / "model.pte").read_bytes(), random.Random(0)
    for place in places:
        for _ in range(20):
            wrong = bytearray(right)
            wrong[chosen.choice(place.bytes)] ^= 1 << chosen.choice(place.bits)
            file.write_bytes(wrong)
            begin = time.perf_counter()
            if found := one.first_wrong(file):
                yield place.tensor, found, time.perf_counter() - begin
                break


def test_a_changed_weight_or_shift_is_named_as_its_layer(small: Project, tmp_path: Path) -> None:
    """Each layer of a small net with weights, its weights and its scales."""
    one = checked(small.root / "build/r", "tosa-u55", "ethos-u55-128")
    places = list(places_of(one.folder / "model.pte"))
    found = list(named(one, places, tmp_path / "changed.pte"))

    assert [place.what for place in places] == ["weight", "shift"] * 2
    assert len(found) == len(places)
    assert [name for _, name, _ in found] == [tensor for tensor, _, _ in found]


@pytest.mark.slow
def test_in_mobilenet_v2_the_changed_layer_is_named_100_of_100(tmp_path: Path) -> None:
    """A weight or a shift of every convolution, a shift of every addition; 10 s each at most."""
    project = Project(tmp_path)
    shutil.copytree(ROOT / "recipes", project.root / "recipes")
    (recipe,) = (one for one in load_all(ROOT) if one.name == "mv2_u65")
    one, (target,) = replace(recipe, runtime=None), recipe.targets
    project.run(export.step(one), quantize.step(one, target.profile), lower.step(one, target.profile))
    project.run(vela.step(one, target), golden.step(one, target.profile), pte.step(one, target))
    made = checked(project.root / "build/mv2_u65", target.profile, target.variant)
    places = random.Random(1).sample(list(places_of(made.folder / "model.pte")), 100)
    found = list(named(made, places, tmp_path / "changed.pte"))

    assert len(found) == 100
    assert [name for _, name, _ in found] == [tensor for tensor, _, _ in found]
    assert max(seconds for _, _, seconds in found) < 10
