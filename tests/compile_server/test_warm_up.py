"""What a rehearsal leaves behind; that it changes no byte of a build is in tests/e2e."""

from pathlib import Path

import pytest

from etbuild.build_engine.server import protocol
from etbuild.compile_server import warm_up


@pytest.mark.usefixtures("run_folder")
def test_a_killed_rehearsal_leaves_its_folder_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is told to stop soon after its start kills one; the disk does not fill up with them."""
    monkeypatch.setattr(warm_up, "_steps", lambda root: iter(()))
    monkeypatch.chdir(tmp_path)
    folder = protocol.private_folder() / "rehearsal"
    (folder / "small-killed/build").mkdir(parents=True)
    (folder / "small-killed.lock").touch()

    warm_up.rehearse()

    assert list(folder.iterdir()) == []
