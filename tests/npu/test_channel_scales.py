"""A convolution needs a scale for each channel of its output; a stream that has fewer is found before it runs."""

from __future__ import annotations

import pytest

from etbuild.npu.channel_scales import Shortage, shortages
from etbuild.npu.command_stream import Job, assemble, encode
from etbuild.pte.driver_payload import product_of

U55, U65_2_CORES, U85 = 0x00001807, 0x10006009, 0x20000118
WHOLE = ("OFM_DEPTH 24", "SCALE_LENGTH 240")


def found(config: int, *lines: str) -> list[Shortage]:
    words = encode(assemble(lines, product_of(config)))
    return list(shortages(Job(config, 0, tuple(words))))


@pytest.mark.parametrize("config", [U55, U65_2_CORES, U85])
@pytest.mark.parametrize("name", ["CONV", "DEPTHWISE"])
def test_a_scale_for_each_channel_is_enough(config: int, name: str) -> None:
    """Ten bytes a channel; what pads them to 16 bytes does not matter."""
    assert found(config, *WHOLE, name, "SCALE_LENGTH 256", name) == []


@pytest.mark.parametrize("config", [U55, U65_2_CORES, U85])
def test_the_convolution_with_too_few_scales_is_found(config: int) -> None:
    """With its place in the stream."""
    lines = ("OFM_DEPTH 16", "SCALE_LENGTH 160", "CONV", "OFM_DEPTH 24", "DEPTHWISE")

    (short,) = found(config, *lines)

    assert short == Shortage(operation=1, word=5, name="DEPTHWISE", scales=16, channels=24)
    assert str(short) == (
        "operation 1 of its command stream, DEPTHWISE (word 5): got scales and weights of 16 channels, wanted 24 as "
        "its output has"
    )


def test_two_cores_have_a_part_of_the_scales_each() -> None:
    """Ethos-U65-512: the channels alternate."""
    assert found(U65_2_CORES, "OFM_DEPTH 5", "SCALE_LENGTH 32", "SCALE1_LENGTH 32", "CONV") == []
    assert found(U65_2_CORES, "OFM_DEPTH 7", "SCALE_LENGTH 32", "SCALE1_LENGTH 32", "CONV") == [
        Shortage(operation=0, word=5, name="CONV", scales=6, channels=7)
    ]


@pytest.mark.parametrize("config", [U55, U85])
def test_one_scale_for_all_channels_needs_no_list(config: int) -> None:
    """OFM_SCALE holds it."""
    assert found(config, "OFM_PRECISION global_scale=1", "OFM_DEPTH 24", "CONV") == []
