"""The committed streams: what random data rarely reaches, against values from exact fractions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.npu import directed, native, program

STREAMS = sorted(directed.FOLDER.glob("*.toml"))
TESTS = [test for path in STREAMS for test in program.read(path)]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.title)
def test_the_emulator_gives_the_expected_bytes(test: program.StreamTest) -> None:
    """And takes no more scratch memory than it announced."""
    outcome, differences = test.run(native.emulator())

    assert (outcome.code, outcome.text) == (0, "")
    assert differences == []
    assert outcome.scratch_peak <= outcome.scratch_size


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.title)
def test_every_version_of_the_emulator_gives_the_expected_bytes(test: program.StreamTest) -> None:
    """Whatever instructions of the processor it uses; it announces the same scratch memory."""
    runs = {version.choose(): test.run(version) for version in native.versions()}

    found = {name: (run.code, run.text, run.scratch_size, differ) for name, (run, differ) in runs.items()}
    assert found == dict.fromkeys(("scalar", "plain", *runs), (0, "", runs["scalar"][0].scratch_size, []))


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_the_committed_streams_are_up_to_date(path: Path) -> None:
    """Else run `python -m tests.npu.directed`."""
    assert path.read_text(encoding="utf-8") == directed.outputs()[path]
