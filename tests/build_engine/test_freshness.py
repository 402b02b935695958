"""Agreements: a record that agreed is not read again while it and all that it speaks of stay the same."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from etbuild.build_engine.decision import Present, Record
from etbuild.build_engine.freshness import Agreements
from etbuild.build_engine.step import Step
from etbuild.system.digests import AT_REST_NS, Stamp

STEP = Step("vela:net@a", ("--memory-mode", "Shared_Sram"), (Path("in"),), (Path("build/out"),), ("ethos-u-vela",))
RECORD = Record(
    STEP.argv, {"ethos-u-vela": "5.1.0"}, {"vela.py": "s1"}, {"in": "i1"}, {"blocks.py": "m1"}, {"build/out": "o1"}
)
FILES = {"in": "i1", "blocks.py": "m1", "build/out": "o1"}
AT_REST: Stamp = (1, 2, 3, 4, time.time_ns() - 2 * AT_REST_NS)


def agreements(
    folder: Path,
    files: Mapping[str, str | None] = FILES,
    tools: Mapping[str, str] = RECORD.tools,
    source: Mapping[str, str] = RECORD.source,
) -> Agreements:
    present = Present(lambda path: files.get(str(path)), lambda _: tools, lambda _: source)
    return Agreements(present, folder / "memory.json")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder whose memory holds that RECORD agreed."""
    noted = agreements(tmp_path)
    noted.note(STEP, AT_REST, RECORD)
    noted.save()
    return tmp_path


def test_what_agreed_holds(kept: Path) -> None:
    """In another process too."""
    assert agreements(kept).holds(STEP, AT_REST)


def test_another_stamp_of_the_record_does_not(kept: Path) -> None:
    """It may say something else now."""
    assert not agreements(kept).holds(STEP, (*AT_REST[:-1], AT_REST[-1] + 1))


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("digest", ["other", None])
def test_another_file_does_not(kept: Path, path: str, digest: str | None) -> None:
    """Input, discovered input, output; changed or gone."""
    assert not agreements(kept, {**FILES, path: digest}).holds(STEP, AT_REST)


def test_another_setting_tool_or_source_does_not(kept: Path) -> None:
    """All that `reasons` compares."""
    said = [
        agreements(kept).holds(replace(STEP, argv=("--memory-mode", "Sram_Only")), AT_REST),
        agreements(kept).holds(replace(STEP, inputs=()), AT_REST),
        agreements(kept, tools={"ethos-u-vela": "5.0.0"}).holds(STEP, AT_REST),
        agreements(kept, source={"vela.py": "s2"}).holds(STEP, AT_REST),
    ]

    assert said == [False, False, False, False]


def test_a_record_that_was_just_written_is_read_again(tmp_path: Path) -> None:
    """It may change once more under the same stamp."""
    noted = agreements(tmp_path)
    noted.note(STEP, (1, 2, 3, 4, time.time_ns()), RECORD)
    noted.save()

    assert not (tmp_path / "memory.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"vela:net@a": 1}', json.dumps({STEP.name: [1, 2]})])
def test_a_damaged_memory_costs_time_only(kept: Path, text: str) -> None:
    """The record is read."""
    (kept / "memory.json").write_text(text)

    assert not agreements(kept).holds(STEP, AT_REST)
