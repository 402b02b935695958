"""What the emulator refuses, and that it says which operation."""

from __future__ import annotations

import numpy as np
import pytest

from etbuild.firmware.codes import Code
from etbuild.npu.command_stream import Job, assemble, build_payload, encode
from etbuild.pte.driver_payload import product_of
from tests.npu import native, program
from tests.npu.program import Program

U55, U85 = 0x00001807, 0x20000118


def copy_program(size: int = 16) -> Program:
    """Copies `size` bytes of region 1 to region 2."""
    p = Program("ethos-u55-128")
    p.set("DMA0_SRC_REGION", region=1)
    p.set("DMA0_DST_REGION", region=2)
    p.set("DMA0_SRC", p.place(np.arange(size, dtype=np.uint8)))
    p.set("DMA0_DST", p.reserve(size, 2))
    p.set("DMA0_LEN", size)
    p.set("KERNEL_WAIT", 0)
    p.set("DMA_START")
    return p


def run_text(config: int, *lines: str) -> tuple[int, str, int]:
    payload = build_payload(Job(config, 0, tuple(encode(assemble(lines, product_of(config))))))
    regions = {number: np.zeros(64, np.uint8) for number in (0, 1, 2)}
    outcome = native.emulator().run(payload, regions)
    return outcome.code, outcome.text, outcome.number


@pytest.mark.parametrize(
    ("config", "lines", "wanted"),
    [
        (U55, ("IRQ 1",), (Code.TRUNCATED, "command stream without STOP", 1)),
        (U55, ("IRQ 1", "POOL 3"), (Code.UNSUPPORTED, "POOL mode of another NPU", 1)),
        (U55, ("ELEMENTWISE 16",), (Code.UNSUPPORTED, "ELEMENTWISE mode of another NPU", 0)),
        (U55, ("ACTIVATION function=TANH", "POOL MAX"), (Code.UNSUPPORTED, "activation function is not emulated", 0)),
        (U55, ("ACTIVATION function=TABLE_7", "OFM_PRECISION element=1", "POOL MAX"),
         (Code.OUT_OF_BOUNDS, "table outside its memory", 0)),
        (U55, ("DMA0_SRC_REGION internal=1", "DMA_START"), (Code.UNSUPPORTED, "DMA from internal memory", 0)),
        (U55, ("DMA0_DST_REGION internal=1", "DMA0_LEN 4", "DMA_START"),
         (Code.UNSUPPORTED, "DMA to internal memory outside the tables", 0)),
        (U85, ("ELEMENTWISE 12",), (Code.UNSUPPORTED, "ELEMENTWISE mode is not known", 0)),
        (U85, ("RESIZE 3",), (Code.UNSUPPORTED, "RESIZE mode is not known", 0)),
        (U85, ("OFM_PRECISION transpose=4", "POOL SUM"), (Code.UNSUPPORTED, "transpose of the output is not known", 0)),
        (U85, ("IFM_PRECISION storage=CHAIN", "POOL SUM"), (Code.MALFORMED, "reads a chain buffer that is empty", 0)),
        (U85, ("ACC_FORMAT input=KEEP", "POOL SUM"), (Code.MISMATCH, "continues accumulators of another shape", 0)),
        (U85, ("IFM_PRECISION signed=1 element=1", "OFM_DEPTH 1", "ACC_FORMAT format=I48", "POOL REDUCE_SUM"),
         (Code.UNSUPPORTED, "REDUCE_SUM of 16-bit maps in 48 bits gives zeros on the NPU", 0)),
        (U85, ("IRQ 1", "BRANCH target=6 condition=0"), (Code.MALFORMED, "BRANCH out of the stream", 1)),
        (U85, ("IRQ 1", "BRANCH target=12 condition=0"), (Code.MALFORMED, "BRANCH out of the stream", 1)),
        (U85, ("BRANCH target=4 condition=0", "STOP 65535"),
         (Code.MALFORMED, "BRANCH to a word that begins no command", 0)),
        (U85, ("BRANCH target=12 condition=0", "STOP 65535", "IRQ 1"),
         (Code.MALFORMED, "BRANCH to a word that begins no command", 0)),
        (U85, ("BRANCH target=0 condition=2", "STOP 65535"), (Code.UNSUPPORTED, "BRANCH condition is not known", 0)),
        (U85, ("BRANCH target=0 condition=RESULT", "STOP 65535"),
         (Code.UNSUPPORTED, "BRANCH on a result that is not of one element", 0)),
        (U85, ("IRQ 1", "BRANCH target=0 condition=ALWAYS", "STOP 65535"),
         (Code.TIMEOUT, "BRANCH after more work than the limit", 1)),
        (U85, ("KERNEL_STRIDE x_low=1", "CONV weights_from_ifm2=1"),
         (Code.UNSUPPORTED, "CONV with weights from IFM2 and a window", 0)),
        (U85, ("ACC_FORMAT input=IFM2", "CONV weights_from_ifm2=1"),
         (Code.MALFORMED, "CONV takes its weights and its accumulator from IFM2", 0)),
        (U85, ("KERNEL_WIDTH 2", "POOL AVERAGE"), (Code.UNSUPPORTED, "average pool with a scale or an accumulator", 0)),
    ],
)  # fmt: skip
def test_an_operation_that_is_not_emulated_is_named_with_its_index(
    config: int, lines: tuple[str, ...], wanted: tuple[int, str, int]
) -> None:
    """Nothing is skipped in silence."""
    assert run_text(config, *lines) == wanted


def test_an_operation_of_another_family_is_refused() -> None:
    """RESIZE exists on Ethos-U85 only."""
    words = (7, 0xFFFF0000)
    outcome = native.emulator().run(build_payload(Job(U55, 0, words)), {})

    assert (outcome.code, outcome.text, outcome.number) == (
        Code.UNSUPPORTED,
        "no such operation on Ethos-U55 and U65",
        0,
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [((0x00000106,), "unknown command at word"), ((0x00004040, 0), "unknown two-word command at word"),
     ((0x00004100, 0), "unknown two-word command at word"),
     ((0x00008000,), "unknown command at word")],
)  # fmt: skip
def test_an_unknown_command_is_refused_with_its_place(words: tuple[int, ...], text: str) -> None:
    """The number is the word's."""
    outcome = native.emulator().run(build_payload(Job(U55, 0, (0x0000010F, *words))), {})

    assert (outcome.code, outcome.text, outcome.number) == (Code.UNSUPPORTED, text, 1)


def test_an_unknown_npu_is_refused() -> None:
    """Product 3 does not exist."""
    outcome = native.emulator().run(build_payload(Job(0x30000008, 0, (0xFFFF0000,))), {})

    assert (outcome.code, outcome.text) == (Code.MISMATCH, "no such Ethos-U")


@pytest.mark.parametrize(("region", "text"), [(1, "reads outside its region"), (2, "reads outside its region")])
def test_an_address_outside_its_region_is_refused_before_anything_runs(region: int, text: str) -> None:
    """One byte less than the transfer needs, on either side."""
    test = copy_program().finish("")
    regions = test.regions()
    regions[region] = np.zeros(15, np.uint8)
    before = regions[2].copy()

    outcome = native.emulator().run(test.payload(), regions)

    assert (outcome.code, outcome.text, outcome.number) == (Code.OUT_OF_BOUNDS, text, 1)
    assert np.array_equal(regions[2], before)


def test_writing_a_read_only_region_is_refused() -> None:
    """Region 2 is read-only here."""
    test = copy_program().finish("")

    outcome = native.emulator().run(test.payload(), test.regions(), read_only=(0, 2))

    assert (outcome.code, outcome.text) == (Code.OUT_OF_BOUNDS, "writes a region that is read-only")


def test_more_work_than_the_limit_is_refused_before_it_starts() -> None:
    """A transfer counts its bytes and one more."""
    test = copy_program().finish("")

    assert native.emulator().run(test.payload(), test.regions(), work_limit=17).code == 0
    outcome = native.emulator().run(test.payload(), test.regions(), work_limit=16)
    assert (outcome.code, outcome.text, outcome.number) == (Code.TIMEOUT, "more work than the limit", 17)


def test_a_payload_cut_at_any_byte_gives_a_status() -> None:
    """Never success, never a crash."""
    test = program.read(next(iter(sorted((native.HERE / "streams").glob("padding.toml")))))[0]
    payload, regions = test.payload(), test.regions()

    codes = {native.emulator().run(payload[:size], regions).code for size in range(len(payload))}

    assert codes == {Code.TRUNCATED, Code.MALFORMED}
