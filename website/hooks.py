"""What MkDocs calls while it builds the site: navigation, pages of error messages, links out of docs/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from website import ROOT, links
from website.navigation import navigation, sections

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    config.nav = navigation(_readme(), [])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    pages = [links.file_of(page.src_uri) for page in files.documentation_pages()]
    listed = [file for _, group in sections(_readme()) for file in group]
    outside = [file for file in listed if not file.startswith("docs/")]
    for file in dict.fromkeys([*outside, *links.outside_files([*pages, *outside])]):
        files.append(File.generated(config, links.page_of(file), abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    return links.on_site(markdown, page.file.src_uri)


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")
