"""Whole networks, every layer of them, with weights by seed: built for three NPUs in int8 and int16x8, run on the host.

Every delegate must give the integers of the TOSA reference model. What a compiler does wrong is listed in FAULTS with
the words of the message; a fault that is gone fails here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from distribution import ROOT

SOURCES = Path(__file__).parent / "architectures"
MODELS = {
    "classifiers": (
        *("ds_cnn", "resnet8", "resnet18", "mobilenet_v1", "mobilenet_v3", "efficientnet_b0", "squeezenet"),
        *("shufflenet_v2", "densenet", "convnext"),
    ),
    "dense_outputs": ("autoencoder", "unet", "hourglass", "deeplab", "ssd_lite", "tiny_yolo"),
    "sequences": ("lstm", "gru", "tcn", "wav2letter", "matchboxnet", "crnn", "wavenet"),
    "attention": ("vit_tiny", "llama_block", "conformer", "mlp_mixer", "linear_attention"),
}
TARGETS = {
    "ethos-u55-256": "Ethos_U55_High_End_Embedded",
    "ethos-u65-512": "Ethos_U65_High_End",
    "ethos-u85-256": "Ethos_U85_SYS_DRAM_Mid",
}
# model, scheme, NPU: what the failing step says.
NO_CONV = "Vela: Non-passthrough operation (Conv2D) could not run on NPU"
NO_WRITER = "Vela: Compilation failed: TOSA FB Reader error"
# Two operations in one chain read different tables, and Vela loads one of them.
WRONG_TABLE = "looks up the same table as operation 310 of its chain"
FAULTS: dict[tuple[str, str, str], str] = {
    **{
        (model, "int16x8", npu): text
        for npu in ("ethos-u55-256", "ethos-u65-512")
        for model, text in (
            *((name, NO_CONV) for name in ("convnext", "efficientnet_b0", "hourglass")),
            ("linear_attention", NO_WRITER),
        )
    },
    ("lstm", "int16x8", "ethos-u85-256"): WRONG_TABLE,
}


def recipe(source: str, model: str, scheme: str) -> str:
    targets = [{"npu": npu, "system_config": name, "memory_mode": "Shared_Sram"} for npu, name in TARGETS.items()]
    where = {"source": f"models/{source}.py", "entry": model}
    return json.dumps({"model": where, "quantize": {"scheme": scheme}, "targets": targets, "run": {"on": "host"}})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(SOURCES, root / "recipes/models", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", root)
    for source, models in MODELS.items():
        for model in models:
            for scheme in ("int8", "int16x8"):
                (root / f"recipes/{model}_{scheme}.yaml").write_text(recipe(source, model, scheme))
    return root


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("model", [model for models in MODELS.values() for model in models])
def test_a_network_gives_the_reference_models_integers(project: Path, model: str, scheme: str) -> None:
    """On U55, U65 and U85, on every test vector."""
    name = f"{model}_{scheme}"
    command = [str(Path(sys.executable).with_name("doit")), "-c", f"build:{name}"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(project)}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr

    runs = {npu: project / "build" / name / npu / "run.json" for npu in TARGETS}
    failed = {npu for npu, file in runs.items() if not file.exists()}
    faults = {npu: FAULTS[model, scheme, npu] for npu in TARGETS if (model, scheme, npu) in FAULTS}
    assert failed == set(faults), said
    assert [text for text in faults.values() if text not in said] == [], said
