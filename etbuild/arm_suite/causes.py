"""Known reasons why a test of ExecuTorch's suite does not pass, or differs from the TOSA reference model.

Nothing is excused here that is not understood: each says whose fault it is, and what shows it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from etbuild.arm_suite.results import Result


class Cause(NamedTuple):
    """tests: regular expression for "function[case]". said: one for the message of the failure or the difference.
    whose: Vela, ExecuTorch, the suite or the machine. why: what happens, and how it was found."""

    tests: str
    said: str
    whose: str
    why: str


CAUSES = (
    Cause(
        r"^\[\]$",
        r"No module named '(torchvision|transformers|examples\.arm)'",
        "the machine",
        "The file imports a package that neither ExecuTorch's wheel nor etbuild installs.",
    ),
    Cause(
        r"test_div_tensor_mode_u55_INT",
        r"XPASS\(strict\)\] CPU op missing",
        "the suite",
        "Expected to fail because the suite's firmware has no CPU operators; etbuild's runtime has them, and passes.",
    ),
    Cause(
        r"test_pixel_(un)?shuffle_u55_INT",
        r"XPASS\(strict\)\] Known U55 partitioning limitation",
        "the suite",
        "Expected to fail for a large layout on Ethos-U55; Vela 5.1 compiles it, for minutes, and the result is exact. "
        "Most of the time is one loop of Vela that searches a list from its start, again and again (sampled).",
    ),
    Cause(
        r"test_index_put_u85_INT\[same_index\]",
        r"TOSA_UNPREDICTABLE",
        "the suite",
        "It passes its own comparison. The graph scatters to one index twice, of which TOSA says that the result is "
        "unpredictable, and the reference model gives none.",
    ),
    Cause(
        r"test_static_(quantized_)?cache_u85_INT",
        r"XPASS\(strict\)\].*MLBEDSW-11589",
        "the suite",
        "Expected to fail for a defect that the suite calls MLBEDSW-11589, of which nothing is published. On the "
        "emulated NPU the outputs are within the suite's tolerance, and all delegates equal the TOSA reference model.",
    ),
    Cause(
        r"lstm.*u85.*(16a8w|a16w8)",
        r"",
        "Vela",
        "LSTM with 16-bit activations on Ethos-U85: the last time step is wrong, with Vela 5.0, 5.1 and 5.2. One chain "
        "of operations holds a POOL that looks up the table of sigmoid and an ADD that looks up the table of tanh, in "
        "one slot; only tanh is loaded by DMA. Read in the stream; TOSA and PyTorch agree with each other.",
    ),
)


def cause_of(result: Result) -> Cause | None:
    """The known cause of a result that is no success; None for one that is not understood."""
    name = f"{result.function}[{result.case}]"
    said = " ".join([result.cause, *(found.why for found in result.tosa)])
    return next((one for one in CAUSES if re.search(one.tests, name) and re.search(one.said, said)), None)
