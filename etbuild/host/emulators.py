"""The versions of the emulator that this processor can run; all give the same bytes. It measures nothing."""

from __future__ import annotations

from etbuild.errors import UsageError
from etbuild.host.program import HostProgram

SCALAR = "scalar"
"""The version that firmwares have, too; the others are compared with it."""


class EmulatedProgram(HostProgram):
    """A program whose emulator can be chosen. Without `choose` it is the fastest, as of a HostProgram."""

    @property
    def emulators(self) -> tuple[str, ...]:
        """Their names, the fastest first, SCALAR last."""
        count = self._library.etb_emulators(self._handle)
        return tuple(self._library.etb_emulator(self._handle, number).decode() for number in range(count))

    def choose(self, emulator: str) -> None:
        """Run delegates with this version from now on.

        raises: UsageError if this processor cannot.
        """
        names = self.emulators
        if emulator not in names:
            raise UsageError(f"emulator: got {emulator}, wanted one of {', '.join(names)}, as this processor has")
        self._check(self._library.etb_choose_emulator(self._handle, names.index(emulator)))
