"""What MkDocs calls while it builds the site: navigation, pages of error messages, links out of docs/."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from website import ROOT, links
from website.message_pages import FOLDER, areas, pages
from website.navigation import navigation, sections

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    config.nav = navigation(_readme(), list(pages()))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    written = [links.file_of(page.src_uri) for page in files.documentation_pages()]
    for page, markdown in pages().items():
        files.append(File.generated(config, page, content=markdown))
    listed = [file for _, group in sections(_readme()) for file in group]
    outside = [file for file in listed if not file.startswith("docs/")]
    for file in dict.fromkeys([*outside, *links.outside_files([*written, *outside])]):
        files.append(File.generated(config, links.page_of(file), abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    if page.file.src_uri.startswith(FOLDER):
        return markdown
    listed = " · ".join(f"[{area.title}]({area.page})" for area in areas())
    return links.on_site(markdown, page.file.src_uri).replace("<!-- messages -->", listed)


def on_post_build(config: MkDocsConfig) -> None:
    """Append our correction of the search to the theme's worker."""
    correction = (ROOT / "website" / "search_worker.js").read_text(encoding="utf-8")
    (worker,) = (Path(config.site_dir) / "assets/javascripts/workers").glob("search.*.js")
    worker.write_text(worker.read_text(encoding="utf-8") + correction, encoding="utf-8")


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")
