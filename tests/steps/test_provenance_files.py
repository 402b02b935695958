"""The bill of materials and the provenance statement next to a .pte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from project import U55, Project, recipe

from etbuild.report.provenance import SBOM, STATEMENT, purl, sbom, statement
from etbuild.steps import pte

FOLDER = "build/r/ethos-u55-128"
MANIFEST: dict[str, Any] = {
    "pte": {"file": "model.pte", "bytes": 3, "sha256": "a" * 64},
    "beside": [{"file": "model.bpte", "bytes": 4, "sha256": "b" * 64}],
    "recipe": "r",
    "variant": "ethos-u55-128",
    "settings": {"export": ["--source", "model.py"], "quantize": ["--scheme", "int8"], "lower": []},
    "target": {"npu": "ethos-u55-128", "arena_cache_size_bytes": None, "flags": ["--x"]},
    "tools": {"etbuild": "0.1.0", "python": "cpython 3.11.7", "torch": "2.13.0+cpu"},
    "packages": {"torch": "2.13.0+cpu", "filelock": "4.2.11"},
    "digests": {"build/r/lowered.bin": "c" * 64, "model.py": "d" * 64},
    "inputs": [{"dtype": "float32", "shape": [1, 2]}],
    "outputs": [{"dtype": "int8", "shape": [3]}],
}


def check_sbom(text: str) -> None:
    """With CycloneDX's own validator, which takes no key that the standard does not have."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def check_statement(text: str) -> None:
    """With in-toto's own messages, which refuse keys that the standard does not have."""
    from google.protobuf import json_format
    from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
    from in_toto_attestation.v1.statement import Statement

    read = Statement.copy_from_pb(json_format.Parse(text, statement_pb2.Statement()))
    read.validate()
    assert read.pb.predicate_type == "https://slsa.dev/provenance/v1"
    predicate = json_format.ParseDict(json.loads(text)["predicate"], provenance_pb2.Provenance())
    for one in (*predicate.build_definition.resolved_dependencies, *predicate.run_details.byproducts):
        ResourceDescriptor.copy_from_pb(one).validate()
    assert predicate.run_details.builder.id


def test_a_bill_of_materials_is_cyclonedx_1_6() -> None:
    """Subject, inputs, packages and tools; bom-refs are unique."""
    content = sbom(MANIFEST)

    check_sbom(json.dumps(content))
    assert [one["bom-ref"] for one in content["components"]] == [
        "file:model.py",
        "pkg:pypi/filelock@4.2.11",
        "pkg:pypi/torch@2.13.0%2Bcpu",
    ]
    assert content["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]


def test_a_statement_is_in_toto_with_slsa_provenance() -> None:
    """Its subjects are the .pte and what was made with it; what steps made for the next are byproducts."""
    content = statement(MANIFEST)

    check_statement(json.dumps(content))
    assert [one["name"] for one in content["subject"]] == ["model.pte", "model.bpte"]
    assert content["predicate"]["runDetails"]["byproducts"] == [
        {"name": "build/r/lowered.bin", "digest": {"sha256": "c" * 64}}
    ]
    assert content["predicate"]["buildDefinition"]["resolvedDependencies"] == [
        {"name": "model.py", "digest": {"sha256": "d" * 64}},
        {"name": "etbuild", "uri": "pkg:generic/etbuild@0.1.0"},
        {"name": "filelock", "uri": "pkg:pypi/filelock@4.2.11"},
        {"name": "python", "uri": "pkg:generic/cpython@3.11.7"},
        {"name": "torch", "uri": "pkg:pypi/torch@2.13.0%2Bcpu"},
    ]


def test_equal_manifests_give_equal_files_and_others_another_serial_number() -> None:
    """There is no time in them, and no random number."""
    other = {**MANIFEST, "digests": {"model.py": "e" * 64}}

    assert (sbom(MANIFEST), statement(MANIFEST)) == (sbom(MANIFEST), statement(MANIFEST))
    assert sbom(MANIFEST)["serialNumber"] != sbom(other)["serialNumber"]


def test_a_package_url_has_no_character_of_its_own_meaning() -> None:
    assert purl("torch", "2.13.0+cpu") == "pkg:pypi/torch@2.13.0%2Bcpu"


@pytest.mark.e2e
def test_step_pte_writes_both_next_to_the_pte(small: Project) -> None:
    """They agree with the manifest and validate; a second run writes the same bytes."""
    folder = small.root / FOLDER
    manifest = small.json(f"{FOLDER}/manifest.json")
    before = [(folder / name).read_bytes() for name in (SBOM, STATEMENT)]

    small.run(pte.step(recipe(), U55))

    assert [(folder / name).read_bytes() for name in (SBOM, STATEMENT)] == before
    assert [json.loads(one) for one in before] == [sbom(manifest), statement(manifest)]
    check_sbom(before[0].decode())
    check_statement(before[1].decode())


@pytest.mark.e2e
def test_the_manifest_has_the_settings_of_every_step_before(small: Project) -> None:
    """No file of the build is one: those are in its digests. What the model imports is there with its version."""
    manifest = small.json(f"{FOLDER}/manifest.json")

    assert (manifest["recipe"], manifest["variant"]) == ("r", "ethos-u55-128")
    assert manifest["settings"]["export"] == ["--source", "model.py"]
    assert manifest["settings"]["quantize"][:4] == ["--profile", "tosa-u55", "--scheme", "int8"]
    assert manifest["settings"]["lower"] == ["--profile", "tosa-u55"]
    assert "torch" in manifest["packages"]
    assert not [word for words in manifest["settings"].values() for word in words if str(Path.home()) in word]
