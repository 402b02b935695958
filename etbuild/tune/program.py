"""The program with which a worker of a Dask scheduler builds one group of candidates: `main([task, figures])`.

Both are files: the pickled subject and candidates, from a machine that may run code on this one anyway, and JSON.
"""

from __future__ import annotations

import json
import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str]) -> int:
    """raises: StepError for a machine that cannot run a program on the host: none of its figures would count."""
    task, figures = map(Path, argv)
    from etbuild.compile import compiler_imports
    from etbuild.host.library import warm_library

    tempfile.tempdir = str(Path.cwd())  # The step's sandbox, which is removed also after the step was killed.
    compiler_imports.load_executorch()
    warm_library()
    from etbuild.tune.build import builds_for

    subject, group = pickle.loads(task.read_bytes())
    figures.write_text(json.dumps(builds_for(subject)(group)), encoding="utf-8")
    return 0
