"""Keys of actions: what is hashed, written down so that a change of it is not made unnoticed."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from etbuild.build_engine.cache.key import first_key, second_key
from etbuild.build_engine.decision import CurrentState
from etbuild.build_engine.step import Step

STEP = Step("vela:net@a", ("--x", "1"), ("in",), ("build/z", "build/a"), ("vela",), "build/z")
CURRENT = CurrentState({"in": "i1"}.get, lambda _: {"vela": "5"}, lambda _: {"vela.py": "s1"})  # type: ignore[arg-type]


def test_the_first_key_is_a_hash_of_all_that_a_step_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines with equal keys share outputs. Who changes this text counts FORMAT up: all stores are then empty."""
    names = ("sysname", "nodename", "release", "version", "machine")
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(names))
    text = (
        '{"argv": ["--x", "1"], "depfile": "build/z", "format": 1, "inputs": {"in": "i1"}, "kind": "vela", '
        '"machine": ["sysname", "machine"], "outputs": ["build/a", "build/z"], "source": {"vela.py": "s1"}, '
        '"tools": {"vela": "5"}}'
    )

    assert first_key(STEP, CURRENT) == hashlib.sha256(text.encode()).hexdigest()


def test_the_second_key_adds_what_a_run_has_read() -> None:
    """In whatever order it was read."""
    text = json.dumps(["first", [["a.py", "d1"], ["b.py", "d2"]]])

    assert second_key("first", {"b.py": "d2", "a.py": "d1"}) == hashlib.sha256(text.encode()).hexdigest()
