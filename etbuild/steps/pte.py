"""The .pte of one target: the lowered program joined with the delegates' streams; and its manifest.

build/<recipe>/<variant>/: model.pte, manifest.json; on request model.ptd (weights outside the .pte),
model.bpte (the .pte with the golden vectors bundled in), model.etrecord. It lowers nothing and runs no Vela.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.build_engine.step import Step
from etbuild.compile.lowered import read_lowered
from etbuild.compile.pte_writer import PLACEMENT, join
from etbuild.compile.vela_flags import add_target_options, read_target, target_json, target_options
from etbuild.errors import StepError, exit_code_of
from etbuild.pte.vela_writer import NamedData, move_weights_out
from etbuild.report.manifest import TOOLS, Accounts, manifest
from etbuild.steps.options import option
from etbuild.system.provenance import digests

if TYPE_CHECKING:
    from etbuild.hardware.targets import Target
    from etbuild.recipe.recipe import Recipe


def step(recipe: Recipe, target: Target) -> Step:
    base = Path("build") / recipe.name
    lowering, folder = base / target.profile, base / target.variant
    npu = target.npu != "none"
    inputs = {
        "--lowered": lowering / "lowered.bin",
        "--partition": lowering / "partition.json",
        "--quantization": lowering / "quantization.json",
        "--model-inputs": base / "export" / "deps.json",
        "--streams": folder / "vela" if npu else None,
        "--vela": folder / "vela.json" if npu else None,
        "--golden": lowering / "golden.npz" if recipe.pte.bundled_io else None,
        "--etrecord": lowering / "model.etrecord" if recipe.pte.etrecord else None,
    }
    made = ["model.pte", "manifest.json"]
    made += ["model.ptd"] if recipe.pte.external_weights and npu else []
    made += ["model.bpte"] if recipe.pte.bundled_io else []
    made += ["model.etrecord"] if recipe.pte.etrecord else []
    return Step(
        name=f"pte:{recipe.name}@{target.variant}",
        argv=(
            *(target_options(target) if npu else ("--npu", "none")),
            *(word for name, path in inputs.items() for word in option(name, path)),
            *(("--external-weights",) if recipe.pte.external_weights and npu else ()),
            *("--output", str(folder)),
        ),
        inputs=tuple(path for path in inputs.values() if path),
        outputs=tuple(folder / name for name in made),
        tools=TOOLS,
    )


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    target = read_target(options)
    from etbuild.compile import compiler_imports

    if options.golden or options.external_weights:
        compiler_imports.load_executorch()
    options.output.mkdir(parents=True, exist_ok=True)
    pte = options.output / "model.pte"
    with compiler_imports.serializer() as serializer:
        lowered = read_lowered(options.lowered)
        streams, weights = _streams(options.streams, len(lowered.delegates)), list[NamedData]()
        if options.external_weights:
            moved = [move_weights_out(stream, PLACEMENT) for stream in streams]
            streams, weights = [stream for stream, _ in moved], [data for _, data in moved]
        pte.write_bytes(join(serializer, lowered, streams, target, options.external_weights))
    beside = _write_beside(options, pte, weights)
    report = manifest(pte, target_json(target), _accounts(options), beside)
    (options.output / "manifest.json").write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _streams(folder: Path | None, count: int) -> list[bytes]:
    paths = [folder / f"{number}.bin" for number in range(count)] if folder else []
    missing = [path for path in paths if not path.is_file()]
    if missing or (count and not folder):
        raise StepError(f"{missing[0] if missing else '--streams'}: got no stream, wanted one for each delegate")
    return [path.read_bytes() for path in paths]


def _accounts(options: argparse.Namespace) -> Accounts:
    partition = json.loads(options.partition.read_text())
    vela = json.loads(options.vela.read_text()) if options.vela else None
    others = [json.loads(path.read_text()) for path in (options.model_inputs, options.quantization)]
    found = digests((options.lowered, options.golden))
    for report in (*others, partition, vela or {}):
        found |= report.get("digests", {})
    return Accounts(partition, vela, found)


def _write_beside(options: argparse.Namespace, pte: Path, weights: Sequence[NamedData]) -> list[Path]:
    beside = []
    if options.external_weights:
        beside.append(pte.with_suffix(".ptd"))
        beside[-1].write_bytes(_data_file(weights))
    if options.golden:
        beside.append(pte.with_suffix(".bpte"))
        beside[-1].write_bytes(_bundle(pte, options.golden))
    if options.etrecord:
        beside.append(pte.with_suffix(".etrecord"))
        shutil.copyfile(options.etrecord, beside[-1])
    return beside


def _data_file(weights: Sequence[NamedData]) -> bytes:
    """A .ptd with the delegates' weights under their keys."""
    from executorch.exir._serialize._named_data_store import NamedDataStore
    from executorch.exir._serialize.data_serializer import DataPayload
    from executorch.extension.flat_tensor.serialize.serialize import FlatTensorConfig, FlatTensorSerializer

    from etbuild.pte.vela_writer import ALIGNMENT

    store = NamedDataStore()
    for one in weights:
        store.add_named_data(one.key, one.data, alignment=ALIGNMENT, external_tag=PLACEMENT)
    named = store.get_named_data_store_output()
    payload = DataPayload(buffers=named.buffers, named_data=named.external_data[PLACEMENT])
    return bytes(FlatTensorSerializer(FlatTensorConfig(segment_alignment=128)).serialize(payload))


def _bundle(pte: Path, golden: Path) -> bytes:
    """A .bpte: the program with each golden vector as a test case of "forward"."""
    import numpy as np
    import torch
    from executorch.devtools import BundledProgram
    from executorch.devtools.bundled_program.config import MethodTestCase, MethodTestSuite
    from executorch.devtools.bundled_program.serialize import serialize_from_bundled_program_to_flatbuffer

    def column(arrays: Any, name: str) -> list[Any]:
        count = sum(key.startswith(f"{name}_") and key[len(name) + 1 :].isdecimal() for key in arrays.files)
        return [torch.from_numpy(arrays[f"{name}_{index}"]) for index in range(count)]

    with np.load(golden, allow_pickle=False) as arrays:
        inputs, outputs = column(arrays, "input"), column(arrays, "output")
    cases = [
        MethodTestCase(inputs=[one[vector] for one in inputs], expected_outputs=[one[vector] for one in outputs])
        for vector in range(len(inputs[0]))
    ]
    bundle = BundledProgram(None, [MethodTestSuite(method_name="forward", test_cases=cases)], pte_file_path=str(pte))
    return bytes(serialize_from_bundled_program_to_flatbuffer(bundle))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.steps.pte", description=__doc__, allow_abbrev=False)
    add_target_options(parser)
    parser.add_argument("--lowered", type=Path, required=True, help="lowered.bin")
    parser.add_argument("--partition", type=Path, required=True, help="partition.json")
    parser.add_argument("--quantization", type=Path, required=True, help="quantization.json")
    parser.add_argument("--model-inputs", type=Path, required=True, help="deps.json of step export")
    parser.add_argument("--streams", type=Path, help="folder with 0.bin, 1.bin...")
    parser.add_argument("--vela", type=Path, help="vela.json")
    parser.add_argument("--golden", type=Path, help="golden.npz: also write model.bpte with its vectors")
    parser.add_argument("--etrecord", type=Path, help="the record of step lower, to be laid beside the .pte")
    parser.add_argument("--external-weights", action="store_true", help="the delegates' weights go to model.ptd")
    parser.add_argument("--output", type=Path, required=True, help="folder of the variant")
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
