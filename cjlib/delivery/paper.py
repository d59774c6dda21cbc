"""Reports on paper: each page printed to PDF by a Chrome of this machine, as it stands when it is opened."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from cjlib import platform
from cjlib.errors import CjlibError, shown

PATIENCE = 180
"""Seconds that a page may take."""
DRAWING = 20_000
"""Milliseconds of the page's own clock in which its figures are drawn; the clock runs ahead when the page waits."""
AT_ONCE = 4


def find_chrome() -> Path:
    """The browser that prints; CjlibError where there is none."""
    found = platform.chrome()
    if found is not None:
        return found
    named = os.environ.get("CJ_CHROME")
    why = (
        f"CJ_CHROME names {shown(named)}, which is no file."
        if named
        else "no Chrome, Chromium or Edge was found."
    )
    raise CjlibError(
        f"--pdf: {why} Install one (Debian: apt-get install chromium), or name it: export CJ_CHROME=/path/to/chrome."
    )


def print_reports(out: Path, names: Iterable[str], browser: Path) -> list[Path]:
    """Print reports of a folder beside their pages.

    Raises
    ------
    CjlibError
        If the browser did not print one; the others are there.
    """
    pages = [out / f"{name}.html" for name in names]
    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as printers:
        results = list(printers.map(lambda page: _printed(page, browser), pages))
    failed = [page.name for page, fine in zip(pages, results, strict=True) if not fine]
    if failed:
        raise CjlibError(
            f"--pdf: {shown(str(browser))} did not print {', '.join(failed)}. Open it there and print it by hand, or try another browser with CJ_CHROME."
        )
    return [page.with_suffix(".pdf") for page in pages]


def _printed(page: Path, browser: Path) -> bool:
    """Whether the page is printed now."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = Path(folder) / "page.pdf"
        command = [
            str(browser),
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--no-pdf-header-footer",
            f"--virtual-time-budget={DRAWING}",
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={made}",
            *(["--no-sandbox"] if platform.is_root() else []),
            page.absolute().as_uri(),
        ]
        try:
            subprocess.run(
                command,
                timeout=PATIENCE,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        if not made.is_file() or not made.read_bytes().startswith(b"%PDF-"):
            return False
        aside = page.with_name(f".{page.stem}.pdf")
        aside.write_bytes(made.read_bytes())
        os.replace(aside, page.with_suffix(".pdf"))
    return True
