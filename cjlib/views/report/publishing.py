"""Publishing: what readers see changes all at once, or is finished by the next run.

A run says `publishing` before the first file is swapped and `ok` after the last; a run that is found `publishing` is published again from its
folder, which gives the same files. A run with a failed notebook publishes nothing.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cjlib.views.report import index
from cjlib.views.report.render import HOME, write_asset
from cjlib.views.report.run_store import (
    FAILED,
    INTERRUPTED,
    OK,
    PUBLISHING,
    RUNNING,
    Run,
    forget,
    now,
    read_runs,
)

_BESIDE = re.compile(r'<a href="([\w-]+)\.html(?:#[^"]*)?">(.*?)</a>', re.DOTALL)
"""A link to a report beside this one."""


def publish(run: Run) -> None:
    """Swap in every report of the run, then say that it is done."""
    run.update({"status": PUBLISHING})
    if run.facts.get("shared_assets"):
        write_asset(run.out)
    pages = [run.folder / f"{name}.html" for name in run.facts["notebooks"]]
    there = (
        {"index", "runs"}
        | {page.stem for page in pages}
        | {page.stem for page in run.out.glob("*.html")}
    )
    aside = [(run.out / f".{page.name}.{run.id}", run.out / page.name) for page in pages]
    for page, (written, _) in zip(pages, aside, strict=True):
        written.write_text(_at_home(page.read_text(encoding="utf-8"), there), encoding="utf-8")
    for written, published in aside:
        os.replace(written, published)
    run.update({"status": OK})


def _at_home(html: str, there: set[str]) -> str:
    """The page's few links as they are in the folder of reports, none to a report that is not there; the rest, data included, holds no such attribute."""
    moved = html.replace(f'href="{HOME}', 'href="').replace(f'data-src="{HOME}', 'data-src="')
    return _BESIDE.sub(
        lambda link: link[0] if link[1] in there else f"<span>{link[2]}</span>", moved
    )


def recover(out: Path) -> list[str]:
    """What earlier runs left behind is brought to an end; what was done, in words."""
    said = []
    for run in reversed(read_runs(out)):
        if run.status == PUBLISHING:
            publish(run)
            said.append(f"finished publishing run {run.id}, which had been cut off")
        elif run.status == RUNNING:
            run.update({"status": INTERRUPTED, "finished": now()})
            said.append(f"run {run.id} had been cut off; it is listed as interrupted")
    return said


def finish(run: Run, keep: int | None) -> None:
    """The end of a run: publish it if every notebook is through, and write the index in any case; of older runs only `keep` stay."""
    if any(one["status"] != OK for one in run.facts["notebooks"].values()):
        run.update({"status": FAILED})
    else:
        publish(run)
    if keep is not None:
        forget(run.out, keep)
    write_index(run.out)


def write_index(out: Path) -> None:
    """The first page, anew."""
    index.write(out, read_runs(out))
