"""The program with which a worker of a Dask scheduler builds one group of candidates: `main([task, figures])`.

Both are files: the pickled subject and candidates, from a machine that may run code on this one anyway, and JSON.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str]) -> int:
    task, figures = map(Path, argv)
    import torch

    from etbuild.compile import compiler_imports

    torch.set_num_threads(1)
    compiler_imports.load_executorch()
    from etbuild.tune.build import Builder

    subject, group = pickle.loads(task.read_bytes())
    figures.write_text(json.dumps(Builder(subject).build(group)), encoding="utf-8")
    return 0
