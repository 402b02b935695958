"""Data sets of step evaluate: images, metrics as they are defined, and processes that fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etbuild.errors import StepError


def test_images_become_inputs_of_the_models_size(tmp_path: Path) -> None:
    """Channels, pixels and values as the model has them: 0 to 1, less the mean, divided by the deviation."""
    import torch
    from PIL import Image

    from etbuild.compile.inputs import inputs_of
    from etbuild.verify.class_folders import class_folders, read_in_folders

    (tmp_path / "red").mkdir()
    Image.new("RGB", (9, 7), (255, 51, 0)).save(tmp_path / "red/one.png")
    example = inputs_of(torch.zeros(1, 3, 4, 4))
    names, read, labels = read_in_folders(tmp_path, class_folders(tmp_path), ((0.5,), (0.5, 1.0, 2.0)), example)

    (found,) = read(0)
    assert (names, labels.tolist(), found.shape) == (("red/one.png",), [0], (1, 3, 4, 4))
    assert found[0, :, 0, 0].tolist() == pytest.approx([1.0, -0.3, -0.25])


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    """By its path, also when a process of its own reads it: the sample's number is before it."""
    import torch

    from etbuild.compile.inputs import inputs_of
    from etbuild.verify.class_folders import class_folders, read_in_folders
    from etbuild.verify.sample_workers import for_each_sample

    for number in range(4):
        (tmp_path / f"class{number}").mkdir()
        (tmp_path / f"class{number}/a.png").write_bytes(b"no image")
    _, read, _ = read_in_folders(tmp_path, class_folders(tmp_path), ((), ()), inputs_of(torch.zeros(1, 3, 4, 4)))

    with pytest.raises(StepError, match=r"^sample 0: .*class0/a.png: got no image that can be read, wanted one of "):
        for_each_sample(range(4), lambda number: read(number) and None, 2, "test")


def test_ties_and_curves_are_counted_as_defined() -> None:
    """Of equal outputs the first counts; equal scores are half a pair."""
    from etbuild.verify.answers import Answers
    from etbuild.verify.metrics import measure

    outputs = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0], [3.0, 1.0, 2.0]], np.float32)
    found = Answers((outputs,), None)
    assert measure("top1", found, np.array([1, 1, 0]), 5).value == pytest.approx(2 / 3)
    assert measure("topk", found, np.array([1, 2, 1]), 2).value == pytest.approx(2 / 3)
    assert measure("mae", found, outputs + np.array([1.0, 2.0, 0.0]), 5).value == pytest.approx(1.0)

    scores = Answers((np.array([[0.1], [0.5], [0.5], [0.9]]),), None)
    assert measure("auc", scores, np.array([0, 0, 1, 1]), 5).value == pytest.approx(0.875)
    errors = Answers((np.zeros((4, 8)),), np.array([0.1, 0.5, 0.5, 0.9]))
    assert measure("auc", errors, np.array([0, 0, 1, 1]), 5).value == pytest.approx(0.875)


def test_what_ends_a_process_or_a_sample_is_one_message() -> None:
    """An error of PyTorch has its sample's number; a killed process is told as such, and the others end."""
    import os
    import signal

    from etbuild.verify.sample_workers import for_each_sample

    def fails(number: int) -> None:
        if number == 2:
            raise RuntimeError("no such kernel\nmore")

    def dies(number: int) -> None:
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    for processes in (1, 2):
        with pytest.raises(StepError) as caught:
            for_each_sample(range(1, 6), fails, processes, "executed")
        assert str(caught.value) == "sample 2: got RuntimeError: no such kernel"
    with pytest.raises(StepError, match=r"^executed: got a process that ended with signal 9, wanted all samples\n"):
        for_each_sample(range(6), dies, 2, "executed")
