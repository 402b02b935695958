"""A model that reads in every way that etbuild tracks, and says what it found: its text is the exported program."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

# The body of a function, by what it looks at. An error of looking is what was found, too.
LOOKS = {
    "helper": "import helper; return helper.VALUE",
    "blocks": "import lib.blocks; return lib.blocks.VALUE",
    "from_import": "from lib import more; return more.VALUE",
    "linked": "import linked; return linked.VALUE",
    "perhaps": "import perhaps; return perhaps.VALUE",
    "dynamic": "return importlib.import_module('dyna' + 'mic').VALUE",
    "on_path": "import on_path; return on_path.VALUE",
    "standard": "import colorsys; return getattr(colorsys, 'VALUE', 'standard')",
    "package": "import pack; return pack.VALUE",
    "needed": "import deep; return deep.VALUE",
    "found": "return importlib.util.find_spec('found') is not None",
    "far": "return open(OUTSIDE + '/far.txt').read()",
    "hidden": "return (ROOT / '.hidden/x.txt').read_text()",
    "both": "return open('data/both.txt', 'r+').read()",
    "low": "return os.read(os.open(ROOT / 'data/low.txt', os.O_RDONLY), 9)",
    "json": "return json.loads((ROOT / 'data/config.json').read_text())",
    "table": "return open('table.txt').read()",
    "variable": "return os.environ.get('MODEL_SCALE', 'none')",
    "getenv": "return os.getenv('MODEL_NAME')",
    "is_set": "return 'MODEL_FLAG' in os.environ",
    "listed": "return sorted(os.listdir(ROOT / 'data'))",
    "globbed": "return sorted(glob.glob('data/more/*.txt'))",
    "literal": "return glob.glob('globbed/o*/literal.txt')",
    "walked": "return [(sorted(folders), sorted(files)) for _, folders, files in os.walk(ROOT / 'tree')]",
    "iterated": "return sorted(path.name for path in (ROOT / 'tree').iterdir())",
    "searched": "return sorted(path.name for path in Path('tree').rglob('*.txt'))",
    "exists": "return os.path.exists(ROOT / 'flag')",
    "is_file": "return (ROOT / 'other flag').is_file()",
    "is_folder": "return os.path.isdir('maybe')",
    "lexists": "return os.path.lexists(ROOT / 'late')",
    "access": "return os.access(ROOT / 'allowed', os.F_OK)",
    "subprocess": "return subprocess.run(['cat', ROOT / 'recipes/data/declared.txt'], capture_output=True).stdout",
}

_HEAD = """\
import glob, importlib, importlib.util, json, os, subprocess
from pathlib import Path

OUTSIDE = {outside!r}
ROOT = Path(__file__).resolve().parents[{depth}]
STRICT = (ROOT / "data/strict.txt").read_text()
SEEN = [STRICT]


def look(name, at):
    try:
        SEEN.append(f"{{name}}: {{at()}}")
    except (OSError, ImportError, AttributeError, ValueError) as error:
        SEEN.append(f"{{name}}: {{type(error).__name__}}")

"""


def source(looks: Iterable[str], outside: Path, depth: int) -> str:
    """depth: of the file's folder below the project's root."""
    parts = [_HEAD.format(outside=str(outside), depth=depth)]
    for name in looks:
        body = LOOKS[name].replace("; ", "\n    ")
        parts.append(f"\ndef {name}_():\n    {body}\n\n\nlook({name!r}, {name}_)\n")
    tail = 'ModelUnderTest = "\\n".join(SEEN)\nModelInputs = ("an input",)\n'
    return "\n".join([*parts, tail, "\ndef make():\n    return ModelUnderTest, ModelInputs\n"])
