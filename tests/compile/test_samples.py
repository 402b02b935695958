"""Samples from files: how arrays become samples, and which files are rejected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etbuild.compile.inputs import Inputs
from etbuild.compile.samples import read_samples
from etbuild.errors import StepError
from etbuild.recipe.data_sections import Data

pytestmark = pytest.mark.e2e


@pytest.fixture
def example() -> Inputs:
    import torch

    return Inputs((torch.zeros(1, 2, 3),))


def saved(path: Path, **arrays: Any) -> Data:
    import numpy as np

    np.savez(path, **arrays)
    return Data(path)


def test_the_first_axis_counts_samples(tmp_path: Path, example: Inputs) -> None:
    """Each sample has the shape and dtype of the model's input."""
    import numpy as np

    data = saved(tmp_path / "d.npz", input_0=np.arange(24, dtype=np.float64).reshape(4, 6), labels=np.arange(4))

    samples = read_samples(data, example, 0)

    assert [tuple(one[0].shape) for one in samples.inputs] == [(1, 2, 3)] * 4
    assert samples.inputs[1][0].flatten().tolist() == [6, 7, 8, 9, 10, 11]
    assert samples.inputs[0][0].dtype == example.leaves[0].dtype
    assert samples.labels == (0, 1, 2, 3)


def test_an_array_of_the_inputs_shape_is_one_sample(tmp_path: Path, example: Inputs) -> None:
    """Its first axis is the batch, not a count."""
    import numpy as np

    np.save(tmp_path / "d.npy", np.ones((1, 2, 3), np.float32))

    assert len(read_samples(Data(tmp_path / "d.npy"), example, 0).inputs) == 1


def test_files_of_a_folder_are_read_in_the_order_of_their_names(tmp_path: Path, example: Inputs) -> None:
    """Not in the order of the directory."""
    import numpy as np

    for name, value in (("b", 2), ("a", 1), ("c", 3)):
        np.save(tmp_path / f"{name}.npy", np.full((1, 2, 3), value, np.float32))

    samples = read_samples(Data(tmp_path), example, 0)

    assert [one[0].max().item() for one in samples.inputs] == [1, 2, 3]


def test_hidden_files_of_a_folder_are_no_samples(tmp_path: Path, example: Inputs) -> None:
    """An editor's lock is a link to nothing."""
    saved(tmp_path / "a.npz", input_0=[[1.0] * 6])
    (tmp_path / ".#a.npz").symlink_to("user@host.1234")

    assert len(read_samples(Data(tmp_path), example, 0).inputs) == 1


def test_a_random_choice_depends_on_its_seed(tmp_path: Path, example: Inputs) -> None:
    """Equal seeds give equal choices, in the order of the data, with their labels."""
    import numpy as np

    data = saved(tmp_path / "d.npz", x=np.arange(60, dtype=np.float32).reshape(10, 1, 2, 3), labels=np.arange(10))

    first, second = (read_samples(Data(data.data, 4, seed=7), example, 0) for _ in range(2))

    assert first.labels == second.labels == tuple(sorted(first.labels or ()))
    assert [one[0][0, 0, 0].item() / 6 for one in first.inputs] == list(first.labels or ())


def test_without_data_there_are_the_example_and_random_samples(example: Inputs) -> None:
    """Within the range of the example."""
    import torch

    value = torch.tensor([[[-2.0, 0.0, 1.0], [0.5, 0.0, 4.0]]])

    samples = read_samples(Data(), Inputs((value,)), 3)

    assert len(samples.inputs) == 4
    assert samples.inputs[0][0] is value
    assert all(-2 <= one[0].min() <= one[0].max() <= 4 for one in samples.inputs)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_without_data_the_example_counts_as_the_first_of_the_samples(example: Inputs, count: int) -> None:
    """One sample is the example alone, with which ExecuTorch's scripts calibrate."""
    samples = read_samples(Data(samples=count), example, 3)

    assert len(samples.inputs) == count
    assert samples.inputs[0] == example.leaves


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"input_0": "zeros(4, 5)"},
            "input 0: got an array of [4, 5], wanted [samples, ...] with samples of [1, 2, 3]",
        ),
        ({"a": "zeros(4, 6)", "b": "zeros(4, 6)"}, "got a, b, wanted input_0"),
        ({"input_0": "full(4, 6, value=nan)"}, "input 0: got NaN or infinity, wanted finite values"),
        ({"input_0": "zeros(4, 6)", "labels": "zeros(3)"}, "labels: got 3, wanted 4, one per sample"),
    ],
)
def test_an_array_that_does_not_fit_is_named(
    tmp_path: Path, example: Inputs, arrays: dict[str, str], message: str
) -> None:
    """With file, array, got and wanted."""
    import numpy as np

    made = {
        name: np.full(
            [int(n) for n in text.partition("(")[2].split(", value")[0].rstrip(")").split(",")],
            np.nan if "nan" in text else 0,
            np.float32,
        )
        for name, text in arrays.items()
    }
    data = saved(tmp_path / "d.npz", **made)

    with pytest.raises(StepError) as caught:
        read_samples(data, example, 0)

    assert str(caught.value) == f"{data.data}: {message}"


def test_more_samples_than_the_data_has_are_an_error(tmp_path: Path, example: Inputs) -> None:
    """Fewer samples would go unnoticed."""
    import numpy as np

    data = saved(tmp_path / "d.npz", x=np.zeros((2, 6), np.float32))

    with pytest.raises(StepError, match=r"got 2 samples, wanted 64$"):
        read_samples(Data(data.data, 64), example, 0)
