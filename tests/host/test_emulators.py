"""The versions of the emulator: each gives the bytes of the scalar one."""

from __future__ import annotations

import numpy as np
import pytest
from host_programs import FILES

from etbuild.errors import UsageError
from etbuild.host.emulators import SCALAR, EmulatedProgram

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("name", ["linear_u55", "linear_u65_512", "linear_u85_segment", "methods_u55"])
def test_all_versions_of_the_emulator_give_the_same_outputs(name: str) -> None:
    """Also for inputs beyond what the model was quantised for."""
    program = EmulatedProgram(FILES / f"{name}.pte")
    random = np.random.default_rng(2)
    inputs = [random.normal(0, 20, info.shape).astype(info.dtype) for info in program.inputs]

    outputs = {}
    for emulator in program.emulators:
        program.choose(emulator)
        outputs[emulator] = [output.tobytes() for output in program.run(*inputs)]

    assert outputs == dict.fromkeys(("plain", *program.emulators), outputs[SCALAR])


def test_an_emulator_that_the_processor_does_not_have_is_refused() -> None:
    """The message names those that it has."""
    program = EmulatedProgram(FILES / "linear_u55.pte")

    with pytest.raises(UsageError) as error:
        program.choose("vliw")

    assert str(error.value) == (
        f"emulator: got vliw, wanted one of {', '.join(program.emulators)}, as this processor has"
    )
