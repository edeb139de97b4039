"""A headless Chromium with a page that runs the cases, by Playwright."""

from __future__ import annotations

import base64
import os
import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.runtime.engines import FOLDER, MINIFIED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.runtime.engines import Program

__all__ = ["NoBrowserError", "page", "run_in_browser"]

_FLAGS = (
    # As root, and in containers, there is no sandbox to be had.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


class NoBrowserError(Exception):
    """There is no browser to be driven; the message says how to get one."""


def _chromium() -> str:
    named = os.environ.get("CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise NoBrowserError(
            "no chromium: `apt-get install chromium` gets one, or name one in CHROMIUM"
        )
    return found


@contextmanager
def page() -> Iterator[Page]:
    """A page of an origin of its own. Raises NoBrowserError."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NoBrowserError("no Playwright: `pip install playwright` gets it") from None
    program = _chromium()
    with _served() as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            opened = browser.new_page()
            opened.goto(f"{origin}/empty")
            yield opened
        finally:
            browser.close()


def run_in_browser(opened: Page, programs: Sequence[Program]) -> list[Mapping[str, Any]]:
    """As :func:`tests.runtime.engines.run_in_node`."""
    request = [
        {"bytes": base64.b64encode(program.data).decode(), "about": program.about}
        for program in programs
    ]
    script = """async (programs) => {
        const loader = await import("/recover.mjs");
        const { run } = await import("/cases.mjs");
        const results = [];
        for (const { bytes, about } of programs) {
            const decoded = Uint8Array.from(atob(bytes), (each) => each.charCodeAt(0));
            results.push(await run({ loader, bytes: decoded, about }));
        }
        return results;
    }"""
    return opened.evaluate(script, request)  # type: ignore[no-any-return]  # JSON


class _Handler(SimpleHTTPRequestHandler):
    """Serves the loader as pages load it, the tests' scripts, and an empty page."""

    def translate_path(self, path: str) -> str:
        return str(self._file(path))

    def _file(self, path: str) -> Path:
        return MINIFIED if path == "/recover.mjs" else FOLDER / path.lstrip("/")

    def do_GET(self) -> None:
        if self.path not in {"/recover.mjs", "/cases.mjs", "/schedules.mjs"}:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass

    def guess_type(self, path: object) -> str:
        del path
        return "text/javascript"


@contextmanager
def _served() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
