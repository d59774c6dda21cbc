"""One notebook, run with papermill, written without secrets as it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import papermill
from papermill.engines import papermill_engines
from papermill.iorw import papermill_io

from cjlib.views.report.engine import InProcessEngine
from cjlib.views.report.redaction import Mask
from cjlib.views.report.run_store import write_whole

SCHEME = "masked:"


class MaskedFiles:
    """Where papermill writes: whole files only, without secrets."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def write(self, buf: str, path: str) -> None:
        """Write the notebook as far as it has run."""
        write_whole(Path(path.removeprefix(SCHEME)), self._mask(buf))

    def pretty_path(self, path: str) -> str:
        """The path without the scheme."""
        return path.removeprefix(SCHEME)


papermill_engines.register("cj", InProcessEngine)


def execute(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    *,
    mask: Mask,
    done: Callable[[int], None],
) -> None:
    """Run a notebook and write it with its outputs; what stops it is raised.

    Parameters
    ----------
    source, target
        The notebook, and where it goes with its outputs, written as it goes.
    parameters
        Values that stand in for the defaults.
    mask
        Takes secrets out of all that is written.
    done
        Called with the number of each cell that has run.
    """
    papermill_io.register(SCHEME, MaskedFiles(mask))
    papermill.execute_notebook(
        source,
        f"{SCHEME}{target}",
        parameters=dict(parameters),
        engine_name="cj",
        kernel_name="python3",
        language="python",
        progress_bar=False,
        cwd=source.parent,
        done=done,
    )
