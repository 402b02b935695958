"""The files that a differential test edits, and the recipe in its variants."""

from __future__ import annotations

PY = "VALUE = {}\n"
TEXT = "{}\n"

# By name: path in the project, or OUTSIDE/...; its text for a number; whether it is there at first.
FILES: dict[str, tuple[str, str, bool]] = {
    "helper": ("recipes/models/helper.py", PY, True),
    "helper package": ("recipes/models/helper/__init__.py", PY, False),
    "helper in root": ("helper.py", PY, False),
    "blocks": ("lib/blocks.py", PY, True),
    "more": ("lib/more.py", PY, True),
    "lib package": ("lib/__init__.py", "more = None\n# {}\n", False),
    "inner blocks": ("recipes/models/lib/blocks.py", PY, False),
    "inner lib package": ("recipes/models/lib/__init__.py", "# {}\n", False),
    "perhaps": ("perhaps.py", PY, False),
    "inner perhaps": ("recipes/models/perhaps/__init__.py", PY, False),
    "dynamic": ("recipes/models/dynamic.py", PY, True),
    "colorsys": ("recipes/models/colorsys.py", PY, False),
    "pack in project": ("pack.py", PY, False),
    "on_path in project": ("recipes/models/on_path.py", PY, False),
    "found": ("found.py", PY, False),
    "path1": ("OUTSIDE/path1/on_path.py", PY, True),
    "path2": ("OUTSIDE/path2/on_path.py", PY, True),
    "pack on path": ("OUTSIDE/path1/pack.py", PY, False),
    "perhaps on path": ("OUTSIDE/path2/perhaps.py", PY, False),
    "linked": (
        "OUTSIDE/linked.py",
        "from pathlib import Path\nVALUE = ({}, (Path(__file__).resolve().parent / 'sibling.txt').read_text())\n",
        True,
    ),
    "sibling": ("OUTSIDE/sibling.txt", TEXT, True),
    "far": ("OUTSIDE/far.txt", TEXT, True),
    "hidden": (".hidden/x.txt", TEXT, True),
    "both": ("data/both.txt", TEXT, True),
    "low": ("data/low.txt", TEXT, True),
    "config": ("data/config.json", TEXT, True),
    "strict": ("data/strict.txt", TEXT, True),
    "data": ("data/a.txt", TEXT, False),
    "globbed": ("data/more/b.txt", TEXT, False),
    "literal": ("globbed/only/literal.txt", TEXT, False),
    "beside": ("globbed/only/beside.txt", TEXT, True),
    "tree": ("tree/x/y.txt", TEXT, True),
    "leaf": ("tree/z.txt", TEXT, False),
    "table": ("table.txt", TEXT, False),
    "flag": ("flag", TEXT, False),
    "other flag": ("other flag", TEXT, False),
    "maybe": ("maybe/inside.txt", TEXT, False),
    "late": ("late", TEXT, False),
    "allowed": ("allowed", TEXT, False),
    "unread": ("unread/z.txt", TEXT, True),
    "declared": ("recipes/data/declared.txt", TEXT, True),
    "calibration": ("recipes/data/calibration.npz", TEXT, True),
    "other calibration": ("recipes/data/other/1.txt", TEXT, True),
}

RECIPE = "recipes/net.yaml"
RECIPES = 32
_RECIPE = """\
# Comment {comment}.
model:
  {model}
  reads: [data/declared.txt]
quantize:
  scheme: int8
  calibration: {{data: {data}}}
targets:
"""
_TARGET = """\
  - npu: ethos-u55-{macs}
    system_config: Ethos_U55_High_End_Embedded
    memory_mode: {mode}
"""


def recipe_text(number: int) -> str:
    """The recipe in one of RECIPES variants; a comment, model, calibration and targets follow from the bits."""
    text = _RECIPE.format(
        comment=number & 1,
        model="entry: pkg.mod:make" if number & 2 else "source: models/net.py",
        data="data/other" if number & 4 else "data/calibration.npz",
    )
    targets = [_TARGET.format(macs=128, mode="Sram_Only" if number & 8 else "Shared_Sram")]
    targets += [_TARGET.format(macs=256, mode="Shared_Sram")] if number & 16 else []
    return text + "".join(targets)
