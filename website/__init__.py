"""The documentation site: what mkdocs.yml needs beyond the pages in docs/. etbuild itself does not import it."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
