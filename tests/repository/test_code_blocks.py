"""Every block of code in the pages: recipes are loaded, Python and C++ compiled, commands and messages are real ones.

A block that cannot be run here has a comment above it, `<!-- not run: REASON -->`; pytest -rs lists the reasons.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from documented import ROOT, Block, blocks

from etbuild.cli.main import COMMANDS
from etbuild.hardware.boards import load_board
from etbuild.hardware.places import read_places
from etbuild.recipe.load import load
from etbuild.recipe.schema import SECTIONS
from etbuild.steps.kinds import KINDS
from website.messages import bad_recipes, messages

ALL = blocks()
NOT_RUN = [block for block in ALL if block.reason]
RUN = [block for block in ALL if not block.reason]
RECIPE_KEYS = {"extends", *SECTIONS}
BOARD_KEYS = set(json.loads((ROOT / "schemas/board.schema.json").read_text())["properties"])
MODEL_KEYS = {"source", "builtin", "module", "program", "entry"}
FILE = re.compile(r"[\w./-]+\.(py|npz|npy|pt|pth|pt2|safetensors|cc|c|h|so|bin)")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOIT_COMMANDS = {*PROJECT["entry-points"]["doit.COMMAND"], "tabcompletion", "help"}
# Of doit; those that are no steps are in etbuild/doit_plugin/tasks.py and view.py.
TASKS = {"build", "debug", "history", "view", *KINDS}
LANGUAGES = {"", "yaml", "python", "cpp", "console"}


def ids(block: Block) -> str:
    return block.place


def mapping(block: Block) -> dict[str, Any]:
    """The YAML of a block, or {} where it is none."""
    if block.language not in ("yaml", "") or not re.match(r"(#.*\n)*[a-z_]+:( |\n)", block.text):
        return {}
    try:
        found = yaml.safe_load(block.text)
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def files_in(value: Any, key: str = "") -> Iterator[str]:
    """The names of files anywhere in a recipe."""
    if isinstance(value, dict):
        yield from (name for inner, part in value.items() for name in files_in(part, inner))
    elif isinstance(value, list):
        yield from (name for part in value for name in files_in(part, key))
    elif isinstance(value, str) and (FILE.fullmatch(value) or key == "reads"):
        yield value


def is_workflow(block: Block) -> bool:
    """A part of a workflow of CI: variables, or steps with commands, which are checked as commands."""
    found = yaml.safe_load(block.text)
    is_steps = isinstance(found, list) and all(isinstance(one, dict) and {"run", "uses"} & set(one) for one in found)
    return is_steps or (isinstance(found, dict) and set(found) == {"env"})


def write_files(folder: Path, content: dict[str, Any]) -> None:
    for name in files_in(content):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def base_of(content: dict[str, Any]) -> dict[str, Any]:
    """What a part of a recipe needs beside it."""
    has_npu = "dynamic_shapes" not in content.get("export", {})
    target = "ethos-u65-256" if "deploy" in content else "ethos-u55-128" if has_npu else "none"
    base: dict[str, Any] = {"vectors": {"data": "vectors.npz"}}
    targets, model = content.get("targets", {}), content.get("model", {})
    samples = [content.get("vectors", {}), content.get("quantize", {}).get("calibration", {})]
    named = [name for part in samples for name in part.get("methods", {})]
    if not MODEL_KEYS & set(model):
        methods = {"methods": dict.fromkeys((*named, "one_more"), "make")} if named else {}
        base["model"] = {"source": "net.py", **methods}
    if named or "methods" in model:
        del base["vectors"]
    if isinstance(targets, dict) and "npu" not in targets:
        base["targets"] = {"npu": target}
    if "deploy" in content:
        base["runtime"] = {"board": "imx93-evk"}
    return base


RECIPES = [block for block in RUN if mapping(block) and set(mapping(block)) <= RECIPE_KEYS]
BOARDS = [block for block in RUN if "transport" in mapping(block).get("deploy", {}) or "uart" in mapping(block)]
PLACES = [block for block in RUN if set(mapping(block)) == {"boards"}]
RECIPES = [block for block in RECIPES if block not in BOARDS]


@pytest.mark.parametrize("block", RECIPES, ids=ids)
def test_a_recipe_or_a_part_of_one_is_loaded(block: Block, tmp_path: Path) -> None:
    """By the real loader; what a part leaves out comes from a recipe that it extends."""
    content = mapping(block)
    base = base_of(content)
    folder = tmp_path / "recipes"
    folder.mkdir()
    write_files(folder, {**content, "base": ["net.py", "vectors.npz"]})
    (folder / "_base.yaml").write_text(json.dumps(base))
    (folder / "net.yaml").write_text("" if "extends" in content else f"extends: _base.yaml\n{block.text}")

    assert load(folder / "net.yaml", tmp_path, {"HOME": str(tmp_path)}).targets


@pytest.mark.parametrize("block", BOARDS, ids=ids)
def test_a_part_of_a_boards_file_is_loaded(block: Block, tmp_path: Path) -> None:
    content = mapping(block)
    write_files(tmp_path, content)
    board = "imx93-evk" if "remoteproc" in block.text else "alif-e8-hp"
    text = block.text if "extends" in content else f"extends: {board}\n{block.text}"
    (tmp_path / "own.yaml").write_text(text)

    assert load_board(tmp_path / "own.yaml").name == "own"


@pytest.mark.parametrize("block", PLACES, ids=ids)
def test_a_file_of_places_is_read(block: Block, tmp_path: Path) -> None:
    (tmp_path / "boards.yaml").write_text(block.text)

    assert set(read_places(tmp_path / "boards.yaml").boards) == set(mapping(block)["boards"])


def test_yaml_is_one_of_these() -> None:
    """A fence that says yaml is a recipe, a board's file, a file of places, or a part of a workflow."""
    known = [*RECIPES, *BOARDS, *PLACES]

    assert len(known) > 40
    rest = [block for block in RUN if block.language == "yaml" and block not in known]
    assert [block.place for block in rest if not is_workflow(block)] == []


PYTHON = """\
import ast, builtins, json, sys, traceback
failed = []
for place, text in json.load(sys.stdin):
    tree = ast.parse(text)
    defined = set(dir(builtins)) | {"__file__"}
    for node in tree.body:
        for part in ast.walk(node):
            if isinstance(part, ast.alias):
                defined.add((part.asname or part.name).partition(".")[0])
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                defined.add(part.id)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
    loose = [part.id for node in tree.body if not isinstance(node, ast.FunctionDef)
             for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)]
    arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arguments)]
    defined |= {arg.arg for node in arguments for arg in node.args + node.kwonlyargs}
    if set(loose) <= defined:
        try:
            exec(compile(text, place, "exec"), {"__name__": "page", "__file__": sys.argv[1]})
        except Exception:
            failed.append(place + "\\n" + traceback.format_exc())
    print(place, "runs" if set(loose) <= defined else "compiles", file=sys.stderr)
print(json.dumps(failed))
"""


@pytest.mark.e2e
def test_python_runs_or_compiles(tmp_path: Path) -> None:
    """A block whose names are all its own runs; one that goes on from others has the syntax of Python."""
    texts = [(block.place, block.text) for block in RUN if block.language == "python"]
    command = [sys.executable, "-c", PYTHON, str(tmp_path / "dodo.py")]
    done = subprocess.run(command, input=json.dumps(texts), cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert done.stderr.count(" runs\n") >= 5


@pytest.mark.parametrize("block", [block for block in RUN if block.language == "cpp"], ids=ids)
def test_cpp_compiles(block: Block, tmp_path: Path) -> None:
    """As kernels of the user are: C++17, with the runtime's headers."""
    source = tmp_path / "block.cc"
    source.write_text(block.text)

    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", str(ROOT / "etbuild/runtime")]
    subprocess.run(["g++", *flags, source], check=True)


def command_lines(block: Block) -> Iterator[str]:
    """The commands of etbuild and doit in a block; two spaces or a comment end one."""
    for line in block.text.replace("\\\n", " ").splitlines():
        for part in re.split(r" {2,}|  #", re.sub(r"^(\$|- run:) ", "", line)):
            found = re.match(r"(?:\./bootstrap )?((?:doit|etbuild)\b.*)", part)
            if found:
                yield found[1]


COMMANDS_SHOWN = [(block.place, line) for block in ALL for line in command_lines(block)]


@pytest.mark.parametrize(("place", "line"), COMMANDS_SHOWN, ids=[f"{place} {line}" for place, line in COMMANDS_SHOWN])
def test_a_command_is_one_that_exists(place: str, line: str) -> None:
    """With its options; a task is of a kind of step."""
    program, *words = line.replace("[", "").replace("]", "").split()
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    # What follows an option may be its value.
    names = [word for before, word in zip(["", *words], words, strict=False) if "-" not in (before[:1], word[:1])]
    if program == "etbuild":
        used = [name for name in names if name in COMMANDS] if "|" in words else names[:1]
        assert set(used) <= set(COMMANDS), line
        assert options <= set().union(*(options_of(name) for name in used)), line
    else:
        wrong = [name for name in names if name.partition(":")[0] not in TASKS | DOIT_COMMANDS]
        assert [name for name in wrong if not re.fullmatch(r"TASK|\S+=\S*", name)] == []


def options_of(command: str) -> set[str]:
    parser = argparse.ArgumentParser()
    import_module(f"etbuild.cli.{command}").add_arguments(parser)
    return {option for action in actions(parser) for option in action.option_strings}


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            yield from (one for inner in action.choices.values() for one in actions(inner))


def known_messages() -> list[list[str]]:
    """The constant parts of the first line of each message."""
    parts = [[bad.message.partition("\n")[0].partition(": ")[2]] for bad in bad_recipes()]
    for one in messages():
        first = "\0".join(part if isinstance(part, str) else "" for part in one.template).partition("\n")[0]
        parts.append([part for part in first.split("\0") if part])
    return [one for one in parts if set(re.findall("[a-z]{3,}", " ".join(one))) - {"got", "wanted"}]


def is_one_of(line: str, known: list[list[str]]) -> bool:
    return any(all(part in line for part in parts) for parts in known)


def test_a_message_is_one_that_the_product_has() -> None:
    """Lines of the form `place: got X, wanted Y`."""
    known = known_messages()
    shown = [
        (block.place, line)
        for block in RUN
        for line in block.text.splitlines()
        if re.match(r"\S.*: got (?!\w+Error: ).*(, wanted|$)", line)
    ]

    assert len(shown) > 10
    assert [(place, line) for place, line in shown if not is_one_of(line, known)] == []


@pytest.mark.parametrize("block", NOT_RUN, ids=ids)
def test_a_block_that_is_not_run_says_why(block: Block) -> None:
    """pytest -rs lists the reasons."""
    pytest.skip(f"{block.place}: {block.reason}")


def test_every_fence_is_run_or_says_why_not() -> None:
    """Of a language that a test here or in test_console_blocks.py knows."""
    assert [block.place for block in RUN if block.language not in LANGUAGES] == []
