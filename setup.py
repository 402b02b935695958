"""What pyproject.toml cannot express: schemas/ is outside the package in the repository, inside it when installed."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithSchemas(build_py):
    """Builds the package with schemas/ in it; an editable install uses the folder where it is."""

    def _get_data_files(self):
        schemas = sorted(file.name for file in Path("schemas").glob("*.json"))
        if not schemas:
            raise SystemExit("schemas: got no *.json, wanted the JSON Schemas\n    take a whole checkout, or an sdist")
        return [*super()._get_data_files(), ("etbuild", "schemas", f"{self.build_lib}/etbuild/schemas", schemas)]


setup(cmdclass={"build_py": BuildWithSchemas})
