"""The lists "How to add" of docs/architecture.md, followed to the letter in a copy of the project, and then built.

One recipe uses all of it: a new kind of step, a new recipe key, a new board and a new CPU kernel. Each list may take no
more files than MOST_FILES says, generated ones included.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_FILES = {"A step kind": 3, "A recipe key": 3, "A board": 1, "A CPU kernel": 1}

ROW = '        _row("header", "the model for C: model.h and model.S"),\n'
NEW_ROW = '        _row("crc", "the CRC-32 of model.pte"),\n'
NEW_STEP = '''\
"""Step crc: the CRC-32 of a model.pte."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import exit_code_of
from etbuild.steps.options import parse, plan, reads, writes

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    pte: Path = reads("model.pte")
    output: Path = writes("crc.txt, to be written")


def step(recipe: Recipe, target: Target) -> Step:
    folder = Path("build") / recipe.name / target.variant
    return plan(f"crc:{recipe.name}@{target.variant}", Options(pte=folder / "model.pte", output=folder / "crc.txt"), ())


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.crc", __doc__)
    options.output.write_text(f"{zlib.crc32(options.pte.read_bytes()):08x}\\n")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
'''
KEY_BEFORE = "    bytes_per_line: int = setting(\n"
NEW_KEY = """\
    banner: str = setting(
        "A line of comment at the top of the header.", "", examples=["Do not ship."], maxLength=100
    )
"""
OLD_USE = "def header_text(model: Model, settings: Header) -> str:\n"
NEW_USE = """\
def header_text(model: Model, settings: Header) -> str:
    banner = f"/* {settings.banner} */\\n" if settings.banner else ""
    return banner + _header_text(model, settings)


def _header_text(model: Model, settings: Header) -> str:
"""
NEW_KERNEL = """\
// hypot(self, other, out), with broadcasting.
#include <cmath>

#include "kernels/pointwise.h"

namespace etb {
namespace {

struct Hypot {
    float operator()(float y, float x) const { return std::hypot(y, x); }
};

Status hypot_out(Args& args) {
    const Operand y(args, 0);
    const Operand x(args, 1);
    const Operand* const all[] = {&y, &x};
    return run_pointwise(args, {map2<float, Hypot>, nullptr}, all, args.out(2));
}

}  // namespace

ETB_KERNEL(hypot, "aten::hypot.out", hypot_out);

}  // namespace etb
"""
MODEL = """\
import torch


class Angle(torch.nn.Module):
    def forward(self, y, x):
        return torch.hypot(y, x)


ModelUnderTest = Angle().eval()
ModelInputs = (torch.linspace(-1, 1, 32).reshape(4, 8), torch.linspace(1, -2, 32).reshape(4, 8))
"""
RECIPE = """\
model: {source: ../angle.py}
targets: {npu: none}
header: {banner: Do not ship.}
runtime: {board: small}
run: {on: qemu}
"""


@dataclass(frozen=True)
class Built:
    """The copy after the build. files: of etbuild and schemas, those that each list made or changed."""

    root: Path
    files: dict[str, list[str]]
    shown: str

    def output(self, name: str) -> Path:
        return self.root / "build/angle/cpu" / name


class Copy:
    """A copy of the project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {**os.environ, "PYTHONPATH": str(root), "ETBUILD_SERVER": "off"}
        for folder in ("etbuild", "schemas"):
            shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "dodo.py", root)

    def contents(self) -> dict[str, bytes]:
        files = [path for folder in ("etbuild", "schemas") for path in (self.root / folder).rglob("*")]
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in files
            if path.is_file() and "__pycache__" not in path.parts
        }

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert text.count(old) == 1, f"{name}: {old}"
        (self.root / name).write_text(text.replace(old, new))

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def doit(self, *arguments: str) -> str:
        return self.run("-c", "import sys; from doit.__main__ import main; sys.exit(main())", *arguments)


def add_step_kind(copy: Copy) -> None:
    copy.replace("etbuild/steps/kinds.py", ROW, ROW + NEW_ROW)
    (copy.root / "etbuild/steps/crc.py").write_text(NEW_STEP)


def add_recipe_key(copy: Copy) -> None:
    copy.replace("etbuild/recipe/output_sections.py", KEY_BEFORE, NEW_KEY + KEY_BEFORE)
    copy.replace("etbuild/firmware/c_header.py", OLD_USE, NEW_USE)
    copy.run("-m", "etbuild.recipe.schema")


def add_board(copy: Copy) -> None:
    boards = copy.root / "etbuild/hardware/boards"
    shutil.copy(boards / "qemu-mps3-an547.yaml", boards / "small.yaml")
    copy.replace("etbuild/hardware/boards/small.yaml", "size: 256 MiB", "size: 16 MiB")


def add_kernel(copy: Copy) -> None:
    (copy.root / "etbuild/runtime/kernels/hypot.cc").write_text(NEW_KERNEL)


LISTS = {
    "A step kind": add_step_kind,
    "A recipe key": add_recipe_key,
    "A board": add_board,
    "A CPU kernel": add_kernel,
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """All four additions in one copy, and a recipe that uses them, built and run in QEMU."""
    copy = Copy(tmp_path_factory.mktemp("copy"))
    files = {}
    for title, add in LISTS.items():
        before = copy.contents()
        add(copy)
        files[title] = [name for name, content in copy.contents().items() if before.get(name) != content]
    (copy.root / "angle.py").write_text(MODEL)
    (copy.root / "recipes").mkdir()
    (copy.root / "recipes/angle.yaml").write_text(RECIPE)
    return Built(copy.root, files, copy.doit("build:angle"))


def listed_files(title: str) -> list[str]:
    """The files that a list of the document names, of those that are ours to change."""
    document = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    text = document.split(f"### {title}\n")[1].split("\n### ")[0]
    return re.findall(r"`((?:etbuild|schemas)/[^`]*)`", text)


@pytest.mark.parametrize("title", LISTS)
def test_a_list_is_short_and_names_the_files(built: Built, title: str) -> None:
    """Every file that was changed is one of the list, or, of a recipe key, the place where it is used."""
    patterns = [re.escape(name).replace(r"\*", "[^/]*") for name in listed_files(title)]
    patterns = [re.sub("<[^>]*>", "[^/]*", pattern) for pattern in patterns]
    unlisted = [name for name in built.files[title] if not any(re.fullmatch(p, name) for p in patterns)]

    assert 1 <= len(built.files[title]) <= MOST_FILES[title], built.files[title]
    assert unlisted == (["etbuild/firmware/c_header.py"] if title == "A recipe key" else [])


@pytest.mark.e2e
def test_the_step_kind_is_built_with_the_others(built: Built) -> None:
    """It has a task, runs after the step that makes its input, and its output is right."""
    crc = zlib.crc32(built.output("model.pte").read_bytes())

    assert re.search(r"^crc:angle@cpu +ran ", built.shown, re.MULTILINE), built.shown
    assert built.output("crc.txt").read_text() == f"{crc:08x}\n"


@pytest.mark.e2e
def test_the_recipe_key_arrives(built: Built) -> None:
    """From the YAML file through the command line of the step into its output."""
    assert built.output("model.h").read_text().startswith("/* Do not ship. */\n")


@pytest.mark.e2e
def test_the_board_and_the_kernel_compute_the_right_result(built: Built) -> None:
    """On the new board, in QEMU, with the operator that had no kernel."""
    assert "angle@cpu  run on small (QEMU): 4/4 vectors bit-exact\n" in built.shown
