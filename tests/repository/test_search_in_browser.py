"""The site's search in a real browser: a pasted message leads to its section, and nothing is asked of a network."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not BROWSER, reason="needs a browser: apt-get install chromium")
PASTED = 'models/net.py: got no ModelUnderTest, wanted ModelUnderTest (a torch.nn.Module) and ModelInputs "x" --y'


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Where the site is served: browsers start no worker, and so no search, from disk."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_pasted_message_is_the_first_that_the_search_shows(address: str) -> None:
    """With the user's own path and words; there are no errors on the console."""
    from playwright.sync_api import sync_playwright

    strange: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(30_000)
        page.on("request", lambda one: strange.append(one.url) if not one.url.startswith((address, "data:")) else None)
        page.on("pageerror", lambda error: strange.append(str(error)))
        page.on("console", lambda one: strange.append(one.text) if one.type in ("error", "warning") else None)
        page.goto(f"{address}troubleshooting.html")
        page.locator("[data-md-component=search-query]").fill(PASTED)
        page.keyboard.press("End")
        shown = page.locator(".md-search-result__item").first
        shown.wait_for()
        text = shown.inner_text()
        browser.close()

    assert "got no MISSING, wanted ModelUnderTest (a torch.nn.Module) and ModelInputs" in " ".join(text.split())
    assert strange == []
