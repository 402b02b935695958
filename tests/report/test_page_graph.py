"""The graph of a page: lanes of values and groups of modules."""

from __future__ import annotations

from etbuild.report.page.graph import Group, Layout, Node, Strokes, layout


def drawn(*nodes: tuple[str, str, str]) -> Layout:
    """Each node: its name, its inputs with spaces between, its module."""
    return layout([Node(name, tuple(inputs.split()), module) for name, inputs, module in nodes])


def test_a_chain_is_one_lane() -> None:
    """Each node reads what the one before has made; a weight is no node."""
    made = drawn(("a", "x", ""), ("b", "a weight", ""), ("c", "b", ""))

    assert made.strokes == (
        Strokes(0, (), (), (0,)),
        Strokes(0, (), (0,), (0,)),
        Strokes(0, (), (0,), ()),
    )
    assert made.lanes == 1


def test_a_value_that_is_read_later_keeps_its_lane() -> None:
    """A residual connection passes the operators between beside them."""
    made = drawn(("a", "", ""), ("b", "a", ""), ("c", "b", ""), ("add", "a c", ""))

    assert made.strokes == (
        Strokes(0, (), (), (0,)),
        Strokes(1, (0,), (0,), (1,)),
        Strokes(1, (0,), (1,), (1,)),
        Strokes(0, (), (0, 1), ()),
    )
    assert made.lanes == 2


def test_the_rows_of_a_module_are_a_group() -> None:
    """A module with one operator is none, and a module in which there is only another one is that one."""
    made = drawn(("a", "", "stem"), ("b", "a", "body.0.conv"), ("c", "b", "body.0.act"), ("d", "c", ""))

    first, group, last = made.tree
    assert isinstance(group, Group)
    assert (first, group.path, group.items, last) == (0, "body.0", [1, 2], 3)


def test_a_closed_group_is_drawn_as_one_row() -> None:
    """What its first operator reads comes in from above, what its last makes goes out below; inside, nothing shows."""
    made = drawn(("a", "", ""), ("b", "a", "m"), ("c", "b", "m"), ("add", "a c", ""))

    group = made.tree[1]
    assert isinstance(group, Group)
    assert group.closed == Strokes(1, (0,), (0,), (1,))
    assert group.opened == Strokes(None, (0,))


def test_a_module_that_comes_again_is_a_group_again() -> None:
    """Rows stay in the order of execution."""
    names = [("a", "", "m"), ("b", "a", "m"), ("c", "b", ""), ("d", "c", "m"), ("e", "d", "m")]
    made = drawn(*names)

    assert [item.items if isinstance(item, Group) else item for item in made.tree] == [[0, 1], 2, [3, 4]]
