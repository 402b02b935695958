"""Writes ExecuTorch's ETRecord of a program.

The record has the edge program before it was divided into delegates, whose nodes the Inspector compares with a run.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from etbuild.compile.exported_program import make_portable
from etbuild.pte.program import Tensor
from etbuild.pte.reader import read


def write_etrecord(path: Path, executorch: Any) -> None:
    """Write the record.

    executorch: the ExecutorchProgramManager, lowered inside `debug_handles.recorded`.
    """
    record = executorch.get_etrecord()
    # Its link to the edge program is lost in any file: the edge program is what a run is compared with.
    record.exported_program = record.export_graph_id = None
    make_portable(record.edge_dialect_program)
    numbers = record._instruction_id_to_num_outs_map["forward"]
    # The Inspector expects of every event inside a delegate as many results as the delegate has: say one.
    numbers |= dict.fromkeys(record._delegate_map["forward"], 1)
    _save(record, path)


def add_vectors(source: Path, target: Path, pte: Path, golden: Path) -> None:
    """Write a record with the first vector of golden.npz as the inputs of the compared run, and all expected outputs.

    golden: of the same lowering. The compiler must be imported.
    """
    import numpy as np
    import torch
    from executorch.devtools.etrecord import parse_etrecord

    method = read(pte).methods[0]
    values = [method.values[index] for index in method.inputs]
    with np.load(golden, allow_pickle=False) as arrays:
        first = [torch.from_numpy(arrays[f"input_{index}"][:1])[0] for index in range(len(values))]
        columns = [torch.from_numpy(arrays[f"output_{index}"]) for index in range(len(method.outputs))]
    inputs = [one if isinstance(value, Tensor) else value for one, value in zip(first, values, strict=True)]
    record = parse_etrecord(str(source))
    record.update_representative_inputs(inputs)
    record.update_reference_outputs({"forward": [[one[index] for one in columns] for index in range(len(columns[0]))]})
    _save(record, target)


def _save(record: Any, path: Path) -> None:
    """Save a record without the dates of the archive's members."""
    dated = path.with_suffix(".dated")
    record.save(str(dated))
    with zipfile.ZipFile(dated) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)
    dated.unlink()
