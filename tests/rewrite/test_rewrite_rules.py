"""Each rule where it applies, and where its condition just fails. The TOSA reference model computes both graphs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from etbuild.recipe.rewrite_sections import REWRITE_RULES
from tests.rewrite.graphs import Network, applied

RULES = Path(import_module("etbuild.rewrite.rules").__file__ or "").parent


def test_a_rule_is_a_module_and_a_name_of_the_recipes_key() -> None:
    """A new rule is a file and a word."""
    modules = {path.stem for path in RULES.glob("*.py")} - {"__init__"}

    assert modules == set(REWRITE_RULES)


@pytest.mark.parametrize("depthwise", [False, True])
def test_pads_with_the_zero_point_become_padding(depthwise: bool, tmp_path: Path) -> None:
    """Four different paddings, which PyTorch's convolution cannot say."""
    network = Network((1, 6, 8, 3))
    padded = network.pad("x", (0, 0, 0, 1, 2, 3, 0, 0), -5)
    sums = network.convolution(padded, 2, (3, 3), -5, stride=(2, 2), depthwise=depthwise)

    operators = applied("pads", network, tmp_path, network.quantised(sums))

    assert operators == ["DEPTHWISE_CONV2D" if depthwise else "CONV2D", "RESCALE"]


def test_pads_move_through_a_transposition_and_axes_of_one(tmp_path: Path) -> None:
    """What ExecuTorch writes for a model's input of (1, C, H, W), and for one channel."""
    network = Network((1, 3, 6, 6))
    moved = network.transpose(network.pad("x", (0, 0, 0, 0, 1, 0, 0, 1), -5), (0, 2, 3, 1))
    first = network.quantised(network.convolution(moved, 2, (2, 2), -5))
    other = Network((1, 1, 9, 5))
    flat = other.reshape(other.pad("x", (0, 0, 0, 0, 2, 1, 1, 1), 4), (1, 12, 7, 1))
    second = other.quantised(other.convolution(flat, 2, (3, 3), 4))

    assert applied("pads", network, tmp_path, first) == ["TRANSPOSE", "CONV2D", "RESCALE"]
    assert applied("pads", other, tmp_path, second) == ["RESHAPE", "CONV2D", "RESCALE"]


def test_pads_with_the_smallest_number_become_a_pools_padding(tmp_path: Path) -> None:
    """A maximum does not see them."""
    network = Network((1, 6, 6, 3))
    pooled = network.pool(network.pad("x", (0, 0, 1, 1, 0, 1, 0, 0), -128), (2, 2))

    assert applied("pads", network, tmp_path, pooled) == ["MAX_POOL2D"]


def test_a_pad_with_two_users_stays_for_the_other(tmp_path: Path) -> None:
    """The convolution no longer needs it."""
    network = Network((1, 6, 6, 3))
    padded = network.pad("x", (0, 0, 1, 1, 1, 1, 0, 0), 0)
    found = network.quantised(network.convolution(padded, 2, (3, 3), 0))

    assert applied("pads", network, tmp_path, found, padded) == ["PAD", "CONV2D", "RESCALE"]


@pytest.mark.parametrize(
    ("pads", "value", "zero_point"),
    [
        ((0, 0, 1, 1, 1, 1, 0, 0), -4, -5),
        ((0, 0, 1, 1, 1, 1, 0, 1), -5, -5),
        ((0, 0, 128, 1, 1, 1, 0, 0), -5, -5),
    ],
    ids=["another number", "channels", "more than the NPU's padding"],
)
def test_other_pads_stay(pads: tuple[int, ...], value: int, zero_point: int, tmp_path: Path) -> None:
    """A number that is no zero to the convolution, an axis that has no padding, too much of it."""
    network = Network((1, 6, 6, 3))
    sums = network.convolution(network.pad("x", pads, value), 2, (3, 3), zero_point)

    assert applied("pads", network, tmp_path, network.quantised(sums)) == []


@pytest.mark.parametrize(("kernel", "value"), [((2, 2), -127), ((2, 2), 0), ((1, 2), -128)])
def test_a_pool_keeps_pads_that_it_would_see(kernel: tuple[int, int], value: int, tmp_path: Path) -> None:
    """A number that can be the maximum; a padding that is not smaller than the kernel."""
    network = Network((1, 6, 6, 3))
    pooled = network.pool(network.pad("x", (0, 0, 1, 0, 0, 0, 0, 0), value), kernel)

    assert applied("pads", network, tmp_path, pooled) == []


def test_pads_before_a_reshape_that_mixes_axes_stay(tmp_path: Path) -> None:
    """(7, 8) as (8, 7): what was a border is no border."""
    network = Network((1, 6, 8, 3))
    mixed = network.reshape(network.pad("x", (0, 0, 1, 0, 0, 0, 0, 0), 2), (1, 8, 7, 3))
    found = network.quantised(network.convolution(mixed, 2, (3, 3), 2))

    assert applied("pads", network, tmp_path, found) == []


@pytest.mark.parametrize("axes", [(1, 2), (2, 1)])
@pytest.mark.parametrize("part", [False, True], ids=["whole", "slice"])
@pytest.mark.parametrize("rule", ["sums", "depthwise_sums"])
def test_a_mean_becomes_a_convolution(rule: str, part: bool, axes: tuple[int, int], tmp_path: Path) -> None:
    """Of a whole tensor, or of a part of it."""
    network = Network((1, 5, 4, 6))
    name = network.slice("x", (0, 1, 0, 0), (1, 3, 4, 6)) if part else "x"

    operators = applied(rule, network, tmp_path, network.mean(name, -9, axes))

    long = ["RESHAPE", "TRANSPOSE", "CONV2D", "RESHAPE", "RESCALE"]
    assert operators == (long if rule == "sums" else ["DEPTHWISE_CONV2D", "RESCALE"])


@pytest.mark.parametrize("rule", ["sums", "depthwise_sums"])
def test_other_sums_stay(rule: str, tmp_path: Path) -> None:
    """Over one axis; over channels; of numbers that were scaled; whose first sum is an output."""
    one, channels, scaled, seen = (Network((1, 5, 4, 6)) for _ in range(4))
    first = scaled.rescale("x", (3 << 28, 30), (0, 0), "INT32")
    rows = scaled.add("REDUCE_SUM", [first], (1, 1, 4, 6), "INT32", axis=1)
    both = scaled.add("REDUCE_SUM", [rows], (1, 1, 1, 6), "INT32", axis=2)
    mean = seen.mean("x", 0)

    assert applied(rule, one, tmp_path, one.mean("x", 0, (1,))) == []
    assert applied(rule, channels, tmp_path, channels.mean("x", 0, (1, 3))) == []
    assert applied(rule, scaled, tmp_path, scaled.quantised(both)) == []
    assert applied(rule, seen, tmp_path, mean, seen.rescale("reduce_sum", (1 << 30, 34))) == []


def test_a_sum_of_more_rows_than_a_kernel_has_is_no_depthwise_convolution(tmp_path: Path) -> None:
    """65 rows."""
    network = Network((1, 65, 1, 2))

    assert applied("depthwise_sums", network, tmp_path, network.mean("x", 0)) == []


@pytest.mark.parametrize(
    ("shape", "order"),
    [((1, 3, 4, 5), (0, 2, 3, 1)), ((1, 4, 5, 3), (0, 3, 1, 2)), ((2, 3, 4), (1, 2, 0))],
)
def test_a_transposition_of_two_groups_becomes_one_of_two_axes(
    shape: tuple[int, ...], order: tuple[int, ...], tmp_path: Path
) -> None:
    """NCHW to NHWC, and back."""
    network = Network(shape)

    operators = applied("transposes", network, tmp_path, network.transpose("x", order))

    assert operators == ["RESHAPE", "TRANSPOSE", "RESHAPE"]


@pytest.mark.parametrize(
    ("shape", "order"),
    [((1, 3, 4, 5), (0, 3, 2, 1)), ((1, 3, 4, 5), (0, 1, 2, 3)), ((1, 3, 4), (0, 2, 1)), ((1, 3, 1, 5), (0, 2, 3, 1))],
    ids=["three groups", "none", "two axes", "two axes and ones"],
)
def test_other_transpositions_stay(shape: tuple[int, ...], order: tuple[int, ...], tmp_path: Path) -> None:
    """There is nothing to gain."""
    network = Network(shape)

    assert applied("transposes", network, tmp_path, network.transpose("x", order)) == []


def chain(factor: int, multiplier: int, shift: int) -> tuple[Network, str]:
    """What ExecuTorch writes behind the sum of a mean: (x + 128) * factor, rescaled."""
    network = Network((1, 1, 1, 64))
    wide = network.rescale("x", (1 << 30, 30), (-128, 0), "INT32")
    small = network.rescale(network.multiplied(wide, factor), (multiplier, shift), (0, -128))
    return network, network.quantised(network.convolution(small, 2, (1, 1), -128))


def test_a_chain_that_changes_no_value_is_removed(tmp_path: Path) -> None:
    """255 times 0.0039216."""
    network, output = chain(255, 1077952680, 38)

    assert applied("identities", network, tmp_path, output) == ["CONV2D", "RESCALE"]


@pytest.mark.parametrize(("factor", "multiplier"), [(254, 1077952680), (255, 1077952680 - (1 << 22))])
def test_a_chain_that_changes_one_value_stays(factor: int, multiplier: int, tmp_path: Path) -> None:
    """Every value is computed, not the scale alone."""
    network, output = chain(factor, multiplier, 38)

    assert applied("identities", network, tmp_path, output) == []


def test_an_output_of_the_graph_keeps_its_name(tmp_path: Path) -> None:
    """A chain that ends at an output stays: the program that calls the delegate knows it by its place."""
    network = Network((1, 4))

    assert applied("identities", network, tmp_path, network.rescale("x", (1 << 30, 30))) == []


def test_a_convolution_gets_an_activation_that_changes_nothing(tmp_path: Path) -> None:
    """Once: one that has an activation keeps it, and so does one with a table."""
    network, once, table = (Network((1, 4, 4, 2)) for _ in range(3))
    output = network.quantised(network.convolution("x", 2, (3, 3), 0))
    small = once.quantised(once.convolution("x", 2, (3, 3), 0))
    limited = once.add("CLAMP", [small], (1, 2, 2, 2), min_val=[0], max_val=[9], nan_mode="PROPAGATE")
    sums = table.quantised(table.convolution("x", 2, (3, 3), 0))
    looked = table.add("TABLE", [sums, table.constant(range(-128, 128))], (1, 2, 2, 2))

    assert applied("activations", network, tmp_path, output) == ["CONV2D", "RESCALE", "CLAMP"]
    assert applied("activations", once, tmp_path, limited) == []
    assert applied("activations", table, tmp_path, looked) == []
