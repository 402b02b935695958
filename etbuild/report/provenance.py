"""What a .pte was made from, for other tools: a CycloneDX 1.6 bill of materials and an in-toto statement with SLSA
provenance v1. Both say what manifest.json says, so equal manifests give equal bytes. It signs nothing.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from etbuild.report.figures import Json

SBOM, STATEMENT = "model.cdx.json", "model.intoto.json"
BUILD_TYPE = "urn:etbuild:pte:1"
BUILDER = "urn:etbuild:builder"
# The manifest's files of the build itself: what steps made for the next one.
MADE = "build/"


def write_provenance(manifest: Json, folder: Path) -> None:
    """Write both files. manifest: the content of manifest.json. folder: where the .pte is."""
    for name, content in ((SBOM, sbom(manifest)), (STATEMENT, statement(manifest))):
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def sbom(manifest: Json) -> Json:
    """The bill of materials: the program as a machine learning model, the files that it was made from, and the tools.

    It has no time stamp, and its serial number follows from the program's SHA-256 and its inputs.
    """
    inputs = [_component(name, digest) for name, digest in inputs_of(manifest)]
    packages = [
        {
            "type": "library",
            "bom-ref": purl(name, version),
            "name": name,
            "version": version,
            "purl": purl(name, version),
        }
        for name, version in sorted(manifest["packages"].items())
    ]
    content = json.dumps([manifest["pte"], manifest["digests"], manifest["tools"]], sort_keys=True)
    ports = {key: [{"format": _format(port)} for port in manifest[key]] for key in ("inputs", "outputs")}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [_tool(name, version) for name, version in manifest["tools"].items()]},
            "component": {
                "type": "machine-learning-model",
                "bom-ref": manifest["pte"]["file"],
                "name": f"{manifest['recipe']}@{manifest['variant']}",
                "hashes": _hashes(manifest["pte"]["sha256"]),
                "modelCard": {"modelParameters": ports},
                "properties": [
                    {"name": f"etbuild:target:{key}", "value": _text(value)}
                    for key, value in manifest["target"].items()
                ],
            },
        },
        "components": [*inputs, *packages],
        "dependencies": [
            {"ref": manifest["pte"]["file"], "dependsOn": [one["bom-ref"] for one in (*inputs, *packages)]}
        ],
    }


def statement(manifest: Json) -> Json:
    """The in-toto statement about the .pte and the files made with it. Its parameters are complete: the same ones and
    the same dependencies give the same bytes."""
    files = (manifest["pte"], *manifest["beside"])
    made = {name: digest for name, digest in manifest["digests"].items() if name.startswith(MADE)}
    tools = {**manifest["packages"], **manifest["tools"]}
    builder = {"id": BUILDER, "version": {"etbuild": manifest["tools"]["etbuild"]}}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": one["file"], "digest": {"sha256": one["sha256"]}} for one in files],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {key: manifest[key] for key in ("recipe", "variant", "target", "settings")},
                "resolvedDependencies": [
                    *({"name": name, "digest": {"sha256": digest}} for name, digest in inputs_of(manifest)),
                    *({"name": name, "uri": purl(name, version)} for name, version in sorted(tools.items())),
                ],
            },
            "runDetails": {
                "builder": builder,
                "byproducts": [{"name": name, "digest": {"sha256": digest}} for name, digest in made.items()],
            },
        },
    }


def inputs_of(manifest: Json) -> Iterator[tuple[str, str]]:
    """The files that the build began with, and their SHA-256."""
    return ((name, digest) for name, digest in manifest["digests"].items() if not name.startswith(MADE))


def purl(name: str, version: str) -> str:
    """The package URL of a tool, as the manifest names it."""
    if name == "python":
        implementation, _, number = version.partition(" ")
        return f"pkg:generic/{implementation}@{quote(number)}"
    return f"pkg:{'generic' if name == 'etbuild' else 'pypi'}/{name}@{quote(version)}"


def _component(name: str, digest: str) -> Json:
    return {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": _hashes(digest)}


def _tool(name: str, version: str) -> Json:
    return {"type": "application", "name": name, "version": version, "purl": purl(name, version)}


def _hashes(digest: str) -> list[Json]:
    return [{"alg": "SHA-256", "content": digest}]


def _format(port: Json) -> str:
    return f"{port['dtype']}{port['shape']}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
