"""What golden.npz has of the calls of a delegate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from etbuild.verify.golden import RecordingDelegate
from etbuild.verify.tosa_reference import TensorSpec


def test_recorded_inputs_of_a_delegate_stay_as_they_were() -> None:
    """A state is changed in place between two calls of its delegate."""
    graph = SimpleNamespace(specs=((TensorSpec((2,), "int8"),), ()), run=lambda _: [], outputs=0)
    delegate, state = RecordingDelegate(cast("Any", graph), [[]]), np.array([1, 2], np.int8)

    delegate.run([state])
    state += 1

    assert delegate.calls[0][0][0][0].tolist() == [1, 2]
