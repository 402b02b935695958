"""What a warm-up leaves behind; that it changes no byte of a build is in tests/e2e."""

from pathlib import Path

import pytest

from etbuild.build_engine.server import protocol
from etbuild.compile_server import warm_up


@pytest.mark.usefixtures("run_folder")
def test_the_folder_of_a_killed_warm_up_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping a server soon after its start kills one; the disk does not fill up with their folders."""
    monkeypatch.setattr(warm_up, "_steps", lambda root: iter(()))
    monkeypatch.chdir(tmp_path)
    folder = protocol.private_folder() / "warm-up"
    (folder / "small-killed/build").mkdir(parents=True)
    (folder / "small-killed.lock").touch()

    warm_up.warm_up()

    assert list(folder.iterdir()) == []
