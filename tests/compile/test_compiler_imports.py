"""How the compilers are imported, and what their files contain."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import output_of

from etbuild.compile.exported_program import portable_trace, source_line
from etbuild.compile.lowered import Lowered, read_lowered, write_lowered

pytestmark = pytest.mark.e2e


def test_libyaml_reads_the_operator_table_as_ruamel_does(tmp_path: Path) -> None:
    """Equal objects and types; `off`, 1e3 and the like differ between YAML 1.1 and 1.2."""
    code = """
from importlib import resources
from etbuild.compile import compiler_imports
compiler_imports.load_executorch()
import executorch.exir.dialects.edge as package
from executorch.exir.dialects.edge import _ops
from ruamel.yaml import YAML
text = (resources.files(package) / "edge.yaml").read_text(encoding="utf-8")
slow = {one["inherits"]: one for one in YAML(typ="safe").load(text)}
assert YAML.__module__.startswith("ruamel"), "the loader is ruamel's again"
print(repr(slow) == repr(_ops._edge_dialect_info), len(slow) > 100)
"""

    assert output_of(code, tmp_path) == "True True"


def test_the_serializer_is_imported_without_the_compiler(tmp_path: Path) -> None:
    """Neither executorch.exir nor dynamo is imported, and no placeholder is left in sys.modules."""
    code = """
import sys
from etbuild.compile import compiler_imports
with compiler_imports.serializer() as module:
    print(module.__name__, "executorch.exir.program" in sys.modules)
print("executorch.exir" in sys.modules, "torch._dynamo" in sys.modules)
"""

    assert output_of(code, tmp_path).split("\n") == ["executorch.exir._serialize._program False", "False False"]


def test_the_serializer_does_not_affect_a_loaded_compiler(tmp_path: Path) -> None:
    """The compile server has both."""
    code = """
from etbuild.compile import compiler_imports
compiler_imports.load_executorch()
import executorch.exir
with compiler_imports.serializer() as module:
    print(module.PTEFile.__module__)
import executorch.exir as again
print(again is executorch.exir, hasattr(again, "to_edge_transform_and_lower"))
"""

    assert output_of(code, tmp_path).split("\n") == ["executorch.exir._serialize._program", "True True"]


def test_the_lowered_programs_bytes_depend_on_values_alone(tmp_path: Path) -> None:
    """Not on whether two equal strings are one object."""
    text = "".join(["a", "b", "c"])
    write_lowered(Lowered({"x": text, "y": text}, None), tmp_path / "shared")
    write_lowered(Lowered({"x": "".join(["ab", "c"]), "y": "".join(["a", "bc"])}, None), tmp_path / "separate")

    assert (tmp_path / "shared").read_bytes() == (tmp_path / "separate").read_bytes()
    assert read_lowered(tmp_path / "shared").program == {"x": "abc", "y": "abc"}


def test_a_trace_has_the_users_frames_and_no_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of the compiler are removed; the innermost one left is the line in the model."""
    import torch

    monkeypatch.chdir(tmp_path)
    trace = "\n".join(
        [
            f'  File "{tmp_path}/models/net.py", line 12, in forward',
            "    return self.block(x)",
            f'  File "{torch.nn.modules.__file__}", line 99, in _call_impl',
            "    return forward_call(*args)",
            f'  File "{tmp_path}/models/block.py", line 7, in forward',
            "    return x + 1",
        ]
    )

    found = portable_trace(trace)

    assert found.splitlines() == [
        '  File "models/net.py", line 12, in forward',
        "    return self.block(x)",
        '  File "models/block.py", line 7, in forward',
        "    return x + 1",
    ]
    assert source_line(found) == "models/block.py:7"
    assert source_line(None) is None
