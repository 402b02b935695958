"""Finds the layers that cannot be in int16x8 on Ethos-U55 and U65. It knows one reason, and quantises nothing.

ExecuTorch writes a RESCALE to int32 of the 48-bit result of a layer for an addition that reads it, and one to int16 for
what else reads it; Vela joins one of them with the layer and refuses the other. An activation between avoids that.
"""

from __future__ import annotations

from typing import Any

_REFUSES = "tosa-u55"
# Their inputs become int32; what else reads a result reads it as int16.
_ELEMENTWISE = ("aten.add.", "aten.add_.", "aten.sub.", "aten.sub_.")


def narrow_modules(program: Any, profile: str) -> tuple[str, ...]:
    """Their paths, in the order of the graph. program: the exported float program."""
    if not profile.startswith(_REFUSES):
        return ()
    from etbuild.compile.weights.layers import layers_of

    found = (layer for layer in layers_of(program.module(check_guards=False)) if _is_read_as_two(layer.last))
    return tuple(dict.fromkeys(layer.name for layer in found))


def _is_read_as_two(node: Any) -> bool:
    users = list(node.users)
    return len(users) > 1 and any(str(user.target).startswith(_ELEMENTWISE) for user in users)
