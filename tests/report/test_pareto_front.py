"""Which variants of a sweep are best."""

from __future__ import annotations

import pytest

from etbuild.report.sweep import pareto_front


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(1.0, 2.0)], [True]),
        ([(1.0, 2.0), (1.0, 2.0)], [True, True]),
        ([(1.0, 2.0), (1.0, 3.0)], [True, False]),
        ([(1.0, 2.0), (2.0, 1.0)], [True, True]),
        ([(1.0, 3.0), (3.0, 1.0), (2.0, 2.0), (3.0, 3.0)], [True, True, True, False]),
    ],
)
def test_equal_points_are_both_on_the_front(points: list[tuple[float, ...]], front: list[bool]) -> None:
    """A point is dominated by one that is at most as large everywhere and smaller in one figure."""
    assert pareto_front(points) == front
