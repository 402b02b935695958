"""The step lint does without the cycle collector while ExecuTorch decides. Nothing is compiled here."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from etbuild.compile import compiler_imports, decisions, exported_program
from etbuild.steps import lint


def test_no_garbage_is_collected_while_the_partitioner_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a network that is unrolled into two thousand nodes, that would be 640 collections."""
    seen: dict[str, bool] = {}

    def load(_: Path) -> None:
        seen["load"] = gc.isenabled()

    def decide(*_: Any) -> decisions.Decisions:
        seen["decide"] = gc.isenabled()
        return decisions.Decisions(None, [])

    monkeypatch.setattr(compiler_imports, "load_executorch", lambda: None)
    monkeypatch.setattr(exported_program, "load_program", load)
    monkeypatch.setattr(decisions, "decide", decide)
    monkeypatch.setattr(lint, "parse", lambda *_: options)
    monkeypatch.setattr("etbuild.lint.check.findings", lambda _: [])
    (tmp_path / "net.yaml").write_text("model: {}\n")
    options = lint.Options(
        recipe="net",
        recipe_file=(tmp_path / "net.yaml",),
        part=(lint.Part("v", "tosa-u55", "ethos-u55-128"),),
        io="float32",
        rules=(),
        exclude=(),
        folder=tmp_path,
        output=tmp_path / "lint.json",
        sarif=tmp_path / "lint.sarif",
        patches=tmp_path / "lint",
        depfile=tmp_path / "deps.json",
    )

    assert lint.main([]) == 0

    assert (seen, gc.isenabled()) == ({"load": False, "decide": False}, True)
