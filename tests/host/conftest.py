"""A program for the tests of the host library."""

import pytest
from host_programs import FILES

from etbuild.host.program import HostProgram


@pytest.fixture(scope="module")
def linear() -> HostProgram:
    return HostProgram(FILES / "linear_u55.pte")
