"""One command stream on memory that is only partly there: its results, and how it ends when something is missing."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from host_programs import FILES

from etbuild.errors import StepError
from etbuild.host import abi
from etbuild.host.program import HostProgram
from etbuild.host.stream import StreamOutcome, Window
from etbuild.pte.reader import read
from etbuild.pte.vela import read_stream

pytestmark = pytest.mark.e2e

# Where everything lies in one memory: the weights, the scratch behind them, and the stream.
MEMORY, BYTES = 0x70000000, 1 << 20
WEIGHTS, SCRATCH, STREAM = MEMORY, MEMORY + 0x40000, MEMORY + 0x80000
STOP, CUT = struct.pack("<I", 0xFFFF0000), struct.pack("<I", 0x4000)


@dataclass
class Case:
    """The delegate of linear_u55.pte in a window. missing: addresses that no memory answers for."""

    window: Window
    memory: mmap.mmap
    config: int
    commands: bytes
    output: tuple[int, bytes]
    touched: list[tuple[int, int, bool]] = field(default_factory=list)
    missing: range = range(0)

    def run(self, commands: bytes | None = None, **bases: int) -> StreamOutcome:
        commands = self.commands if commands is None else commands
        stream = self.at(commands)
        regions = [bases.get("weights", WEIGHTS), bases.get("scratch", SCRATCH), *[0] * 6]
        return self.window.run(self.config, stream, regions, self._touch)

    def at(self, commands: bytes) -> tuple[int, int]:
        """The address and the size of a stream that is now in memory."""
        self.memory[STREAM - MEMORY : STREAM - MEMORY + len(commands)] = commands
        return STREAM, len(commands)

    def result(self) -> bytes:
        at, wanted = self.output
        return self.memory[SCRATCH - MEMORY + at : SCRATCH - MEMORY + at + len(wanted)]

    def _touch(self, address: int, size: int, writes: bool) -> bool:
        self.touched.append((address, size, writes))
        inside = address >= MEMORY and address + size <= MEMORY + BYTES
        return inside and not set(range(address, address + size)) & set(self.missing)


@pytest.fixture
def case() -> Iterator[Case]:
    parsed = read(FILES / "linear_u55.pte")
    (delegate,) = parsed.methods[0].delegates
    stream = read_stream(parsed, delegate)
    blocks = {block.name: bytes(block.data or b"") for block in stream.blocks}
    commands = stream.commands
    assert commands is not None
    source, target = stream.inputs[0], stream.outputs[0]
    data = np.random.default_rng(1).integers(-128, 128, int(np.prod(source.shape)), np.int8)
    (wanted,) = HostProgram(FILES / "linear_u55.pte").run_delegate(0, [data], ["int8"])
    file = os.memfd_create("memory")
    os.ftruncate(file, BYTES)
    memory = mmap.mmap(file, BYTES)
    window = Window()
    window.map(MEMORY, BYTES, file, 0)
    memory[WEIGHTS - MEMORY : WEIGHTS - MEMORY + len(blocks["weight_data"])] = blocks["weight_data"]
    at = SCRATCH - MEMORY + source.offset
    memory[at : at + data.nbytes] = data.tobytes()
    yield Case(window, memory, commands.configuration.word, bytes(commands.words), (target.offset, wanted.tobytes()))
    window.close()
    memory.close()
    os.close(file)


def test_a_stream_gives_the_bytes_of_the_whole_program(case: Case) -> None:
    """Its regions lie in one memory; QREAD is at the end, and the interrupt's mask is that of STOP."""
    outcome = case.run()

    assert (outcome.kind, outcome.read, outcome.irq_mask) == (abi.STOPPED, len(case.commands), 0xFFFF)
    assert case.result() == case.output[1]
    assert outcome.macs > 0
    assert outcome.bytes_written[1] > 0


def test_regions_may_overlap(case: Case) -> None:
    """The scratch begins inside what the region of the weights spans; both are one memory."""
    case.run()

    weights = [address for address, _, writes in case.touched if WEIGHTS <= address < SCRATCH]
    written = [address for address, _, writes in case.touched if writes]
    assert weights
    assert min(written) >= SCRATCH


def test_only_what_the_stream_touches_is_asked_for(case: Case) -> None:
    """Not the whole of a region, which has no end of its own here."""
    case.run()

    asked = {byte for address, size, _ in case.touched for byte in range(address, address + size)}
    assert 0 < len(asked) < 1 << 15


@pytest.mark.parametrize(
    ("region", "channel"), [("scratch", 1), ("weights", 2)], ids=["of the input", "of the weights"]
)
def test_a_region_outside_memory_is_a_bus_fault_of_its_channel(case: Case, region: str, channel: int) -> None:
    """1 reads feature maps, 2 weights; the address is that of the access."""
    outcome = case.run(**{region: 0x1000})

    assert (outcome.kind, outcome.channel) == (abi.BUS_FAULT, channel)
    assert outcome.address < MEMORY
    assert case.result() != case.output[1]


def test_a_result_that_cannot_be_written_is_a_bus_fault_of_channel_8(case: Case) -> None:
    """The inputs are there."""
    at, wanted = case.output
    case.missing = range(SCRATCH + at, SCRATCH + at + len(wanted))

    outcome = case.run()

    assert (outcome.kind, outcome.channel, outcome.region) == (abi.BUS_FAULT, 8, 1)


def test_a_stream_that_goes_on_where_no_memory_is_is_a_bus_fault_of_channel_0(case: Case) -> None:
    """What was fetched before it is executed."""
    case.missing = range(STREAM + 4096, STREAM + 8192)
    nothing = struct.pack("<I", 0x0100)  # IFM_PAD_TOP 0

    outcome = case.run(case.commands[:-4] + nothing * 2048 + STOP)

    assert (outcome.kind, outcome.channel, outcome.address) == (abi.BUS_FAULT, 0, STREAM + 4096)
    assert case.result() == case.output[1]


def test_a_stream_without_stop_runs_to_its_end(case: Case) -> None:
    """All operations are executed; no STOP gives a mask."""
    outcome = case.run(case.commands[:-4])

    assert (outcome.kind, outcome.read, outcome.irq_mask) == (abi.RAN_OUT, len(case.commands) - 4, 0)
    assert case.result() == case.output[1]


def test_a_stream_that_ends_inside_a_command_is_a_parse_fault(case: Case) -> None:
    """QREAD is at that command."""
    outcome = case.run(case.commands[:-4] + CUT)

    assert (outcome.kind, outcome.read) == (abi.PARSE_FAULT, len(case.commands) - 4)
    assert case.result() == case.output[1]


def test_a_command_that_does_not_exist_is_a_parse_fault_after_what_came_before_it(case: Case) -> None:
    """The operations before it have written their results."""
    unknown = struct.pack("<I", 0x01FF)

    outcome = case.run(case.commands[:-4] + unknown + STOP)

    assert (outcome.kind, outcome.read) == (abi.PARSE_FAULT, len(case.commands) - 4)
    assert case.result() == case.output[1]


def test_weights_that_cannot_be_decoded_are_a_fault_of_their_own(case: Case) -> None:
    """Ethos-U55 and U65 report it by a bit of its own."""
    for at in range(WEIGHTS - MEMORY, SCRATCH - MEMORY, 16):
        case.memory[at : at + 16] = b"\xff" * 16

    assert case.run().kind == abi.WEIGHT_FAULT


def test_what_touch_raises_ends_the_stream(case: Case) -> None:
    """Ctrl-C in the middle is Ctrl-C."""

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        case.window.run(case.config, (STREAM, 64), [0] * 8, interrupted)


def test_what_the_emulator_refuses_for_its_size_is_no_fault_of_the_npu(case: Case) -> None:
    """The processor does not see it: the run ends with a message."""
    rounds = struct.pack("<2I", 0x4100, 0)  # BRANCH to the start, always

    with pytest.raises(StepError, match="NPU: the command stream is not run: BRANCH after more work than the limit"):
        case.window.run(0x20000118, case.at(rounds + STOP), [0] * 8, lambda *_: True)


def test_a_branch_out_of_the_stream_is_a_branch_fault(case: Case) -> None:
    """Of Ethos-U85."""
    outside = struct.pack("<2I", 0x4100, 0x1000)

    outcome = case.window.run(0x20000118, case.at(outside + STOP), [0] * 8, lambda *_: True)

    assert outcome.kind == abi.BRANCH_FAULT
