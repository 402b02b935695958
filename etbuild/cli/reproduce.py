"""`etbuild reproduce`: rebuild a .pte from its manifest in a clean checkout, and compare the bytes.

It takes nothing from the build cache, the compile server or the project's own build, and changes none of them.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import etbuild
from etbuild.cli.doit_build import build
from etbuild.errors import MissingTool, StepError, UsageError
from etbuild.report.provenance import MADE, inputs_of
from etbuild.system import checkout, git, tools
from etbuild.system.files import sha256

Json = dict[str, Any]


# What is read of a manifest; one that an earlier version wrote has less.
_KEYS = {"recipe": str, "variant": str, "settings": dict, "tools": dict, "packages": dict, "digests": dict}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .pte with its manifest.json next to it, or the manifest.json")
    parser.add_argument(
        "--revision", metavar="REV", default="HEAD", help="the git revision to build; default: the current commit"
    )
    parser.add_argument("--output", metavar="FOLDER", help="store what was built in a folder")


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0 when all bytes are the same, else 1 with what differs."""
    manifest, wanted = read_manifest(Path(arguments.file))
    project = Path.cwd()
    if not (project / "dodo.py").is_file():
        raise UsageError(f"{project}: got no dodo.py, wanted a project\n    run it in a checkout of the project")
    task = f"pte:{manifest['recipe']}@{manifest['variant']}"
    with _checkout(project, arguments.revision) as (tree, where):
        _bring_ignored(manifest, project, tree)
        found = [*different_inputs(manifest, tree), *different_versions(manifest)]
        print(f"building {task} in {where}, without cache and server", flush=True)
        folder = tree / "build" / manifest["recipe"] / manifest["variant"]
        try:
            build(tree, (task,), ETBUILD_CACHE="off", ETBUILD_SERVER="off", ETBUILD_SCHEDULER="")
        except (StepError, UsageError, MissingTool) as error:
            _print(found)
            raise StepError(f"{task}: got no .pte, wanted the one of the manifest\n{error}") from None
        made = json.loads((folder / "manifest.json").read_bytes()) if (folder / "manifest.json").is_file() else {}
        different = different_files(wanted, folder)
        if arguments.output:
            _store(folder, arguments.output)
    if different:
        found += [*different_settings(manifest, made), *first_different_step(manifest, made), *different]
    else:
        found += ["none of this changes a byte"] if found else []
        found += [f"{name}: byte-identical, sha256 {digest}" for name, digest in wanted.items()]
    _print(found)
    return 1 if different else 0


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _store(folder: Path, output: str) -> None:
    try:
        shutil.copytree(folder, output, dirs_exist_ok=True)
    except OSError as error:  # Of copytree: of several files, with no text of its own.
        raise UsageError(f"--output: got {output}, wanted a folder that can be written\n    {error}") from None


def read_manifest(file: Path) -> tuple[Json, dict[str, str]]:
    """A manifest, and the SHA-256 of the files that it describes, by name.

    file:   the .pte, or its manifest.json, which need no .pte next to it.
    raises: UsageError when it is neither, or the .pte is another one than that of its manifest.
    """
    path = file if file.name.endswith(".json") else file.with_name("manifest.json")
    try:
        manifest: Json = json.loads(path.read_bytes())
        wanted = {one["file"]: str(one["sha256"]) for one in (manifest["pte"], *manifest["beside"])}
        if not all(isinstance(manifest[key], kind) for key, kind in _KEYS.items()):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError) as error:
        got = error.strerror if isinstance(error, OSError) else "no manifest with recipe and variant"
        remedy = "name a .pte in the folder that it was built in, or its manifest.json"
        raise UsageError(f"{path}: got {got}, wanted the manifest.json of a .pte\n    {remedy}") from None
    if path != file:
        digest = sha256(file) if file.is_file() else "no file"
        if digest != manifest["pte"]["sha256"]:
            raise UsageError(f"{file}: got {digest}, wanted {manifest['pte']['sha256']}, the .pte of {path}")
    return manifest, wanted


@contextmanager
def _checkout(project: Path, revision: str) -> Iterator[tuple[Path, str]]:
    """A clean checkout, and its description."""
    if not git.is_repository(project):
        with checkout.copied(project) as tree:
            yield tree, "a copy of the project"
        return
    commit = git.commit_of(project, revision)
    if count := len(git.changed_files(project)):
        print(f"{project}: {count} files are not as they are in the commit; the commit is built")
    with checkout.worktree(project, commit) as tree:
        yield tree, f"a checkout of {commit[:12]}"


def _bring_ignored(manifest: Json, project: Path, tree: Path) -> None:
    """Copy inputs that git does not have, such as downloaded weights, where the project has the right ones."""
    for name, digest in inputs_of(manifest):
        source, copy = project / name, tree / name
        if not copy.exists() and source.is_file() and sha256(source) == digest:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)


def different_inputs(manifest: Json, tree: Path) -> Iterator[str]:
    """A line for each input that is another one. A file outside the project has no folder in the manifest: it is not
    looked for."""
    for name, digest in inputs_of(manifest):
        file = tree / name
        if file.is_file():
            found = sha256(file)
            if found != digest:
                yield f"{name}: got sha256 {found}, wanted {digest}"
        elif "/" in name:
            yield f"{name}: got no file, wanted sha256 {digest}"


def different_versions(manifest: Json) -> Iterator[str]:
    """A line for each tool and package in another version."""
    for name, wanted in {**manifest["packages"], **manifest["tools"]}.items():
        found = etbuild.__version__ if name == "etbuild" else None
        if found is None:
            with suppress(MissingTool):
                found = tools.version(name)
        if found != wanted:
            yield f"{name}: got {found or 'none'}, wanted {wanted}"


def different_settings(manifest: Json, made: Json) -> Iterator[str]:
    """A line for each step whose settings are others."""
    for key, wanted in (*manifest["settings"].items(), ("target", manifest["target"])):
        found = made.get("target") if key == "target" else made.get("settings", {}).get(key)
        if found != wanted:
            yield f"settings of {key}: got {_words(found)}, wanted {_words(wanted)}"


def _words(settings: object) -> str:
    return " ".join(map(str, settings)) if isinstance(settings, list) else json.dumps(settings)


def first_different_step(manifest: Json, made: Json) -> Iterator[str]:
    """The file of the build that differs although what it was made from may be the same: the first in the chain."""
    order = ("exported.pt2", "quantized.pt2", "lowered.bin", ".tosa")
    names = [name for name in manifest["digests"] if name.startswith(MADE)]
    names.sort(key=lambda name: next((at for at, end in enumerate(order) if name.endswith(end)), len(order)))
    for name in names:
        found = made.get("digests", {}).get(name)
        if found != manifest["digests"][name]:
            yield f"{name}: the first file of the build that differs"
            return


def different_files(wanted: dict[str, str], folder: Path) -> list[str]:
    """A line for each file that was built with other bytes, or not at all."""
    found = {name: sha256(folder / name) if (folder / name).is_file() else "no file" for name in wanted}
    return [f"{name}: got {found[name]}, wanted {digest}" for name, digest in wanted.items() if found[name] != digest]
