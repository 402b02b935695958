"""MobileNetV2 224x224 on the emulated Ethos-U65-256: one image against the TOSA reference model and XNNPACK, and 1,000.

    python -m benchmarks.emulator [--rounds 5] [--images 1000] [--pte build/mv2_u65/ethos-u65-256/model.pte]

The TOSA reference model runs the same delegate, and its outputs must be equal. XNNPACK runs the same network, quantised
for it, as a program of ExecuTorch: a figure for a library that computes the same on this processor. All on one core;
what is compared alternates, and the least CPU time of the rounds counts. The images run on all cores.

The first run lowers the model (half a minute) and keeps the artefacts in the cache that the grid tests use; without
--pte the recipe mv2_u65 is built, too, which takes a minute, as does the program for XNNPACK.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import bench
from etbuild.host.parallel import ParallelPrograms
from etbuild.host.program import HostProgram
from etbuild.system.processors import processors
from tests.npu import artifacts, grid, native
from tests.npu.corpus import OpModel

NPU = "ethos-u65-256"
RECIPE = "mv2_u65"
SHAPE = (1, 3, 224, 224)
# Of the TOSA reference model's and of XNNPACK's time, and seconds for 1,000 images on two cores.
OF_REFERENCE, OF_XNNPACK, SECONDS = 0.4, 2.5, 60.0
MODELS = Path(__file__).parents[1] / "recipes" / "models"


def model() -> Any:
    """The recipes' model."""
    sys.path.insert(0, str(MODELS))
    import mobilenetv2

    return mobilenetv2.ModelUnderTest


def least(rounds: int, *works: Callable[[], object]) -> list[float]:
    """The least CPU seconds of each; they alternate."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, found in zip(works, times, strict=True):
            start = time.process_time()
            work()
            found.append(time.process_time() - start)
    return [min(found) for found in times]


def against_reference(rounds: int) -> bool:
    """The delegate alone; whether its outputs are equal and it takes few enough of the reference model's time."""
    import tosa_reference_model as reference

    setup = grid.default_setup(NPU)
    network = OpModel("mobilenetv2", model, (SHAPE,))
    (partition,) = artifacts.lowered(network, "int8", setup.profile).partitions
    compiled, case = artifacts.compiled(partition.tosa, setup), partition.cases[0]
    emulator = native.versions()[-1]
    verdict = grid.run_case(emulator, compiled, case)
    ours, theirs = least(
        rounds,
        lambda: grid.run_case(emulator, compiled, case),
        lambda: reference.run(partition.tosa, list(case.inputs)),
    )
    outputs, _ = reference.run(partition.tosa, list(case.inputs))
    same = verdict.state == "exact" and np.array_equal(
        np.asarray(outputs[0]).view(np.int8).ravel(), case.outputs[0].ravel()
    )
    print(f"MobileNetV2 on {NPU} ({emulator.choose()}): {ours * 1000:.1f} ms, outputs {verdict.state}")
    return same and is_within(OF_REFERENCE, "TOSA reference model", ours, theirs)


def is_within(most: float, peer: str, ours: float, theirs: float) -> bool:
    ratio = ours / theirs
    print(f"{peer}: {theirs * 1000:.1f} ms, ratio {ratio:.2f}, wanted at most {most}", flush=True)
    return ratio <= most


def xnnpack_program() -> bytes:
    """The same network for XNNPACK: int8, a scale for each channel of the weights."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from executorch.exir import to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    example = (torch.from_numpy(images(1)[0]),)
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(torch.export.export(model().eval(), example).module(), quantizer)
    prepared(*example)
    exported = torch.export.export(convert_pt2e(prepared), example)
    return bytes(to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch().buffer)


def images(count: int) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    random = np.random.default_rng(0)
    return [random.standard_normal(SHAPE, dtype=np.float32) for _ in range(count)]


def against_xnnpack(pte: Path, rounds: int) -> bool:
    """Whole programs, from float to float; whether ours takes few enough of XNNPACK's time."""
    import torch
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    ours = HostProgram(pte)
    with tempfile.NamedTemporaryFile(suffix=".pte") as file:
        file.write(xnnpack_program())
        file.flush()
        theirs = Runtime.get().load_program(file.name).load_method("forward")
        portable_lib._unsafe_reset_threadpool(1)
        assert theirs is not None
        (image,) = images(1)
        tensor = [torch.from_numpy(image)]
        for _ in range(3):  # until weights and tables are decoded
            ours.run(image)
            theirs.execute(tensor)
        mine, peer = least(10 * rounds, lambda: ours.run(image), lambda: theirs.execute(tensor))
    print(f"{RECIPE}, one image from float to float: {mine * 1000:.1f} ms")
    return is_within(OF_XNNPACK, "XNNPACK", mine, peer)


def many_images(pte: Path, count: int) -> bool:
    """Whether 1,000 images run in time on two cores."""
    samples = itertools.islice(itertools.cycle([(image,) for image in images(16)]), count)
    start, used = time.perf_counter(), time.process_time()
    with ParallelPrograms(lambda: HostProgram(pte)) as programs:
        ran = sum(1 for _ in programs.run(samples))
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    most = SECONDS * count / 1000 * 2 / processors()
    print(f"{ran:,} images on {processors()} cores: {seconds:.1f} s ({cpu:.1f} s of CPU), wanted at most {most:.0f} s")
    return seconds <= most


def compare(pte: Path, rounds: int, count: int) -> bool:
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_cores)})
    good = [against_reference(rounds), against_xnnpack(pte, rounds)]
    os.sched_setaffinity(0, all_cores)
    return all([*good, many_images(pte, count)])


def main(argv: list[str]) -> int:
    """Print the comparisons; 1 when the outputs differ or a figure is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--pte", type=Path)
    options = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if options.pte:
        return int(not compare(options.pte, options.rounds, options.images))
    with bench() as project:
        project.doit(f"pte:{RECIPE}")
        pte = project.root / "build" / RECIPE / NPU / "model.pte"
        return int(not compare(pte, options.rounds, options.images))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
