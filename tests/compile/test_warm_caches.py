"""What a step finds done that a warm-up has done; that it changes no byte of a build is in tests/e2e."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import output_of

pytestmark = pytest.mark.e2e


def test_after_a_warm_up_the_composite_operators_are_collected(tmp_path: Path) -> None:
    """Also where the last step of the warm-up has loaded a module, which makes the set of an earlier step invalid."""
    code = """
import sys
from types import ModuleType
from etbuild.compile import compiler_imports
from torch._export import utils
collected = []
own = utils._collect_all_valid_cia_ops
def counted():
    collected.append(1)
    return own()
counted.__module__ = own.__module__
utils._collect_all_valid_cia_ops = counted
compiler_imports.load_torch()
from etbuild.compile_server import __main__ as server, warm_up
def last_step():
    utils._collect_all_valid_cia_ops()
    sys.modules["loaded_last"] = ModuleType("loaded_last")
warm_up.warm_up = last_step
server._warm_up()
after_warm_up = len(collected)
utils._collect_all_valid_cia_ops()
print(after_warm_up, len(collected))
"""

    assert output_of(code, tmp_path).split() == ["2", "2"]
