"""How much memory a .pte can ask for on the host: its numbers are untrusted, and cost its author nothing."""

from __future__ import annotations

import re
import time
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from host_programs import FILES, etbuild, zeros

from etbuild.errors import StepError
from etbuild.host.program import FAST_SCRATCH_BYTES, HostProgram

pytestmark = pytest.mark.e2e


def with_buffers(sizes: list[int]) -> bytes:
    """A program that does nothing and wants planned buffers of these sizes."""
    build = flatbuffers.Builder(0)
    build.StartVector(8, len(sizes) + 1, 8)
    for size in reversed([0, *sizes]):
        build.PrependInt64(size)
    wanted = build.EndVector()
    build.StartObject(10)
    build.PrependUOffsetTRelativeSlot(8, wanted, 0)  # non_const_buffer_sizes
    plan = build.EndObject()
    build.StartVector(4, 1, 4)
    build.PrependUOffsetTRelative(plan)
    plans = build.EndVector()
    build.StartObject(8)
    build.PrependUOffsetTRelativeSlot(1, plans, 0)  # execution_plan
    build.Finish(build.EndObject(), file_identifier=b"ET12")
    return bytes(build.Output())


GIB = 1 << 30


@pytest.mark.parametrize(("sizes", "asked"), [([3 * GIB], 3 * GIB), ([GIB] * 3, 2 * GIB), ([GIB // 2] * 1000, 2 * GIB)])
def test_all_buffers_of_a_program_have_one_limit(sizes: list[int], asked: int) -> None:
    """2 GiB by default, however many they are; the first that is too much is refused, before any is touched.

    asked: by the buffers up to that one; the fast scratch and the file itself come on top.
    """
    begin = time.monotonic()

    with pytest.raises(StepError) as caught:
        HostProgram(with_buffers(sizes))

    message = re.fullmatch(
        r"<bytes>: memory: got a program that asks for at least (\d+) bytes, wanted at most 2147483648\n"
        r"    if you trust it: etbuild run --memory-limit SIZE; in a recipe run: \{memory_limit: SIZE\}",
        str(caught.value),
    )
    assert message, str(caught.value)
    assert 0 <= int(message[1]) - asked < 2 * FAST_SCRATCH_BYTES
    assert time.monotonic() - begin < 5


def test_a_negative_buffer_is_refused() -> None:
    """As a very large one."""
    with pytest.raises(
        StepError, match=r"^<bytes>: memory: got a program that asks for at least 18446744073709551615 "
    ):
        HostProgram(with_buffers([-1]))


def test_the_limit_of_memory_can_be_set(linear: HostProgram) -> None:
    """A program runs in what it needs, and in no less."""
    data = (FILES / "linear_u55.pte").read_bytes()
    enough = 1 << 20

    program = HostProgram(data, fast_scratch=0, memory_limit=enough)

    np.testing.assert_array_equal(program.run(*zeros(program)), linear.run(*zeros(linear)))
    for limit in (0, len(data) - 1, len(data) + 1000, 64 << 10):
        with pytest.raises(StepError, match=f"wanted at most {limit}\n"):
            HostProgram(data, fast_scratch=0, memory_limit=limit)


def test_what_is_recorded_of_a_run_is_within_the_limit(linear: HostProgram) -> None:
    """Of each byte of the scratch, twenty: a small program can ask for much."""
    data = (FILES / "linear_u55.pte").read_bytes()
    limit = 3 << 19
    program = HostProgram(data, fast_scratch=1 << 18, memory_limit=limit)

    for _ in range(3):
        program.observe(*zeros(program))
        with pytest.raises(StepError, match=f"wanted at most {limit}\n"):
            program.observe(*zeros(program), hazards=True)
        with pytest.raises(StepError, match=f"wanted at most {limit}\n"):
            program.run_delegate(0, [np.zeros(linear.inputs[0].shape, np.int8)], ["int8"])


def test_a_delegate_can_run_any_number_of_times_within_the_limit() -> None:
    """What a run recorded is given back."""
    program = HostProgram(FILES / "linear_u55.pte", fast_scratch=1 << 18, memory_limit=12 << 20)
    x = np.zeros(program.inputs[0].shape, np.int8)

    for _ in range(20):
        program.run_delegate(0, [x], ["int8"])
        program.observe(*zeros(program), hazards=True)


def test_the_command_run_refuses_a_program_that_asks_for_too_much(tmp_path: Path) -> None:
    """At once, with exit code 1, what it asks for and the option."""
    (tmp_path / "hostile.pte").write_bytes(with_buffers([GIB] * 4))

    refused = etbuild("run", "hostile.pte", folder=tmp_path)
    allowed = etbuild("run", "hostile.pte", "--memory-limit", "5G", folder=tmp_path)

    assert refused.returncode == 1
    first, second = refused.stderr.splitlines()
    assert first.startswith("hostile.pte: memory: got a program that asks for at least 215")
    assert first.endswith(" bytes, wanted at most 2147483648")
    assert second == "    if you trust it: etbuild run --memory-limit SIZE; in a recipe run: {memory_limit: SIZE}"
    assert (allowed.returncode, allowed.stderr) == (0, "")


@pytest.mark.parametrize("size", ["lots", "0", "-1G"])
def test_the_command_run_names_a_wrong_limit(tmp_path: Path, size: str) -> None:
    done = etbuild("run", str(FILES / "linear_u55.pte"), f"--memory-limit={size}", folder=tmp_path)

    assert done.returncode == 2
    assert done.stderr == f"--memory-limit: got {size}, wanted a size such as 500M or 4G\n"
