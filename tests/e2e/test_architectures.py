"""Whole networks, every layer of them, with weights by seed: built for three NPUs in int8 and int16x8, run on the host.

Every delegate must give the integers of the TOSA reference model. What a compiler does wrong is in docs/networks.json
with the words of the message; a fault that is gone fails here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from distribution import ROOT

from tests.e2e import networks

SOURCES = Path(__file__).parent / "architectures"
NETWORKS = networks.load()


def recipe(network: networks.Network, scheme: str) -> str:
    targets = [{"npu": npu, "system_config": name, "memory_mode": "Shared_Sram"} for npu, name in NETWORKS.npus.items()]
    where = {"source": f"models/{network.source}.py", "entry": network.name}
    return json.dumps({"model": where, "quantize": {"scheme": scheme}, "targets": targets, "run": {"on": "host"}})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(SOURCES, root / "recipes/models", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", root)
    for network in NETWORKS.networks:
        for scheme in NETWORKS.schemes:
            (root / f"recipes/{network.name}_{scheme}.yaml").write_text(recipe(network, scheme))
    return root


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("scheme", NETWORKS.schemes)
@pytest.mark.parametrize("network", [network.name for network in NETWORKS.networks])
def test_a_network_gives_the_reference_models_integers(project: Path, network: str, scheme: str) -> None:
    """On U55, U65 and U85, on every test vector."""
    name = f"{network}_{scheme}"
    command = [str(Path(sys.executable).with_name("doit")), "-c", f"build:{name}"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(project)}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr

    runs = {npu: project / "build" / name / npu / "run.json" for npu in NETWORKS.npus}
    failed = {npu for npu, file in runs.items() if not file.exists()}
    faults = {npu: fault for npu in NETWORKS.npus if (fault := NETWORKS.fault(network, scheme, npu))}
    assert failed == set(faults), said
    assert [fault.said for fault in faults.values() if fault.said not in said] == [], said


def test_the_page_is_made_from_the_networks() -> None:
    """docs/networks.md; `python -m tests.e2e.networks` writes it."""
    assert networks.PAGE.read_text(encoding="utf-8") == networks.page(NETWORKS) + "\n"


def test_every_network_and_every_fault_is_of_the_files_that_make_them() -> None:
    """A name in docs/networks.json is a function of the file that it names, and a fault has no other name."""
    made = {
        (file.stem, name)
        for file in SOURCES.glob("*.py")
        for name in re.findall(r"^def (\w+)\(\) -> Made:", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    names = {network.name for network in NETWORKS.networks}

    assert {(network.source, network.name) for network in NETWORKS.networks} == made
    for fault in NETWORKS.faults:
        assert (set(fault.networks) <= names, set(fault.npus) <= set(NETWORKS.npus)) == (True, True)
        assert fault.scheme in NETWORKS.schemes
