"""Operators between two int8 tensors that together change no value are removed.

Condition: a chain of RESCALE, CLAMP and MUL by a constant, each of one number for the whole tensor, begins and ends
at int8 tensors of one shape, nothing else reads what is between, and each of the 256 values becomes itself.

Exact: all values that there are were computed. ExecuTorch multiplies the sum of a mean by the reciprocal of the count
in such a chain: the scale of the result has it already.

It saves an elementwise operation for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.rewrite.graph import Block, Operator

_SINGLE_ROUND = "SINGLE_ROUND"


def places(block: Block) -> Iterator[str]:
    """Last tensors of the chains."""
    for operator in block.operators:
        if operator.op in ("RESCALE", "CLAMP") and _source(block, operator.outputs[0]):
            yield operator.outputs[0]


def apply(block: Block, place: str) -> None:
    """Let everything that reads `place` read the first tensor of the chain."""
    source = _source(block, place)
    if source is None:
        return
    for operator in block.operators:
        operator.inputs = [source if name == place else name for name in operator.inputs]
    block.remove_unused()


def _source(block: Block, place: str) -> str | None:
    """The first tensor of the chain that ends at `place`; None when there is none, or it changes a value."""
    chain, name = list[tuple["Operator", str]](), place
    while not chain or block.tensors[name].type != "INT8":
        operator = block.producer(name)
        source = _input(block, operator) if operator else ""
        if operator is None or not source or (chain and not block.has_one_user(name)):
            return None
        chain.append((operator, source))
        name = source
    same_shape = block.tensors[name].shape == block.tensors[place].shape
    if place in block.outputs or not same_shape or block.tensors[place].type != "INT8":
        return None
    return name if _changes_nothing(block, chain) else None


def _input(block: Block, operator: Operator) -> str:
    """The one tensor that an operator of a chain computes from; empty for another operator."""
    if operator.op in ("RESCALE", "CLAMP"):
        return "" if operator.attribute.get("per_channel") else operator.inputs[0]
    if operator.op != "MUL":
        return ""
    rest = [name for name in operator.inputs[:2] if _number(block, name) is None]
    return rest[0] if len(rest) == 1 else ""


def _number(block: Block, name: str) -> int | None:
    """The value of a constant of one element, or of one that a RESCALE makes of such a constant."""
    value = block.constant(name)
    if value is not None:
        return int(value.ravel()[0]) if value.size == 1 else None
    above = block.producer(name)
    if above is None or above.op != "RESCALE" or (number := _number(block, above.inputs[0])) is None:
        return None
    found = _rescaled(block, above, [number])
    return None if found is None else int(found[0])


def _changes_nothing(block: Block, chain: list[tuple[Operator, str]]) -> bool:
    import numpy as np

    values: Any = np.arange(-128, 128, dtype=np.int64)
    for operator, source in reversed(chain):
        values = None if values is None else _computed(block, operator, source, values)
    return values is not None and bool((values == np.arange(-128, 128)).all())


def _computed(block: Block, operator: Operator, source: str, values: Any) -> Any:
    """What an operator makes of these values; None when this module does not know."""
    import numpy as np

    if operator.op == "CLAMP":
        kind = {"INT8": "int8", "INT16": "int16"}.get(block.tensors[source].type)
        if kind is None:
            return None
        low, high = (int(np.frombuffer(bytes(operator.attribute[key]), kind)[0]) for key in ("min_val", "max_val"))
        return values.clip(low, high)
    if operator.op == "MUL":
        other, shift = (_number(block, name) for name in (_other(operator, source), operator.inputs[2]))
        return None if other is None or shift != 0 else values * other
    return _rescaled(block, operator, values)


def _other(operator: Operator, source: str) -> str:
    return operator.inputs[1] if operator.inputs[0] == source else operator.inputs[0]


def _rescaled(block: Block, operator: Operator, values: Any) -> Any:
    """RESCALE of TOSA 1.0 with one multiplier of 32 bits, rounded once."""
    import numpy as np

    attribute = operator.attribute
    known = attribute.get("scale32") and attribute.get("rounding_mode", _SINGLE_ROUND) == _SINGLE_ROUND
    if not known or attribute.get("input_unsigned") or attribute.get("output_unsigned"):
        return None
    constants = [block.constant(name) for name in operator.inputs[1:5]]
    if any(one is None or one.size != 1 for one in constants):
        return None
    multiplier, shift, input_zero, output_zero = (int(one.ravel()[0]) for one in constants if one is not None)
    if shift < 1:
        return None
    product = [(int(value) - input_zero) * multiplier + (1 << (shift - 1)) >> shift for value in values]
    limits = {"INT8": (-128, 127), "INT16": (-32768, 32767), "INT32": (-(1 << 31), (1 << 31) - 1)}
    low, high = limits[block.tensors[operator.outputs[0]].type]
    return np.array([one + output_zero for one in product], dtype=np.int64).clip(low, high)
