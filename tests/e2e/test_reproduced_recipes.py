"""`etbuild reproduce` with the real compilers: shipped recipes, from their manifests alone, in fresh clones."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VARIANTS = {"mnist_u55": "ethos-u55-128", "add_u65": "ethos-u65-256", "fallback_u55": "ethos-u55-128"}


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clone(folder: Path) -> Path:
    run(ROOT, "git", "clone", "-q", "--no-hardlinks", str(ROOT), str(folder))
    return folder


@pytest.mark.slow
@pytest.mark.e2e
def test_three_shipped_programs_are_rebuilt_byte_identical_in_fresh_clones(tmp_path: Path, run_folder: Path) -> None:
    """Built in one clone, rebuilt in another, which has the manifest only."""
    program = Path(sys.executable)
    first = clone(tmp_path / "first")
    tasks = [f"pte:{recipe}@{variant}" for recipe, variant in VARIANTS.items()]
    run(first, str(program.with_name("doit")), *tasks)

    for number, (recipe, variant) in enumerate(VARIANTS.items()):
        built = first / "build" / recipe / variant
        printed = run(
            clone(tmp_path / f"clone {number}"),
            *(str(program.with_name("etbuild")), "reproduce", str(built / "manifest.json")),
            *("--output", str(tmp_path / recipe)),
        )
        print(printed)
        assert "model.pte: byte-identical, sha256 " in printed
        names = ("model.pte", "manifest.json", "model.cdx.json", "model.intoto.json")
        assert [(tmp_path / recipe / name).read_bytes() for name in names] == [
            (built / name).read_bytes() for name in names
        ]
