"""An Ethos-U as its registers show it: state, faults, interrupt, PMU. It touches no memory: an executor runs its jobs.

A job is done when `complete` is called, or when STATUS was read POLLS times: until then the NPU is seen running. A
second run is then ignored, and a reset ends the job without its result.

Inaccuracies: a reset is done at once, so STATUS never shows one; cycles are the multiply-accumulates at full speed,
without waiting for memory, and most PMU events stay at zero; POWER_CTRL, the AXI limits, MEM_ATTR's memory types and
the requests for clock and power are stored and do nothing; a write to the registers of a job is ignored while it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from etbuild.virtual_npu.pmu import Pmu
from etbuild.virtual_npu.registers import Npu, Register, RegisterFile, command_bits, status_bits

_REGIONS = 8
POLLS = 4
_ALL = 0xFFFFFFFF
# Kinds of faults by the bit of STATUS that shows them.
FAULTS = {"bus": "bus_fault", "parse": "parse_fault", "branch": "branch_fault", "weights": "weight_fault"}


class Job(NamedTuple):
    """What a run of the NPU executes. stream, stream_bytes: QBASE and QSIZE. bases: of the regions. secure: PROT."""

    config: int
    stream: int
    stream_bytes: int
    bases: tuple[int, ...]
    secure: bool = True


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    fault:    "" or a key of FAULTS.
    text:     why, for people.
    channel:  of the access that failed, as STATUS numbers it; region: its region, None for the command stream's.
    read:     bytes of the stream that were executed.
    stopped:  by STOP, not by the end of the stream. irq_mask: of STOP and IRQ.
    macs:     multiply-accumulates, or elements. reads, writes: bytes by region.
    """

    fault: str = ""
    text: str = ""
    channel: int = 0
    region: int | None = None
    read: int = 0
    stopped: bool = True
    irq_mask: int = 0
    macs: int = 0
    reads: tuple[int, ...] = (0,) * _REGIONS
    writes: tuple[int, ...] = (0,) * _REGIONS


class Executor(Protocol):
    """Runs the command streams."""

    def run(self, job: Job) -> Outcome:
        """The outcome of a job; raises StepError for what is no fault of an NPU."""


class Access(NamedTuple):
    """The rights of an access to the registers, and of the NPU itself in PROT."""

    secure: bool = True
    privileged: bool = True

    @property
    def word(self) -> int:
        """As RESET and PROT have it."""
        return (0 if self.secure else 2) | (1 if self.privileged else 0)


TRUSTED = Access()


class Device:
    """The registers of one NPU.

    prot: of the NPU after power-on.
    irq:  called with the level of the interrupt when it changes.
    log:  called with a text for each job that ends with a fault.
    """

    def __init__(
        self,
        npu: Npu,
        executor: Executor,
        prot: Access = TRUSTED,
        irq: Callable[[bool], None] = lambda level: None,
        log: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.npu = npu
        self.jobs = 0
        self.irq = irq
        self._executor, self._log = executor, log
        self._bits = {name: 1 << bit for name, bit in status_bits().items()}
        self._commands = {name: 1 << bit for name, bit in command_bits().items()}
        self._file = RegisterFile(npu.family)
        self._pmu = Pmu(self._file)
        self._prot = prot
        self._status = 0
        self._pending: Job | None = None
        self._level = False
        self._polls = 0

    @property
    def running(self) -> bool:
        """Whether a job has begun and `complete` has not been called."""
        return self._pending is not None

    @property
    def status(self) -> int:
        """The register STATUS."""
        status = self._status | (self._bits["running"] if self.running else 0)
        return status | (self._bits["pmu_irq"] if self._pmu.interrupt else 0)

    def read(self, offset: int, access: Access = TRUSTED) -> int:
        """The value of a register. offset: of its word."""
        register = self.npu.family.registers.get(offset)
        if register is None or register.access == "wo" or not self._may(access):
            return 0
        if register.name.startswith("PM"):
            return self._pmu.read(register)
        status = self.status
        if register.name == "STATUS" and self.running:
            self._polls += 1
            if self._polls == POLLS:
                self.complete()
        computed = {
            "ID": self.npu.family.id,
            "STATUS": status,
            "PROT": self._prot.word,
            "CONFIG": self.npu.config,
        }
        return computed.get(register.name, self._file[offset])

    def write(self, offset: int, value: int, access: Access = TRUSTED) -> None:
        """Write a register. offset: of its word."""
        register = self.npu.family.registers.get(offset)
        if register is None or register.access == "ro" or not self._may(access):
            return
        if register.idle and self.running:
            return
        if register.name == "CMD":
            self._command(register, value)
        elif register.name == "RESET":
            self._reset(value, access)
        elif register.name.startswith("PM"):
            self._pmu.write(register, value)
        else:
            self._file[offset] = value & register.mask
        if register.name in ("QBASE", "QSIZE"):
            self._file.put("QREAD", 0)
            self._status &= ~self._bits["end_reached"]
        self._drive()

    def complete(self) -> None:
        """Execute the job that was started, and stop; nothing if there is none."""
        job, self._pending = self._pending, None
        if job is None:
            return
        self.jobs += 1
        outcome = self._executor.run(job)
        self._file.put("QREAD", outcome.read)
        self._status |= self._bits["irq"] | outcome.irq_mask << status_bits()["irq_history"] & _ALL
        if outcome.fault:
            self._status |= self._bits[FAULTS[outcome.fault]]
            self._log(f"NPU: {outcome.fault} fault at byte {outcome.read} of the command stream: {outcome.text}")
        elif outcome.read == job.stream_bytes:
            self._status |= self._bits["end_reached"]
        if outcome.fault == "bus":
            self._status |= outcome.channel << status_bits()["channel"]
            self._status |= self._bits["second_port"] if self._port(outcome.region) else 0
        self._pmu.count(self._events(outcome))
        self._drive()

    def _may(self, access: Access) -> bool:
        """An access with fewer rights than the NPU reads zeros, and its writes are ignored."""
        return access.secure >= self._prot.secure and access.privileged >= self._prot.privileged

    def _command(self, register: Register, value: int) -> None:
        self._file[register.offset] = value & (self._commands["clock_q"] | self._commands["power_q"])
        self._status &= ~(value >> 16 << status_bits()["irq_history"])
        if value & self._commands["clear_irq"]:
            self._status &= ~self._bits["irq"]
            self._pmu.acknowledge()
        faults = sum(self._bits[name] for name in FAULTS.values())
        if value & self._commands["run"] and not self.running and not self._status & faults:
            self._status &= ~self._bits["end_reached"]
            self._polls = 0
            bases = tuple(self._file.wide("BASEP", 2 * region) for region in range(_REGIONS))
            stream = self._file.wide("QBASE"), self._file.get("QSIZE")
            self._pending = Job(self.npu.config, *stream, bases, self._prot.secure)

    def _reset(self, value: int, access: Access) -> None:
        """An access cannot give more rights than it has."""
        self._file.reset()
        self._status = 0
        self._pending = None
        self._pmu.acknowledge()
        self._prot = Access(not value & 2 and access.secure, bool(value & 1) and access.privileged)

    def _events(self, outcome: Outcome) -> dict[str, int]:
        macs = -(-outcome.macs // self.npu.macs)
        cycles = macs + outcome.read // 4
        events = {"cycles": cycles, "npu_active": cycles, "mac_active": macs}
        for way, by_region in (("reads", outcome.reads), ("writes", outcome.writes)):
            for region, size in enumerate(by_region):
                name = f"port{self._port(region)}_{way}"
                events[name] = events.get(name, 0) - (-size // self.npu.family.beat_bytes)
        return events

    def _port(self, region: int | None) -> int:
        """The AXI port of a region, None: of the command stream."""
        chosen = self._file.get("QCONFIG") if region is None else self._file.get("REGIONCFG") >> 2 * region & 3
        if self.npu.family.name == "u85":
            return self._file.get("MEM_ATTR", chosen) >> 2 & 1
        return chosen >> 1

    def _drive(self) -> None:
        """The interrupt line follows STATUS."""
        level = bool(self.status & (self._bits["irq"] | self._bits["pmu_irq"]))
        if level != self._level:
            self._level = level
            self.irq(level)
