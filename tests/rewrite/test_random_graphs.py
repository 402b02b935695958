"""Random networks with padding, transpositions and means: no rule changes a bit, in any order, at all its places."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from random import Random

import pytest

from etbuild.recipe.rewrite_sections import REWRITE_RULES
from etbuild.rewrite.graph import read_graph, write_graph
from etbuild.verify.equal_graphs import GraphBefore
from tests.rewrite.graphs import Network, saved


def random_network(seed: int) -> bytes:
    """Of three to six layers; about half of its PADs, sums and chains just fail a rule's condition."""
    random = Random(seed)
    network = Network((1, random.choice([1, 3]), random.randint(4, 9), random.randint(4, 9)), seed=seed)
    name = "x"
    if random.random() < 0.3:
        name = network.pad(name, (0, 0, 0, 0, *(random.randint(0, 2) for _ in range(4))), random.choice([0, 5]))
    name = network.transpose(name, (0, 2, 3, 1))
    outputs = []
    for _ in range(random.randint(3, 6)):
        name = layer(network, name, random)
        if random.random() < 0.15:
            outputs.append(name)
    if random.random() < 0.5:
        if random.random() < 0.5 and network.shape(name)[1] > 1:
            _, height, width, depth = network.shape(name)
            name = network.slice(name, (0, 1, 0, 0), (1, height - 1, width, depth))
        name = network.mean(name, random.choice([0, 3]), random.choice([(1, 2), (2, 1), (1,)]))
        wide = network.rescale(name, (1 << 30, 30), (-128, 0), "INT32")
        name = network.rescale(network.multiplied(wide, random.choice([255, 254])), (1077952680, 38), (0, -128))
        name = network.quantised(network.convolution(name, 2, (1, 1), -128))
    return network.file(*dict.fromkeys([*outputs, name]))


def layer(network: Network, name: str, random: Random) -> str:
    zero = random.choice([0, 3])
    if random.random() < 0.6:
        value = random.choice([zero, zero, -128, 1])
        channels = random.choice([(0, 0), (0, 0), (0, 0), (0, 1)])
        name = network.pad(name, (0, 0, *(random.randint(0, 2) for _ in range(4)), *channels), value)
    _, height, width, _ = network.shape(name)
    kernel = (random.randint(1, min(3, height)), random.randint(1, min(3, width)))
    if random.random() < 0.2:
        return network.pool(name, kernel)
    depthwise = random.random() < 0.4
    whole = height % kernel[0] == 0 and width % kernel[1] == 0 and not depthwise and random.random() < 0.4
    return network.quantised(
        network.convolution(
            name,
            1 if depthwise else random.randint(1, 4),
            kernel,
            zero,
            stride=kernel if whole else (1, 1),
            depthwise=depthwise,
        )
    )


def differences(seeds: range, folder: Path) -> dict[int, str]:
    found, changed = {}, dict.fromkeys(REWRITE_RULES, 0)
    for seed in seeds:
        content = random_network(seed)
        graph = read_graph(content, f"seed {seed}")
        (block,) = graph.blocks
        for rule in Random(seed).sample(REWRITE_RULES, len(REWRITE_RULES)):
            module = import_module(f"etbuild.rewrite.rules.{rule}")
            for place in list(module.places(block)):
                changed[rule] += 1
                module.apply(block, place)
        why = GraphBefore(saved(content, folder)).difference(write_graph(graph, f"seed {seed}"))
        if why:
            found[seed] = why
    assert all(changed.values()), changed
    return found


def test_forty_random_networks_compute_the_same(tmp_path: Path) -> None:
    """Every rule applied somewhere."""
    assert differences(range(40), tmp_path) == {}


@pytest.mark.slow
def test_a_thousand_random_networks_compute_the_same(tmp_path: Path) -> None:
    """Others than those of the test above."""
    assert differences(range(1000, 2000), tmp_path) == {}
