"""`etbuild run`: runs a .pte on .npy inputs and numbers, its delegates on an emulated NPU.

It checks no output; step run does.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.errors import UsageError
from etbuild.system.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etbuild.host.observation import Event, Hazard
    from etbuild.host.own_kernels import OwnKernels
    from etbuild.host.program import HostProgram


_INPUT_HELP = (
    "one for each input, in order; for one that is no tensor a number, true, false or none; all these may be left out"
)

_WORDS = {"true": True, "false": False, "none": None}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.pte")
    parser.add_argument("--method", default="", metavar="NAME", help="the method to run [default: the first]")
    parser.add_argument("--input", action="append", default=[], metavar="X.npy", help=_INPUT_HELP)
    parser.add_argument("--output", metavar="FOLDER", help="folder for output_0.npy...")
    parser.add_argument("--data", metavar="FILE.ptd", help="file with the weights that are not in the .pte")
    parser.add_argument(
        "--memory-limit",
        metavar="SIZE",
        default="2G",
        help="the most memory that the .pte may ask for altogether: 500M, 4G [default: 2G]",
    )
    parser.add_argument(
        "--kernel", action="append", default=[], metavar="FILE", help="C++ file with kernels of yours, or its header"
    )
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="number of runs; the fastest is printed")
    parser.add_argument("--trace", metavar="FILE.json", help="write one event per NPU operation, for Perfetto")
    parser.add_argument(
        "--etdump",
        metavar="FILE.etdp",
        help="write an ETDump, for ExecuTorch's Inspector, and FILE.debug.bin beside it",
    )
    parser.add_argument(
        "--check-hazards",
        action="store_true",
        help="report reads of bytes that were never written, or that another result has overwritten",
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit code 1 when --check-hazards finds a read of bytes that were never written."""
    from etbuild.host.program import HostProgram
    from etbuild.pte.methods import listed
    from etbuild.verify.host_run import own_kernels

    if arguments.repeat < 1:
        raise UsageError(f"--repeat: got {arguments.repeat}, wanted at least 1")
    limit = parse_size(arguments.memory_limit)
    if not limit:
        raise UsageError(f"--memory-limit: got {arguments.memory_limit}, wanted a size such as 500M or 4G")
    kernels = own_kernels(tuple(map(Path, arguments.kernel)))
    data = Path(arguments.data) if arguments.data else None
    program = HostProgram(arguments.file, data, memory_limit=limit, kernels=kernels, method=arguments.method)
    if len(program.methods) > 1 and not arguments.method:
        print(f"method {listed(program.methods[:1])} of {listed(program.methods)}")
    inputs = [_input(text) for text in arguments.input]
    times: list[float] = []
    outputs: tuple[Any, ...] = ()
    for _ in range(arguments.repeat):
        begin = time.perf_counter()
        outputs = program.run(*inputs)
        times.append(time.perf_counter() - begin)
    for index, (array, info) in enumerate(zip(outputs, program.outputs, strict=True)):
        print(f"output {index}: {info.dtype}{list(array.shape)} {_summary(array)}")
        if arguments.output:
            _write(Path(arguments.output) / f"output_{index}.npy", array)
    print(f"{min(times) * 1e3:.2f} ms on the host (emulated NPU), fastest of {arguments.repeat}")
    hazards: tuple[Hazard, ...] = ()
    if arguments.trace or arguments.check_hazards:
        seen = program.observe(*inputs, hazards=arguments.check_hazards)
        hazards = seen.hazards
        if arguments.trace:
            _write_trace(Path(arguments.trace), Path(arguments.file), program, seen.events)
    if arguments.etdump:
        _write_etdump(arguments, (limit, kernels), inputs)
    for hazard in hazards:
        print(hazard)
    if arguments.check_hazards:
        print(f"hazards: {len(hazards)}")
    return 1 if any(hazard.kind == "never written" for hazard in hazards) else 0


def _input(text: str) -> Any:
    """A number or none, or the array in a file."""
    if text in _WORDS:
        return _WORDS[text]
    for parse in (int, float):
        try:
            return parse(text)
        except ValueError:
            continue
    return _read(Path(text))


def _read(path: Path) -> Any:
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path}: got {error}, wanted an array as numpy.save writes it") from error
    if not isinstance(array, np.ndarray):
        raise UsageError(f"{path}: got several arrays, wanted one (.npy)")
    return array


def _write(path: Path, array: Any) -> None:
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def _write_trace(path: Path, pte: Path, program: HostProgram, events: tuple[Event, ...]) -> None:
    from etbuild.host.chrome_trace import chrome_trace
    from etbuild.npu.debug_database import layers_of_delegate

    first = program.first_delegate
    layers = [layers_of_delegate(pte, first + number) for number in range(program.delegates)]
    trace = chrome_trace(events, lambda delegate, word: layers[delegate].at(word))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(trace, indent=1) + "\n", encoding="utf-8")


def _write_etdump(arguments: argparse.Namespace, opened: tuple[int, OwnKernels], inputs: Sequence[Any]) -> None:
    """opened: memory limit and kernels, with which the program is opened again."""
    from etbuild.host.recording import RecordedProgram
    from etbuild.verify.etdump import dump_vectors

    pte = Path(arguments.file)
    data = Path(arguments.data) if arguments.data else None
    program = RecordedProgram(pte, data, *opened, method=arguments.method)
    dump_vectors(program, pte, [inputs], Path(arguments.etdump))


def _summary(array: Any) -> str:
    """A few values that identify the array."""
    if array.size == 0:
        return "empty"
    flat = array.reshape(-1)
    if array.size <= 10:
        return " ".join(f"{value:g}" for value in flat.tolist())
    return f"from {flat.min():g} to {flat.max():g}, largest at {int(flat.argmax())}"
