"""The JSON Schema of a user's file of boards, made from the settings of its classes.

`python -m etbuild.hardware.places_schema` writes it to schemas/places.schema.json.
"""

from __future__ import annotations

import sys

from etbuild.config.schemas import write_schema
from etbuild.config.setting_schema import Json, section_schema
from etbuild.errors import exit_code_of
from etbuild.hardware.deploy_sections import Places


def places_schema() -> Json:
    """The whole schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "places.schema.json",
        **section_schema(Places),
    }


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda _: write_schema("places", places_schema()), sys.argv[1:]))
