"""Says why PyTorch's or ExecuTorch's compiler failed: the cause behind its wrappers, the pass, the node and its line.

It repairs nothing.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from etbuild.compile.exported_program import source_line
from etbuild.compile.inputs import described
from etbuild.errors import EtbuildError, StepError

# The message of a pass manager that a pass has failed; its names are those of adapters, and the cause is in __cause__.
_WRAPPER = "An error occurred when running the '"
_HALF_FLOATS = ("torch.bfloat16", "torch.float16")


@contextmanager
def explained(what: str, program: Any) -> Iterator[None]:
    """Inside this context any error of the compiler becomes a StepError that says why.

    what:    what is done, the beginning of the message.
    program: the ExportedProgram or GraphModule that is compiled.
    """
    try:
        yield
    except EtbuildError:
        raise
    except Exception as error:
        own = next((one for one in _chain(error) if isinstance(one, EtbuildError)), None)
        if own is not None:  # Of a pass of the recipe; a pass manager has wrapped it.
            raise own from None
        raise StepError(f"{what}: {_why(error, program)}") from error


def _why(error: BaseException, program: Any) -> str:
    """The end of a message: "got <error>", then lines with what is known of pass, node, cause and type of floats."""
    chain = list(_chain(error))
    named = next((one for one in chain if not str(one).startswith(_WRAPPER)), chain[-1])
    where = [f"pass {name}" for name in [_pass_of(chain)] if name]
    where += [_described_node(node) for node in [_node_of(chain)] if node is not None]
    lines = [f"got {described(named)}"]
    if where:
        lines.append("in " + ", ".join(where))
    if chain[-1] is not named and described(chain[-1]) != described(named):
        lines.append(f"caused by {described(chain[-1])}")
    half = _half_float(program)
    if half:
        lines.append(f"the model computes in {half.removeprefix('torch.')}; an NPU and its CPU kernels take float32")
        lines.append("use model.float() and inputs of torch.float32")
    return "\n    ".join(lines)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, the innermost last."""
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        seen.append(one)
        yield one
        one = one.__cause__


def _frames(chain: Sequence[BaseException]) -> Iterator[dict[str, Any]]:
    """The local variables of the frames of all errors, the innermost first."""
    for error in reversed(chain):
        yield from (frame.f_locals for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))))


def _pass_of(chain: Sequence[BaseException]) -> str:
    """The class of the innermost pass that ran; "" when none did."""
    from executorch.exir.pass_base import ExportedProgramPassBase
    from torch.fx.passes.infra.pass_base import PassBase

    selves = (variables.get("self") for variables in _frames(chain))
    passes = (type(one).__name__ for one in selves if isinstance(one, PassBase | ExportedProgramPassBase))
    return next((name for name in passes if not name.startswith("_")), "")


def _node_of(chain: Sequence[BaseException]) -> Any:
    """The node that was being compiled: the innermost call with a line of the model, or any call, or any node."""
    import torch

    nodes = [one for variables in _frames(chain) for one in variables.values() if isinstance(one, torch.fx.Node)]
    calls = [node for node in nodes if node.op == "call_function"]
    with_line = [node for node in calls if _line(node)]
    return next(iter([*with_line, *calls, *nodes]), None)


def _line(node: Any) -> str | None:
    return source_line(node.meta.get("stack_trace"))


def _described_node(node: Any) -> str:
    target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    line = _line(node) or next(filter(None, map(_line, node.users)), None)
    what = f"node {node.name}" if node.op != "call_function" else f"node {node.name} ({target})"
    return f"{what} of {line}" if line else what


def _half_float(program: Any) -> str:
    """The type of the first tensor of half floats in a graph; "" when there is none."""
    for node in program.graph.nodes:
        kind = str(getattr(node.meta.get("val"), "dtype", ""))
        if kind in _HALF_FLOATS:
            return kind
    return ""
