"""The performance counters of an NPU: cycles and events, by job. Which events are counted is in registers.yaml."""

from __future__ import annotations

from collections.abc import Mapping

from etbuild.virtual_npu.registers import Register, RegisterFile, event_names

_CYCLES = 1 << 31
_ENABLED, _RESET_EVENTS, _RESET_CYCLES = 1, 2, 4
_CYCLE_BITS, _EVENT_BITS = 48, 32


class Pmu:
    """The PMU's registers in a register file."""

    def __init__(self, file: RegisterFile) -> None:
        self._file = file
        self._counters = range(file.family.counters)
        self._raised = False

    @property
    def interrupt(self) -> bool:
        """Whether a counter whose interrupt is enabled has run over, and CMD has not cleared it since."""
        return self._raised

    def acknowledge(self) -> None:
        """The interrupt is cleared; the overflow stays."""
        self._raised = False

    def read(self, register: Register) -> int:
        """The value of one of its registers."""
        if register.name == "PMCR":
            return self._file[register.offset] | len(self._counters) << 11
        return self._file.get(register.name.replace("CLR", "SET"), register.index)

    def write(self, register: Register, value: int) -> None:
        """Write one of its registers."""
        file, name = self._file, register.name
        if name == "PMCR":
            file[register.offset] = value & register.mask
            for counter in self._counters if value & _RESET_EVENTS else ():
                file.put("PMEVCNTR", 0, counter)
            for half in (0, 1) if value & _RESET_CYCLES else ():
                file.put("PMCCNTR", 0, half)
        elif name.endswith("SET"):
            known = _CYCLES | (1 << len(self._counters)) - 1
            file.put(name, (file.get(name) | value) & known)
        elif name.endswith("CLR"):
            bits = name.replace("CLR", "SET")
            file.put(bits, file.get(bits) & ~value)
        else:
            file[register.offset] = value & register.mask

    def count(self, events: Mapping[str, int]) -> None:
        """Add the events of a job, by their names, to the counters that are on."""
        file = self._file
        enabled, over = file.get("PMCNTENSET"), 0
        if not file.get("PMCR") & _ENABLED:
            return
        if enabled & _CYCLES:
            total = file.wide("PMCCNTR") + events["cycles"]
            over |= _CYCLES if total >> _CYCLE_BITS else 0
            file.put("PMCCNTR", total)
            file.put("PMCCNTR", total >> 32 & 0xFFFF, 1)
        for counter in self._counters:
            if enabled >> counter & 1:
                event = event_names().get(file.get("PMEVTYPER", counter), "")
                total = file.get("PMEVCNTR", counter) + events.get(event, 0)
                over |= (total >> _EVENT_BITS > 0) << counter
                file.put("PMEVCNTR", total, counter)
        file.put("PMOVSSET", file.get("PMOVSSET") | over)
        self._raised = self._raised or bool(over & file.get("PMINTSET"))
