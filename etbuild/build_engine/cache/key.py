"""The keys of an action: equal keys mean equal outputs. It reads no file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from etbuild.build_engine.cache.store import FORMAT

if TYPE_CHECKING:
    from etbuild.build_engine.decision import CurrentState
    from etbuild.build_engine.step import Step


def first_key(step: Step, current: CurrentState) -> str:
    """Of everything that a step declares. Paths are part of it, because outputs may contain them."""
    system = os.uname()
    return _hash(
        {
            "format": FORMAT,
            # A compiler may print the same --version on several architectures.
            "machine": [system.sysname, system.machine],
            "kind": step.kind,
            "argv": step.argv,
            "inputs": {path: current.digest(path) for path in step.inputs},
            "outputs": sorted(step.outputs),
            "depfile": step.depfile,
            "tools": dict(current.tools(step)),
            "source": dict(current.source(step)),
        }
    )


def second_key(first: str, discovered: Mapping[str, str]) -> str:
    """Of what a step declares and what its run has read. discovered: digest by path; empty without a depfile."""
    return _hash([first, sorted(discovered.items())])


def _hash(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
