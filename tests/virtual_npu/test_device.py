"""The registers of an NPU without QEMU and without memory: a fake executor says how each job ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from etbuild.errors import UsageError
from etbuild.pte.driver_payload import npu_name
from etbuild.virtual_npu.device import POLLS, TRUSTED, Access, Device, Job, Outcome
from etbuild.virtual_npu.registers import npu_called

STATUS, CMD, RESET, QBASE, QREAD, QCONFIG, QSIZE = 0x04, 0x08, 0x0C, 0x10, 0x18, 0x1C, 0x20
PROT, CONFIG, REGIONCFG, MEM_ATTR, AXI_SRAM, BASEP = 0x24, 0x28, 0x3C, 0x40, 0x50, 0x80
RUNNING, IRQ, BUS, PARSE, END, WEIGHTS, BRANCH = 1, 2, 4, 16, 32, 128, 512
RUN, CLEAR = 1, 2
USER, NON_SECURE = Access(privileged=False), Access(secure=False)
GOOD = Outcome(read=64, irq_mask=0xFFFF)
NPUS = ["ethos-u55-128", "ethos-u65-256", "ethos-u85-256"]


@dataclass
class Machine:
    """An NPU, its interrupt line, and the jobs that it was given; `outcome` is how each of them ends."""

    name: str = "ethos-u55-128"
    prot: Access = TRUSTED
    outcome: Outcome = GOOD
    jobs: list[Job] = field(default_factory=list)
    levels: list[bool] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.device = Device(npu_called(self.name), self, self.prot, self.levels.append, self.faults.append)
        self.read: Callable[..., int] = self.device.read
        self.write = self.device.write

    def run(self, job: Job) -> Outcome:
        self.jobs.append(job)
        return self.outcome

    def start(self, size: int = 64) -> None:
        self.write(QSIZE, size)
        self.write(CMD, RUN)

    def finish(self) -> int:
        self.start()
        self.device.complete()
        return self.read(STATUS)

    @property
    def pmu(self) -> int:
        return self.device.npu.family.pmu


@pytest.mark.parametrize(
    ("name", "identity", "config"),
    [
        ("ethos-u55-128", 0x10104001, 0x00001807),
        ("ethos-u65-512", 0x10066001, 0x10006009),
        ("ethos-u85-256", 0x20007000, 0x20000118),
    ],
)
def test_an_npu_says_which_one_it_is(name: str, identity: int, config: int) -> None:
    """ID and CONFIG cannot be written; the names of all CONFIG words are those of the streams."""
    machine = Machine(name)
    machine.write(0, 0)
    machine.write(CONFIG, 0)

    assert (machine.read(0), machine.read(CONFIG), npu_name(config)) == (identity, config, name)


def test_an_npu_that_does_not_exist_is_a_usage_error() -> None:
    """With those that do."""
    with pytest.raises(UsageError, match="npu: got ethos-u55-100, wanted one of ethos-u55-32, "):
        npu_called("ethos-u55-100")


@pytest.mark.parametrize("name", NPUS)
def test_after_a_reset_registers_have_their_reset_values(name: str) -> None:
    """CMD asks for clock and power to be switched off; the rest is zero."""
    machine = Machine(name)
    for offset in range(0, machine.device.npu.family.page_bytes, 4):
        if offset not in (CMD, RESET):
            machine.write(offset, 0xFFFFFFFF)

    machine.write(RESET, 1)

    fixed = {0, PROT, CONFIG, machine.pmu}
    values = {offset: machine.read(offset) for offset in range(0, 0x2000, 4) if offset not in fixed}
    assert {offset: value for offset, value in values.items() if value} == {CMD: 0xC}


@pytest.mark.parametrize("name", NPUS)
def test_only_the_bits_that_exist_can_be_written(name: str) -> None:
    """Addresses have 32 bits on Ethos-U55, 40 on the others; an offset without a register reads as zero."""
    machine = Machine(name)
    for offset in (QBASE, QBASE + 4, QCONFIG, REGIONCFG, MEM_ATTR, AXI_SRAM, BASEP + 4, 0x34, 0x100, 0x800, 0xFFC):
        machine.write(offset, 0xFFFFFFFF)

    high = 0 if name == "ethos-u55-128" else 0xFF
    assert [machine.read(offset) for offset in (QBASE, QBASE + 4, QCONFIG, REGIONCFG, BASEP + 4)] == [
        *(0xFFFFFFFF, high, 3, 0xFFFF, high)
    ]
    limits = {"ethos-u55-128": 0x0F1F00F3, "ethos-u65-256": 0x1F3F00F3, "ethos-u85-256": 0xF7}
    assert machine.read(MEM_ATTR) == limits[name]
    assert machine.read(AXI_SRAM) == (0x31F3F if name == "ethos-u85-256" else 0)
    assert [machine.read(offset) for offset in (0x34, 0x100, 0x800, 0xFFC)] == [0, 0, 0, 0]


def test_a_job_has_what_the_registers_said_when_it_started() -> None:
    """Its stream and the address of each region."""
    machine = Machine("ethos-u65-256")
    machine.write(QBASE, 0x70000010)
    machine.write(QBASE + 4, 0x1)
    for region in range(8):
        machine.write(BASEP + 8 * region, 0x1000 * region)
    machine.finish()

    assert machine.jobs == [Job(0x10003008, 0x1_70000010, 64, tuple(0x1000 * region for region in range(8)))]


def test_a_job_that_ends_well_is_stopped_with_its_interrupt() -> None:
    """STATUS has the mask of STOP, QREAD the end; the line is high until CMD clears it."""
    machine = Machine()

    status = machine.finish()

    assert (status, machine.read(QREAD), machine.levels) == (0xFFFF0000 | END | IRQ, 64, [True])
    machine.write(CMD, CLEAR)
    assert (machine.read(STATUS), machine.levels) == (0xFFFF0000 | END, [True, False])


def test_the_history_of_interrupts_is_cleared_bit_by_bit() -> None:
    """By the upper half of CMD; the interrupt itself stays."""
    machine = Machine()
    machine.finish()

    machine.write(CMD, 0x0FF0_0000)

    assert machine.read(STATUS) == 0xF00F0000 | END | IRQ


@pytest.mark.parametrize("register", [QBASE, QSIZE])
def test_the_end_is_forgotten_when_the_next_stream_is_given(register: int) -> None:
    """By a write to QBASE or QSIZE."""
    machine = Machine()
    machine.finish()

    machine.write(register, 128)

    assert machine.read(STATUS) & END == 0


def test_a_stop_before_the_end_of_the_stream_does_not_reach_the_end() -> None:
    """QREAD says where it was."""
    machine = Machine(outcome=Outcome(read=32, irq_mask=1))

    assert (machine.finish(), machine.read(QREAD)) == (0x00010000 | IRQ, 32)


def test_a_stream_beyond_qsize_ends_at_qsize() -> None:
    """No STOP was there, so no mask."""
    machine = Machine(outcome=Outcome(read=64, stopped=False))

    assert machine.finish() == END | IRQ


@pytest.mark.parametrize(
    ("fault", "bit"), [("parse", PARSE), ("branch", BRANCH), ("weights", WEIGHTS)], ids=["parse", "branch", "weights"]
)
def test_a_fault_stops_the_npu_until_it_is_reset(fault: str, bit: int) -> None:
    """With the interrupt; the end is not reached, and a further run is ignored."""
    machine = Machine(outcome=Outcome(fault=fault, text="why", read=8))

    assert machine.finish() == bit | IRQ
    machine.write(CMD, CLEAR)
    machine.write(CMD, RUN)
    assert (machine.read(STATUS), len(machine.jobs)) == (bit, 1)
    machine.write(RESET, 1)
    assert machine.read(STATUS) == 0
    assert machine.faults == [f"NPU: {fault} fault at byte 8 of the command stream: why"]


@pytest.mark.parametrize(
    ("name", "attribute", "port"),
    [("ethos-u55-128", 0, 1), ("ethos-u85-256", 0, 0), ("ethos-u85-256", 1 << 2, 1)],
    ids=["u55", "u85 on the SRAM port", "u85 on the other port"],
)
def test_a_bus_fault_names_the_channel_and_the_port(name: str, attribute: int, port: int) -> None:
    """REGIONCFG chooses the port; on Ethos-U85 by MEM_ATTR."""
    machine = Machine(name, outcome=Outcome(fault="bus", channel=8, region=1, read=8))
    machine.write(REGIONCFG, 3 << 2)
    machine.write(MEM_ATTR + 12, attribute)

    assert machine.finish() == 8 << 12 | port << 11 | BUS | IRQ


def test_a_bus_fault_of_the_command_stream_is_on_the_port_of_qconfig() -> None:
    """Channel 0."""
    machine = Machine(outcome=Outcome(fault="bus", channel=0, region=None))
    machine.write(QCONFIG, 2)

    assert machine.finish() == 1 << 11 | BUS | IRQ


def test_a_second_run_while_running_is_ignored() -> None:
    """And what the job reads from cannot be changed."""
    machine = Machine()
    machine.start()
    machine.write(CMD, RUN)
    machine.write(QBASE, 0x1234)
    machine.write(QSIZE, 8)
    machine.write(BASEP, 0x1234)

    assert machine.read(STATUS) == RUNNING
    machine.device.complete()
    assert machine.jobs == [Job(0x1807, 0, 64, (0,) * 8)]
    assert machine.read(STATUS) == 0xFFFF0000 | END | IRQ


def test_a_reset_while_running_ends_the_job_without_a_result() -> None:
    """There is no interrupt."""
    machine = Machine()
    machine.start()
    machine.write(RESET, 1)
    machine.device.complete()

    assert (machine.read(STATUS), machine.jobs, machine.levels) == (0, [], [])


def test_a_firmware_that_polls_sees_the_npu_running_and_then_done() -> None:
    """After POLLS reads of STATUS."""
    machine = Machine()
    machine.start()

    seen = [machine.read(STATUS) for _ in range(POLLS + 1)]

    assert seen == [RUNNING] * POLLS + [0xFFFF0000 | END | IRQ]


def test_cmd_keeps_the_requests_for_clock_and_power() -> None:
    """And reads nothing else back."""
    machine = Machine()
    machine.write(CMD, 0x8 | RUN | CLEAR)

    assert machine.read(CMD) == 0x8


@pytest.mark.parametrize(
    ("prot", "access"), [(Access(), NON_SECURE), (Access(), USER), (Access(secure=False), Access(False, False))]
)
def test_an_access_with_fewer_rights_than_prot_sees_zeros_and_changes_nothing(prot: Access, access: Access) -> None:
    """Also RESET."""
    machine = Machine(prot=prot)
    machine.write(QSIZE, 64, access)
    machine.write(CMD, RUN, access)
    machine.write(RESET, 3, access)

    assert [machine.read(offset, access) for offset in (0, STATUS, PROT, CONFIG)] == [0, 0, 0, 0]
    assert (machine.read(PROT), machine.read(QSIZE), machine.device.running) == (prot.word, 0, False)


@pytest.mark.parametrize(
    ("value", "access", "word"),
    [(0, Access(), 0), (1, Access(), 1), (2, Access(), 2), (3, Access(), 3), (1, Access(False, True), 3)],
)
def test_reset_gives_the_npu_the_rights_that_are_asked_for_and_no_more(value: int, access: Access, word: int) -> None:
    """A non-secure write cannot make it secure. PROT: bit 0 privileged, bit 1 non-secure."""
    machine = Machine(prot=Access(secure=False) if not access.secure else Access())

    machine.write(RESET, value, access)

    assert machine.read(PROT) == word


@pytest.mark.parametrize("name", NPUS)
def test_the_cycle_counter_counts_jobs_while_it_is_on(name: str) -> None:
    """The multiply-accumulates at full speed, and a cycle for each command."""
    machine = Machine(name, outcome=Outcome(read=64, macs=2560))
    macs = machine.device.npu.macs
    machine.finish()
    machine.write(machine.pmu, 1 | 4)
    machine.write(machine.pmu + 0x04, 1 << 31)
    machine.finish()
    machine.finish()
    machine.write(machine.pmu + 0x08, 1 << 31)
    machine.finish()

    assert machine.read(machine.pmu + 0x20) == 2 * (2560 // macs + 16)
    machine.write(machine.pmu, 4)
    assert (machine.read(machine.pmu + 0x20), machine.read(machine.pmu)) == (0, 8 << 11 if "u85" in name else 4 << 11)


def test_event_counters_count_the_event_that_they_were_given() -> None:
    """MAC_ACTIVE, and beats of 8 bytes on the two ports of Ethos-U55; an unknown event stays at zero."""
    machine = Machine(outcome=Outcome(read=64, macs=1280, reads=(80, 16, *[0] * 6), writes=(0, 24, *[0] * 6)))
    machine.write(REGIONCFG, 3)
    for counter, event in enumerate((0x30, 0x182, 0x87, 0x21)):
        machine.write(0x380 + 4 * counter, event)
    machine.write(0x184, 0xF)
    machine.write(0x180, 1 | 2)
    machine.finish()

    assert [machine.read(0x300 + 4 * counter) for counter in range(4)] == [10, 10, 3, 0]


def test_a_counter_that_runs_over_interrupts_where_that_is_enabled() -> None:
    """STATUS has pmu_irq; CMD clears it, PMOVSCLR the overflow."""
    machine = Machine(outcome=Outcome(read=64, macs=1280))
    machine.write(0x380, 0x11)
    machine.write(0x300, 0xFFFFFFFF)
    machine.write(0x194, 1)
    machine.write(0x184, 1)
    machine.write(0x180, 1)

    assert machine.finish() & 1 << 6
    assert (machine.read(0x18C), machine.read(0x300)) == (1, 25)
    machine.write(CMD, CLEAR)
    machine.write(0x190, 1)
    assert (machine.read(STATUS) & 1 << 6, machine.read(0x190), machine.levels) == (0, 0, [True, False])
