"""Where a board is: from the environment, else the user's own file, else the recipe. It reaches no board."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from etbuild.config.diagnostics import Diagnostics
from etbuild.config.paths import ProjectPaths
from etbuild.config.setting import read, settings_of
from etbuild.errors import Problem, RecipeError, UsageError
from etbuild.hardware.deploy_sections import OwnPlace, Place, Places
from etbuild.system import environment

FILE = "boards.yaml"
_NO_SECRETS = "a password is never read from a file: log in with a key, of the ssh agent or by `key: FILE`"
_SECRETS = ("password", "passwd", "passphrase", "secret", "token")


def place_of(board: str, recipe: Place) -> OwnPlace:
    """Where a board is. board: its name. recipe: what the recipe says.

    raises: RecipeError for a damaged file of the user; UsageError for a variable that cannot be.
    """
    found = OwnPlace(**{one.name: getattr(recipe, one.name) for one in fields(recipe)})
    own = read_places(environment.config_folder() / FILE).boards.get(board)
    if own is not None:
        set_there = {one.name: getattr(own, one.name) for one in fields(own) if getattr(own, one.name)}
        found = replace(found, **{**set_there, "variables": _merged(found.variables, own.variables)})
    given: dict[str, Any] = environment.board_variables()
    if "password" in given:
        raise UsageError(f"ETBUILD_BOARD_PASSWORD: got a password, wanted a key\n    {_NO_SECRETS}")
    for one, made in settings_of(OwnPlace):
        pattern = str(made.limits.get("pattern", ""))
        if pattern and one.name in given and not re.search(pattern, given[one.name]):
            variable, wanted = f"ETBUILD_BOARD_{one.name.upper()}", made.wanted or f"text that matches {pattern}"
            raise UsageError(f"{variable}: got a value that is none, wanted {wanted}")
    return replace(found, **given)


def read_places(file: Path) -> Places:
    """The user's file; empty when there is none.

    raises: RecipeError with every problem of it.
    """
    from etbuild.config import validate, yaml_tree
    from etbuild.config.schemas import schema_file
    from etbuild.config.section import Reading, Section

    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return Places()
    except OSError as error:
        raise RecipeError([Problem(str(file), "", error.strerror or str(error), "a readable file")]) from None
    diagnostics = Diagnostics()
    root = yaml_tree.read(content, file, diagnostics)
    diagnostics.check([file])
    assert root is not None, "an empty file has a diagnostic"
    if not isinstance(root, yaml_tree.MapNode):
        diagnostics.add(root.location, (), yaml_tree.described(root), "a mapping")
        diagnostics.check([file])
    assert isinstance(root, yaml_tree.MapNode), "anything else has a diagnostic"
    _refuse_secrets(root, diagnostics)
    diagnostics.check([file])
    bad = validate.check(root, schema_file("places"), diagnostics)
    diagnostics.check([file])
    reading = Reading(diagnostics, ProjectPaths(file.parent, lambda _name: None), bad)
    return read(Section(root, (), reading), Places)


def _refuse_secrets(root: object, diagnostics: Diagnostics) -> None:
    from etbuild.config.yaml_tree import MapNode

    assert isinstance(root, MapNode)
    boards = root.entries["boards"].node if "boards" in root.entries else None
    for name, entry in boards.entries.items() if isinstance(boards, MapNode) else ():
        for key, value in entry.node.entries.items() if isinstance(entry.node, MapNode) else ():
            if key.lower() in _SECRETS:
                diagnostics.add(value.message_location, ("boards", name, key), key, "no secrets", _NO_SECRETS)


def _merged(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """Both lists of name=value; the second wins."""
    values = dict(one.split("=", 1) for one in (*first, *second))
    return tuple(f"{name}={value}" for name, value in values.items())
