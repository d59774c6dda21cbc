"""A browser without a network, and pages made by `cj run` for it to look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from commandline import NOTEBOOKS, here, only_run

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's chromium, headless."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: `make test` installs Debian's where it may")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with a good, a hostile and a broken notebook; since one failed its pages stay there. The index lies two floors up."""
    out = tmp_path_factory.mktemp("pages")
    said = here(
        "run",
        "ok",
        "hostile",
        "broken",
        "--notebooks",
        NOTEBOOKS,
        "-P",
        "name=</script><img src=x onerror=\"window.hacked='name'\">",
        "--out",
        out,
    )
    assert said.code == 1, said.err
    return only_run(out)[0]


@dataclass
class Seen:
    """A page that is open, and what it did that it should not."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def until(self, expression: str, wanted: Any, seconds: float = 30) -> Any:
        """Ask until the answer is the wanted one. Asked from outside: a strict policy lets nothing wait within the page."""
        for _ in range(int(seconds / 0.1)):
            if (found := self.page.evaluate(expression)) == wanted:
                return found
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{expression} is {found!r}, not {wanted!r}")

    @property
    def figures(self) -> int:
        """How many figures the page declares."""
        return self.page.evaluate("document.querySelectorAll('[data-fig]').length")

    def draw_all(self) -> None:
        """Go to every figure and wait until each is drawn."""
        for box in self.page.query_selector_all("[data-fig]"):
            box.scroll_into_view_if_needed()
        self.until(DRAWN, self.figures)


DRAWN = "[...document.querySelectorAll('[data-fig]')].filter((box) => box.querySelector('svg.main-svg')).length"


@pytest.fixture
def look(browser: Any) -> Iterator[Any]:
    """Open a page offline: `look(path, width=390, dark=True, script=False)`."""
    contexts = []

    def open_page(
        path: Path,
        *,
        width: int = 1280,
        dark: bool = False,
        script: bool = True,
        full: bool = True,
    ) -> Seen:
        context = browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme="dark" if dark else "light",
            offline=True,
            java_script_enabled=script,
        )
        contexts.append(context)
        if full:
            context.add_init_script("localStorage.setItem('cj-view', 'full')")
        seen = Seen(context.new_page())
        seen.page.on(
            "request",
            lambda request: (
                seen.requests.append(request.url)
                if not request.url.startswith(("file:", "data:", "blob:"))
                else None
            ),
        )
        seen.page.on(
            "console",
            lambda message: (
                seen.complaints.append(message.text)
                if message.type in ("error", "warning")
                else None
            ),
        )
        seen.page.on("pageerror", lambda fault: seen.complaints.append(str(fault)))
        seen.page.goto(path.as_uri(), wait_until="load")
        return seen

    yield open_page
    for context in contexts:
        context.close()
