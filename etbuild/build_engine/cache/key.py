"""The keys of an action: equal keys, equal outputs. Nothing here looks at a disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from etbuild.build_engine.cache.store import FORMAT

if TYPE_CHECKING:
    from etbuild.build_engine.decision import Present
    from etbuild.build_engine.step import Step


def first_key(step: Step, present: Present) -> str:
    """Of all that a step declares. Names take part as they are: outputs may hold them, wherever the checkout is."""
    system = os.uname()
    return _hash(
        {
            "format": FORMAT,
            # One line of a compiler's --version may speak for several architectures.
            "machine": [system.sysname, system.machine],
            "kind": step.kind,
            "argv": step.argv,
            "inputs": {str(path): present.digest(path) for path in step.inputs},
            "outputs": sorted(map(str, step.outputs)),
            "depfile": str(step.depfile),
            "tools": dict(present.tools(step)),
            "source": dict(present.source(step)),
        }
    )


def second_key(first: str, discovered: Mapping[str, str]) -> str:
    """Of the declared and the discovered. discovered: digest by path; empty for a step without a depfile."""
    return _hash([first, sorted(discovered.items())])


def _hash(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
