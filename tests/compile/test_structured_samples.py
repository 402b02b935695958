"""Samples for a model whose inputs are nested, keywords or numbers: how the files name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etbuild.compile.inputs import Inputs, inputs_of
from etbuild.compile.samples import read_samples
from etbuild.errors import StepError
from etbuild.recipe.data_sections import Data

pytestmark = pytest.mark.e2e


@pytest.fixture
def example() -> Inputs:
    """x, (h, c), {"gain": ...}, 0.5, and the keyword mask."""
    x, h, c, gain, mask = (torch.full((1, 2), float(n)) for n in range(5))
    return inputs_of((x, (h, c), {"gain": gain}, 0.5), {"mask": mask})


def rows(first: int) -> Any:
    """Three samples of two values."""
    return np.arange(first, first + 6, dtype=np.float32).reshape(3, 1, 2)


NAMES = ("0", "1.0", "1.1", "2.gain", "mask")


def tensors(value: Any) -> Any:
    return torch.from_numpy(rows(value))


def plain(samples: Any) -> list[list[Any]]:
    return [[one.flatten().tolist() if isinstance(one, torch.Tensor) else one for one in leaves] for leaves in samples]


def failure(path: Path, example: Inputs) -> str:
    with pytest.raises(StepError) as caught:
        read_samples(Data(path), example, 0)
    return str(caught.value).removeprefix(f"{path}: ")


def test_an_npz_names_each_tensor_by_its_path(tmp_path: Path, example: Inputs) -> None:
    """input_1.0 is ModelInputs[1][0]; a number keeps its value."""
    np.savez(tmp_path / "d.npz", **{f"input_{name}": rows(10 * n) for n, name in enumerate(NAMES)})

    samples = read_samples(Data(tmp_path / "d.npz"), example, 0)

    assert plain(samples.inputs)[:2] == [
        [[0, 1], [10, 11], [20, 21], [30, 31], 0.5, [40, 41]],
        [[2, 3], [12, 13], [22, 23], [32, 33], 0.5, [42, 43]],
    ]


def test_a_pt_has_the_structure_of_the_inputs(tmp_path: Path, example: Inputs) -> None:
    """With keyword inputs it is a pair; lists stand for tuples, the order of keys is free, a number may be left out."""
    saved = ((tensors(0), [tensors(10), tensors(20)], {"gain": tensors(30)}), {"mask": tensors(40)})
    torch.save(saved, tmp_path / "d.pt")
    np.savez(tmp_path / "d.npz", **{f"input_{name}": rows(10 * n) for n, name in enumerate(NAMES)})

    found, wanted = (read_samples(Data(tmp_path / name), example, 0) for name in ("d.pt", "d.npz"))

    assert plain(found.inputs) == plain(wanted.inputs)


def test_a_pt_for_keywords_alone_is_a_dict(tmp_path: Path) -> None:
    """As ModelInputs."""
    example = inputs_of({"ids": torch.zeros(1, 2, dtype=torch.int64), "mask": torch.zeros(1, 2)})
    torch.save({"mask": tensors(0), "ids": torch.ones(3, 1, 2, dtype=torch.int64)}, tmp_path / "d.pt")

    samples = read_samples(Data(tmp_path / "d.pt"), example, 0)

    assert [leaf.tolist() for leaf in samples.inputs[1]] == [[[1, 1]], [[2.0, 3.0]]]


def test_random_samples_keep_what_is_no_tensor() -> None:
    """torch.export fixes it."""
    samples = read_samples(Data(), inputs_of((torch.ones(1, 2), 3, None, "sum", True)), 2)

    assert [one[1:] for one in samples.inputs] == [(3, None, "sum", True)] * 3


@pytest.mark.parametrize("number", [0.5, np.float32(0.5), np.array([0.5] * 3)], ids=["one", "float32", "per sample"])
def test_a_number_may_be_given_as_it_is(tmp_path: Path, example: Inputs, number: Any) -> None:
    """As one value or as one for each sample."""
    arrays = {f"input_{name}": rows(0) for name in NAMES}
    np.savez(tmp_path / "d.npz", **arrays, input_3=number)

    assert len(read_samples(Data(tmp_path / "d.npz"), example, 0).inputs) == 3


def test_a_number_rounded_to_float32_is_the_same(tmp_path: Path) -> None:
    """0.1 has no exact value in either type."""
    torch.save((tensors(0), torch.tensor(0.1)), tmp_path / "d.pt")

    assert len(read_samples(Data(tmp_path / "d.pt"), inputs_of((torch.ones(1, 2), 0.1)), 0).inputs) == 3


@pytest.mark.parametrize("number", [0.25, 1, np.array([0.5, 0.5, 0.75])])
def test_another_number_than_the_program_is_fixed_to_is_an_error(tmp_path: Path, example: Inputs, number: Any) -> None:
    """The exported program would compute with its own."""
    arrays = {f"input_{name}": rows(0) for name in NAMES}
    np.savez(tmp_path / "d.npz", **arrays, input_3=number)

    assert failure(tmp_path / "d.npz", example) == (
        f"input 3: got {np.asarray(number).reshape(-1)[-1]}, wanted 0.5, to which torch.export fixes it\n"
        "    change the model's example inputs to build it for another value"
    )


def test_a_missing_array_lists_all_names(tmp_path: Path, example: Inputs) -> None:
    """Numbered as the program's inputs they are not found."""
    np.savez(tmp_path / "d.npz", **{f"input_{n}": rows(0) for n in range(6)})

    assert failure(tmp_path / "d.npz", example) == (
        "got input_0, input_1, input_2, input_3, input_4, input_5, "
        "wanted input_0, input_1.0, input_1.1, input_2.gain, input_mask"
    )


X = torch.zeros(3, 1, 2)


NAMED = ", ".join(NAMES)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((X, X), "got a tuple, wanted a pair: the positional inputs, and a dict of the keyword inputs"),
        (X, "got a Tensor, wanted a pair: the positional inputs, and a dict of the keyword inputs"),
        (((X, (X, X, X), {"gain": X}), {"mask": X}), f"got inputs 0, 1.0, 1.1, 1.2, 2.gain, mask, wanted {NAMED}"),
        (((X, X, {"gain": X}), {"mask": X}), f"got inputs 0, 1, 2.gain, mask, wanted {NAMED}"),
        (((X, (X, 1), {"gain": X}), {"mask": X}), "input 1.1: got a int, wanted a tensor"),
        (((X, (X, X), {"gain": X}, 2), {"mask": X}), "input 3: got 2, wanted 0.5, to which torch.export fixes it"),
        (
            ((X, (X, torch.zeros(3, 5)), {"gain": X}), {"mask": X}),
            "input 1.1: got an array of [3, 5], wanted [samples, ...] with samples of [1, 2]",
        ),
    ],
)
def test_another_structure_than_the_inputs_is_an_error(
    tmp_path: Path, example: Inputs, value: Any, message: str
) -> None:
    """With the place of the first difference."""
    torch.save(value, tmp_path / "d.pt")

    assert failure(tmp_path / "d.pt", example).splitlines()[0] == message
