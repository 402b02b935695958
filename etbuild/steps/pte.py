"""Step pte: the .pte of one target: the lowered program with the delegates' command streams in it; and its manifest.

build/<recipe>/<variant>/: model.pte, manifest.json, what it was made from for other tools (model.cdx.json,
model.intoto.json); on request model.ptd (weights outside the .pte), model.bpte (the .pte bundled with the golden
vectors), model.etrecord with operators.json. It lowers nothing and runs no Vela.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.compile.delegate_calls import check_delegate_calls
from etbuild.compile.etrecord import add_vectors
from etbuild.compile.lowered import read_lowered
from etbuild.compile.operators_file import NAME
from etbuild.compile.pte_extras import bundle, data_file
from etbuild.compile.pte_writer import PLACEMENT, assemble
from etbuild.compile.vela_flags import target_json
from etbuild.errors import StepError, exit_code_of
from etbuild.hardware.target import Target
from etbuild.pte.vela import NamedPayload, move_weights_out
from etbuild.recipe.output_sections import Pte
from etbuild.report.manifest import TOOLS, manifest, read_reports
from etbuild.report.provenance import SBOM, STATEMENT, write_provenance
from etbuild.steps.options import from_section, inline, option, parse, plan, reads
from etbuild.system.provenance import digests

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    target: Target = inline(reads=False)  # The .pte contains the name of its config file only.
    lowered: Path = reads("lowered.bin")
    partition: Path = reads("partition.json")
    quantization: Path = reads("quantization.json")
    model_inputs: Path = reads("deps.json of step export")
    streams: Path | None = reads("folder with 0.bin, 1.bin...", None)
    vela: Path | None = reads("vela.json", None)
    golden: Path | None = reads("golden.npz: also write model.bpte with its vectors", None)
    etrecord: Path | None = reads("the record of step lower, for one with the golden vectors next to the .pte", None)
    operators: Path | None = reads("operators.json of step lower, to be copied next to the .pte", None)
    vectors: Path | None = reads("golden.npz, for the record", None)
    external_weights: bool = from_section(Pte, "external_weights")
    output: Path = option("folder of the variant")


def step(recipe: Recipe, target: Target) -> Step:
    base = Path("build") / recipe.name
    lowering, folder = base / target.profile, base / target.variant
    npu = target.npu != "none"
    extern = recipe.pte.external_weights and npu
    options = Options(
        target=target,
        lowered=lowering / "lowered.bin",
        partition=lowering / "partition.json",
        quantization=lowering / "quantization.json",
        model_inputs=base / "export" / "deps.json",
        streams=folder / "vela" if npu else None,
        vela=folder / "vela.json" if npu else None,
        golden=lowering / "golden.npz" if recipe.pte.bundled_io else None,
        **_record(lowering) if recipe.pte.etrecord else {},
        external_weights=extern,
        output=folder,
    )
    names = {
        "model.pte": True,
        "manifest.json": True,
        SBOM: True,
        STATEMENT: True,
        "model.ptd": extern,
        "model.bpte": recipe.pte.bundled_io,
        "model.etrecord": recipe.pte.etrecord,
        "operators.json": recipe.pte.etrecord,
    }
    outputs = [folder / name for name, is_written in names.items() if is_written]
    return plan(f"pte:{recipe.name}@{target.variant}", options, TOOLS[1:], outputs=outputs)


def _record(lowering: Path) -> dict[str, Path]:
    """The options of an ETRecord."""
    files = {"etrecord": "model.etrecord", "operators": NAME, "vectors": "golden.npz"}
    return {option: lowering / name for option, name in files.items()}


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.pte", __doc__)
    from etbuild.compile import compiler_imports

    if options.golden or options.external_weights or options.etrecord:
        compiler_imports.load_executorch()
    options.output.mkdir(parents=True, exist_ok=True)
    pte = options.output / "model.pte"
    with compiler_imports.serializer() as serializer:
        lowered = read_lowered(options.lowered)
        streams, weights = _streams(options.streams, len(lowered.delegates)), list[NamedPayload]()
        check_delegate_calls(lowered, streams)
        if options.external_weights:
            moved = [move_weights_out(stream, PLACEMENT) for stream in streams]
            streams, weights = [stream for stream, _ in moved], [data for _, data in moved]
        pte.write_bytes(assemble(serializer, lowered, streams, options.target, options.external_weights))
    written = _write_extras(options, pte, weights)
    steps = {"export": options.model_inputs, "quantize": options.quantization, "lower": options.partition}
    reports = read_reports(steps, options.vela, digests((options.lowered, options.golden)))
    report = manifest(pte, target_json(options.target), reports, written)
    (options.output / "manifest.json").write_text(json.dumps(report, indent=1) + "\n")
    write_provenance(report, options.output)
    return 0


def _streams(folder: Path | None, count: int) -> list[bytes]:
    paths = [folder / f"{number}.bin" for number in range(count)] if folder else []
    missing = [path for path in paths if not path.is_file()]
    if missing or (count and not folder):
        raise StepError(f"{missing[0] if missing else '--streams'}: got no stream, wanted one for each delegate")
    return [path.read_bytes() for path in paths]


def _write_extras(options: Options, pte: Path, weights: Sequence[NamedPayload]) -> list[Path]:
    written = []
    if options.external_weights:
        written.append(pte.with_suffix(".ptd"))
        written[-1].write_bytes(data_file(weights))
    if options.golden:
        written.append(pte.with_suffix(".bpte"))
        written[-1].write_bytes(bundle(pte, options.golden))
    if options.etrecord and options.operators and options.vectors:
        written.append(pte.with_suffix(".etrecord"))
        add_vectors(options.etrecord, written[-1], pte, options.vectors)
        shutil.copyfile(options.operators, written[-1].with_name(NAME))
    return written


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
