"""What the tests of the cache share: a machine with a cache of its own."""

import os
from pathlib import Path

import pytest
from cached_project import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    made.behave()
    for name in [name for name in os.environ if name.startswith("ETBUILD_REMOTE_CACHE")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FAKE_CONTROL", str(tmp_path / "control.json"))
    monkeypatch.setenv("FAKE_RAN", str(tmp_path / "ran"))
    monkeypatch.setenv("ETBUILD_CACHE", str(made.store))
    return made
